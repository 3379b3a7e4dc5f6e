"""Tests of planning, from names to questions: keys, what changes them, and errors before any computation."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from toy_evaluation import CATALOG, questions
from toys import LABELS, ToyPlugin, images, split_of

from benchsuite import (
    BadParameter,
    BenchsuiteError,
    DataError,
    Dataset,
    Sample,
    Split,
    UnknownName,
    WeightsError,
    hookimpl,
    load_plugins,
)
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.plan import plan
from benchsuite.specs import parameters


def run_id(**fields: Any) -> str:
    return questions("10crop", **fields)[0].run_id


def test_same_question_has_the_same_id_and_speed_does_not_matter() -> None:
    assert run_id() == run_id(batch_size=3, workers=2, fresh=True, loader="toy", results=Path("elsewhere"))


@pytest.mark.parametrize(
    "fields",
    [
        *({"precision": "bf16"}, {"weights": "random"}, {"limit": 2}, {"device": "cpu"}),
        *({"transforms": ("redder",)}, {"transforms": ("redder", "redder")}),
    ],
    ids=str,
)
def test_what_can_change_a_number_changes_the_id(fields: dict[str, Any]) -> None:
    assert run_id() != run_id(**fields)


def test_seed_matters_for_random_weights_only() -> None:
    assert run_id(seed=1) == run_id(seed=2)
    assert run_id(weights="random", seed=1) != run_id(weights="random", seed=2)


def test_a_transform_is_known_by_its_parameters_however_they_are_written() -> None:
    (asked,) = questions("1crop", transforms=("redder",))
    assert asked.run_id == run_id_of("redder:by=2") == run_id_of("redder:by= 2")
    assert len({asked.run_id, run_id_of("redder:by=3"), run_id_of()}) == 3
    assert asked.request.transforms == ("redder:by=2",)
    assert asked.weights == "identity, redder:by=2"
    assert asked.members[0].identity != questions("1crop")[0].members[0].identity


def run_id_of(*transforms: str) -> str:
    return questions("1crop", transforms=transforms)[0].run_id


def test_default_written_out_is_the_same_question() -> None:
    a, b = (questions(p)[0].run_id for p in ("10crop", "10crop:merge=prob,flip=true"))
    assert a == b


def test_limit_takes_samples_at_even_distances() -> None:
    assert [s.id for s in questions("1crop", limit=2)[0].samples] == ["a", "c"]
    assert [s.id for s in questions("1crop", limit=99)[0].samples] == list("abcde")


def test_size_of_a_file_changes_the_id_and_its_time_the_fingerprint_only() -> None:
    def opened(stamp: str) -> Any:
        split = split_of(images(), LABELS)
        samples = tuple(dataclasses.replace(s, stamp=stamp) for s in split.samples)
        made = Dataset(
            "stamped", lambda path, name: dataclasses.replace(split, samples=samples), True, "", "", path="none"
        )

        class Plugin:
            @hookimpl
            def benchsuite_datasets(self) -> list[Dataset]:
                return [made]

        catalog = load_plugins(entry_points=False, extra=[ToyPlugin(), Plugin()])
        return plan(RunRequest(("toy",), ("1crop",), data="stamped"), catalog)[0]

    first, later, larger = opened("10@1"), opened("10@2"), opened("11@1")
    assert first.run_id == later.run_id
    assert first.fingerprint != later.fingerprint
    assert first.run_id != larger.run_id


@pytest.mark.parametrize(
    ("typed", "error", "message"),
    [
        (RunRequest(("toyy",), ("1crop",), data="toy"), UnknownName, "did you mean 'toy'"),
        (RunRequest(("toy",), ("10corp",), data="toy"), UnknownName, "did you mean '10crop'"),
        (RunRequest(("toy",), ("1crop",), data="digit"), UnknownName, "did you mean 'digits'"),
        (RunRequest(("toy",), ("1crop",), data="imagenet"), DataError, "imagenet:PATH"),
        (RunRequest(("toy",), ("1crop",), data="imagenet:/no/such/folder"), DataError, "/no/such/folder"),
        (RunRequest(("toy",), ("1crop",), data="toy", loader="tortch"), UnknownName, "did you mean 'torch'"),
        (RunRequest(("toy",), ("1crop",), data="toy", weights="identiti"), UnknownName, "did you mean 'identity'"),
        (RunRequest(("toy",), ("1crop",), data="toy", weights="no/such.pth"), WeightsError, "no/such.pth"),
        (RunRequest(("toy",), ("1crop",), data="toy", precision="fp8"), BadParameter, "fp8"),
        (RunRequest(("toy",), ("1crop",), data="toy", batch_size=0), BadParameter, "--batch-size"),
        (RunRequest(("toy",), ("1crop",), data="toy", limit=0), BadParameter, "--limit"),
        (RunRequest(("toy",), ("1crop",), data="toy", workers=-1), BadParameter, "--workers"),
        (RunRequest(("toy", "toy"), ("1crop",), data="toy"), BadParameter, "toy twice"),
        (RunRequest(("toy",), ("10crop:flop=true",), data="toy"), BadParameter, "did you mean 'flip'"),
        (RunRequest(("toy",), ("10crop:flip=maybe",), data="toy"), BadParameter, "maybe"),
        (RunRequest(("toy",), ("fullconv:resize=3",), data="toy"), BadParameter, "nominal crop of 4"),
        (RunRequest(("toy",), ("1crop",), data="toy", transforms=("reder",)), UnknownName, "did you mean 'redder'"),
        (RunRequest(("toy",), ("1crop",), data="toy", transforms=("redder:by=x",)), BadParameter, "whole number"),
        (RunRequest(("toy",), ("1crop",), data="toy", transforms=("smooth:rho=-1",)), BadParameter, "0 or more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_are_one_line_with_what_was_expected(
    typed: RunRequest, error: type[BenchsuiteError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        plan(typed, CATALOG)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_status == 2


def test_classes_that_do_not_fit_the_weights_are_refused_before_the_network_is_built() -> None:
    with pytest.raises(DataError, match=r"number of classes of digits .* 2, .* got 10"):
        plan(RunRequest(("toy",), ("1crop",), data="digits", weights="identity"), CATALOG)


def test_classes_with_wordnet_names_are_told_of_imagenet(tmp_path: Path) -> None:
    for name in ("n01440764", "n01443537", "n01484850"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "a.png")
    asked = RunRequest(("toy",), ("1crop",), data=f"folder:{tmp_path}", weights="identity")
    with pytest.raises(DataError, match=r"got 3. The classes have WordNet names: --data imagenet:PATH gives them"):
        plan(asked, CATALOG)


def test_ensemble_has_every_network_as_a_member() -> None:
    (asked,) = questions("ensemble:protocol=10crop")
    assert [m.architecture.name for m in asked.members] == ["toy"]
    assert len(asked.members[0].views) == 10


def with_clean(*protocols: str) -> list[str]:
    return parameters.with_clean(protocols, lambda name: CATALOG.find("protocol", name))


@pytest.mark.parametrize("protocol", ["fgsm", "pgd:steps=2", "fgsm:of=10crop(flip=false)"])
@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16"])
def test_an_attack_is_in_float32_after_the_same_protocol_without_it(protocol: str, precision: str) -> None:
    clean, attack = questions(*with_clean(protocol), precision=precision)
    assert attack.bound.of is not None
    assert clean.bound.label == attack.bound.of.label
    assert [clean.precision, attack.precision] == ["fp32", "fp32"]
    assert [v.perturbation is None for q in (clean, attack) for v in q.members[0].views[:1]] == [True, False]
    assert clean.run_id == questions(clean.bound.label, precision="fp32")[0].run_id


def test_a_protocol_that_is_named_is_not_added_again_and_others_keep_their_precision() -> None:
    asked = questions(*with_clean("lowpass", "fgsm", "pgd", "1crop", "10crop"), precision="bf16")
    assert [q.bound.label for q in asked] == ["lowpass:r=12", "fgsm:eps=8/255", "pgd:eps=8/255", "1crop", "10crop"]
    assert [q.precision for q in asked] == ["bf16", "fp32", "fp32", "fp32", "bf16"]


@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_a_plan_has_one_question_for_each_protocol_and_adds_none(precision: str) -> None:
    (attack,) = questions("fgsm", precision=precision)
    assert (attack.bound.label, attack.precision) == ("fgsm:eps=8/255", "fp32")
    assert attack.run_id == questions(*with_clean("fgsm"), precision=precision)[1].run_id


def test_with_an_attack_auto_is_float32_for_the_whole_command() -> None:
    assert {q.request.precision for q in questions("10crop", "fgsm", precision="auto")} == {"fp32"}
    assert {q.request.precision for q in questions("10crop", "lowpass", precision="auto")} == {"auto"}


def test_every_parameter_of_a_perturbation_changes_the_id_and_the_clean_id_is_as_before() -> None:
    texts = ["lowpass", "highpass", "lowpass:r=8", "lowpass:rule=lt", "lowpass:range=max", "lowpass:on=image"]
    texts += ["lowpass:of=10crop", "lowpass:unit=fraction,r=0.5", "noise", "noise:seed=1", "fgsm", "fgsm:eps=4/255"]
    ids = [questions(text, precision="fp32")[-1].run_id for text in texts]
    assert len(set(ids)) == len(ids)
    assert "perturbation" not in questions("1crop")[0].identity["members"][0]["views"][0]


def test_an_attack_on_an_ensemble_is_refused() -> None:
    with pytest.raises(BadParameter, match="without an attack"):
        questions("ensemble:protocol=fgsm")
    assert len(questions("ensemble:protocol=lowpass(r=8)")) == 1


def test_a_set_of_one_class_is_refused_before_the_network_is_built_and_by_a_check(tmp_path: Path) -> None:
    images = tmp_path / "val" / "images"
    images.mkdir(parents=True)
    Image.new("RGB", (5, 5)).save(images / "a.png")
    data = f"folder:{tmp_path / 'val'}"
    with pytest.raises(DataError, match="at least 2, because with one every answer is right, got 1, images"):
        plan(RunRequest(("resnet20",), ("1crop",), data=data, weights="random"), load_plugins())
    found = checkup(CheckRequest(data), load_plugins(), Progress())
    assert found.exit_status == 1
    assert any(f.check == "counts" and f.examples == ("images",) for f in found.findings)


@pytest.mark.parametrize(("label", "among"), [(2, ()), (-1, ()), (1, (0,))])
def test_a_label_that_no_answer_can_have_is_refused(label: int, among: tuple[int, ...]) -> None:
    class Plugin:
        @hookimpl
        def benchsuite_datasets(self) -> Any:
            samples = (Sample("x", label, "row 0"),)
            split = Split("odd", samples, ("a", "b"), False, lambda _: None, among)
            return [Dataset("odd", lambda path, part: split, False, "n", "s", path="none")]

    with pytest.raises(DataError, match=rf"a label to be one of the . classes .* got {label} \(row 0, in odd\)"):
        load_plugins(entry_points=False, extra=[Plugin()]).open_dataset("odd")
