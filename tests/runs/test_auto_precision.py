"""Tests of ``--precision auto``: what passes the check, what does not, and that a decision is made once."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_progress import RecordedProgress
from toy_evaluation import CATALOG, questions
from toys import TOP1_ERRORS, ToyPlugin, fake_predict

from benchsuite import BadParameter, Preprocess, load_plugins
from benchsuite.evaluation.question import Member, Question, RunRequest
from benchsuite.evaluator import OpenNetwork
from benchsuite.progress import Progress
from benchsuite.runs import auto_precision
from benchsuite.runs.auto_precision import FLIPS, Trial, compared, describe_decision, in_chosen_precision, worth_it
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run
from benchsuite.specs.preprocess import center
from benchsuite.storage.logit_cache import ChunkStore
from benchsuite.storage.run_folder import read_manifest

IDS = [f"image {i}" for i in range(64)]


def logits(n: int = 64, c: int = 7) -> Any:
    """Logits in which image i is clearly of class i % c: its logit is 10, the others are in 0..1."""
    made = np.random.default_rng(0).uniform(0, 1, (n, c)).astype(np.float32)
    made[np.arange(n), np.arange(n) % c] = 10
    return made


def with_tie(exact: Any, i: int, apart: float) -> tuple[Any, Any]:
    """Logits in which the two best classes of image i are ``apart`` in probability, and logits with both swapped."""
    a, b = exact.copy(), exact.copy()
    first, second = i % 7, (i + 1) % 7
    margin = 2 * np.arctanh(apart)  # p = sigmoid(m), q = 1 - p: p - q = tanh(m / 2); the rest is e^-30 or less
    a[i] = b[i] = -30
    a[i, first], a[i, second] = margin, 0
    b[i, first], b[i, second] = 0, 0.001
    return a, b


def test_equal_logits_pass_with_no_difference() -> None:
    found = compared(logits(), logits(), IDS, "bf16")
    assert found == {
        "precision": "bf16",
        "difference": 0.0,
        "bound": 0.05,
        "changed": [],
        "tolerance": 0.02,
        "passed": True,
    }


@pytest.mark.parametrize(("precision", "off"), [("bf16", 0.05), ("fp16", 0.01), ("tf32", 0.01)])
def test_logits_may_be_off_by_a_part_of_the_largest_one(precision: str, off: float) -> None:
    exact = logits().astype(np.float64)
    largest = np.abs(exact - exact.mean(1, keepdims=True)).max()
    for part, passed in ((0.9, True), (1.2, False)):
        other = exact.copy()
        other[3, 5] += part * off * largest * 7 / 6  # a seventh of what is added goes to the mean
        found = compared(exact.astype(np.float32), other.astype(np.float32), IDS, precision)
        assert found["difference"] == pytest.approx(part * off, rel=1e-4)
        assert found["passed"] is passed


def test_what_all_classes_have_in_common_means_nothing() -> None:
    assert compared(logits(), logits() + 4, IDS, "fp16")["difference"] < 1e-6
    shifted = compared(logits() + 1000, logits() + 1000 + np.float32(0.8) * logits(), IDS, "bf16")
    assert not shifted["passed"], "a large mean does not hide a difference"


@pytest.mark.parametrize(("apart", "passed"), [(0.019, True), (0.021, False)])
def test_a_near_tie_may_fall_the_other_way_and_is_named(apart: float, passed: bool) -> None:
    a, b = with_tie(logits(), 5, apart)
    found = compared(a, b, IDS, "bf16")
    assert [c["id"] for c in found["changed"]] == ["image 5"]
    assert found["changed"][0]["apart"] == pytest.approx(apart, rel=1e-4)
    assert found["passed"] is passed


def test_a_network_that_is_all_near_ties_shows_nothing() -> None:
    a = b = logits()
    for i in range(FLIPS + 1):
        assert compared(a, b, IDS, "bf16")["passed"]
        a, _ = with_tie(a, i, 0.001)
        _, b = with_tie(b, i, 0.001)
    assert not compared(a, b, IDS, "bf16")["passed"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    other = logits()
    other[60, 2] = value
    found = compared(logits(), other, IDS, "fp16")
    assert not found["passed"]
    assert found["difference"] is None
    json.dumps(found, allow_nan=False)
    assert "not finite, refused" in describe_decision({"precision": "fp32", "images": 64, "checks": [found]})


def test_a_decision_is_a_line() -> None:
    a, b = with_tie(logits(), 5, 0.01)
    checks = [compared(logits(), -logits(), IDS, "bf16"), compared(a, b, IDS, "bf16")]
    line = describe_decision({"precision": "bf16", "images": 64, "checks": checks})
    assert line.startswith(
        "precision auto: bf16; bf16 against float32 on 64 images: a different top-1 for image 0 (1 apart)"
    )
    assert line.endswith(
        "a different top-1 for image 5 (0.01 apart), near ties (within 0.02), logits off by 0.081 % of the largest, "
        "5 % allowed, passed"
    )
    assert describe_decision({"precision": "fp32", "images": 64, "checks": []}).endswith(
        "computes no precision below float32 natively"
    )


def sized(n: int, crop: int, *protocols: str) -> list[Question]:
    """The toy's questions, changed to n images and to a crop of that many pixels."""
    preprocess = Preprocess(crop, crop, "bilinear", (0.0,) * 3, (1.0,) * 3)
    made = []
    for question in questions(*protocols):
        bound = question.bound
        (member,) = question.members
        chosen = dataclasses.replace(member.weights, preprocess=preprocess)
        views = bound.protocol.views(preprocess, **dict(bound.parameters))
        members = (dataclasses.replace(member, weights=chosen, views=views),)
        made.append(dataclasses.replace(question, samples=question.samples[:1] * n, members=members))
    return made


@pytest.mark.parametrize(
    ("n", "crop", "protocols", "worth"),
    [
        (255, 224, ("1crop",), False),
        (256, 224, ("1crop",), True),
        (25, 224, ("10crop",), False),
        (26, 224, ("10crop:resize=256",), True),
        (25, 224, ("10crop:resize=256", "10crop:merge=logit,resize=256"), False),  # views in common count once
        (26, 224, ("1crop", "10crop:resize=256"), True),
        (12_543, 32, ("1crop",), False),
        (12_544, 32, ("1crop",), True),
        (255, 448, ("1crop",), False),
        (256, 448, ("1crop",), True),
    ],
    ids=str,
)
def test_a_check_is_made_where_it_is_lost_in_what_there_is_to_compute(
    n: int, crop: int, protocols: tuple[str, ...], worth: bool
) -> None:
    assert worth_it(sized(n, crop, *protocols)) is worth


def test_the_embedded_digits_are_never_checked() -> None:
    request = RunRequest(("resnet50",), ("1crop", "10crop", "fullconv", "multiscale"), data="digits")
    assert not worth_it(plan(request, load_plugins(entry_points=False)))


class Opener:
    """Opens toys whose logits have an error that depends on the precision; counts the opened networks."""

    def __init__(self, root: Path, off: dict[str, float]) -> None:
        self.root, self.off, self.opened = root, off, list[str]()

    def __call__(self, member: Member, precision: str) -> OpenNetwork:
        self.opened.append(precision)

        def predict(pixels: Any, flips: Any, view: Any, samples: Any = ()) -> Any:
            made, places = fake_predict(pixels, flips, view)
            kind = precision if view.perturbation is None else f"{precision} {view.perturbation.name}"
            return made + np.float32(self.off.get(kind, 0.0)) * np.array([1, -1], np.float32), places

        views = (center(member.weights.preprocess),)
        return OpenNetwork(predict, views, ChunkStore(self.root / member.architecture.name / precision), "digest")


@pytest.fixture
def all_worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_precision, "WORTH", 0)


@pytest.mark.usefixtures("all_worth")
@pytest.mark.parametrize(
    ("off", "opened", "chosen"),
    [
        ({}, ["fp32", "bf16"], "bf16"),
        ({"bf16": 0.004}, ["fp32", "bf16"], "bf16"),
        ({"bf16": 0.4}, ["fp32", "bf16", "tf32"], "tf32"),
        ({"bf16": 0.4, "tf32": 0.1}, ["fp32", "bf16", "tf32"], "fp32"),
    ],
    ids=str,
)
def test_the_first_precision_that_passes_is_taken_and_the_decision_kept(
    tmp_path: Path, off: dict[str, float], opened: list[str], chosen: str
) -> None:
    open_network = Opener(tmp_path, off)
    made = list(in_chosen_precision(questions("1crop", "10crop"), Trial("cpu", open_network, lambda: ("bf16", "tf32"))))
    assert open_network.opened == opened
    assert {q.precision for q in made} == {chosen}
    (decision,) = {json.dumps(q.precision_checks) for q in made}
    assert [c["precision"] for c in json.loads(decision)[0]["checks"]] == opened[1:]
    again = list(in_chosen_precision(questions("10crop"), Trial("cpu", Opener(tmp_path, {"bf16": 9.0}), pytest.fail)))
    assert [q.run_id for q in again] == [q.run_id for q in made if q.bound.label == "10crop"]
    assert again[0].precision_checks == made[0].precision_checks


@pytest.mark.usefixtures("all_worth")
@pytest.mark.parametrize(
    ("off", "protocols", "chosen"),
    [
        ({}, ("1crop", "lowpass", "noise"), "bf16"),
        ({"bf16 lowpass": 0.4}, ("1crop", "noise"), "bf16"),
        ({"bf16 lowpass": 0.4}, ("1crop", "lowpass", "noise"), "fp32"),
        ({"bf16 noise": 0.4}, ("noise:of=10crop",), "fp32"),
    ],
    ids=str,
)
def test_a_precision_must_pass_on_perturbed_pictures_too(
    tmp_path: Path, off: dict[str, float], protocols: tuple[str, ...], chosen: str
) -> None:
    trial = Trial("cpu", Opener(tmp_path, off), lambda: ("bf16",))
    assert {q.precision for q in in_chosen_precision(questions(*protocols), trial)} == {chosen}


@pytest.mark.usefixtures("all_worth")
def test_a_question_in_the_chosen_precision_is_the_one_that_names_it(tmp_path: Path) -> None:
    (auto,) = in_chosen_precision(questions("10crop"), Trial("auto", Opener(tmp_path, {}), lambda: ("bf16",)))
    (named,) = questions("10crop", precision="bf16")
    assert (auto.run_id, auto.precision, auto.identity) == (named.run_id, "bf16", named.identity)


@pytest.mark.usefixtures("all_worth")
def test_a_device_without_a_faster_precision_computes_nothing_for_the_decision(tmp_path: Path) -> None:
    open_network = Opener(tmp_path, {})
    (one,) = in_chosen_precision(questions("1crop"), Trial("cpu", open_network, tuple))
    assert one.precision == "fp32"
    assert one.run_id == questions("1crop")[0].run_id
    assert open_network.opened == []
    assert "no precision below float32" in describe_decision(one.precision_checks[0])


@pytest.mark.usefixtures("all_worth")
@pytest.mark.parametrize(
    "fields", [{"weights": "random"}, {"limit": 2}, {"device": "other"}, {"machine": "other"}], ids=str
)
def test_another_network_other_images_or_another_machine_are_another_decision(
    tmp_path: Path, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = fields.pop("device", "cpu")
    list(in_chosen_precision(questions("1crop"), Trial("cpu", Opener(tmp_path, {}), lambda: ("bf16",))))
    if fields.pop("machine", None):
        monkeypatch.setattr("platform.node", lambda: "other")
    again = Opener(tmp_path / "again", {})
    list(in_chosen_precision(questions("1crop", **fields), Trial(device, again, lambda: ("bf16",))))
    assert again.opened == ["fp32", "bf16"]


@pytest.mark.usefixtures("all_worth")
def test_a_damaged_decision_is_made_again(tmp_path: Path, isolated: Path) -> None:
    list(in_chosen_precision(questions("1crop"), Trial("cpu", Opener(tmp_path, {}), lambda: ("bf16",))))
    (file,) = (isolated / "cache" / "precision").iterdir()
    for text in ("", "{", "[]", '{"precision": "fp8"}'):
        file.write_text(text)
        (one,) = in_chosen_precision(questions("1crop"), Trial("cpu", Opener(tmp_path, {}), lambda: ("bf16",)))
        assert one.precision == "bf16"


@pytest.fixture
def bf16_here(monkeypatch: pytest.MonkeyPatch, all_worth: None) -> None:
    """A device with native bfloat16."""
    monkeypatch.setattr("benchsuite.models.precision.candidates", lambda device: ("bf16",))


@pytest.mark.usefixtures("bf16_here")
def test_a_run_says_what_auto_came_to_and_is_answered_at_once_the_second_time(tmp_path: Path) -> None:
    request = RunRequest(("toy",), ("1crop", "fullconv"), data="toy", device="cpu", results=tmp_path)
    rows = run(request, CATALOG, Progress())
    assert [r["precision"] for r in rows] == ["bf16", "bf16"]
    assert [r["top1_errors"] for r in rows] == [TOP1_ERRORS["1crop"], TOP1_ERRORS["fullconv"]]
    (check,) = rows[0]["precision_check"]
    assert check["checks"][0]["passed"]
    manifest = read_manifest(Path(rows[0]["path"]))
    assert manifest is not None
    assert manifest["numerics"]["chosen"] == [check]
    assert manifest["command"].endswith("--precision bf16")
    progress = RecordedProgress()
    again = run(request, CATALOG, progress)
    assert all(r["cached"] for r in again)
    assert again[0]["precision_check"] == [check]
    assert progress.notes == []
    (named,) = run(dataclasses.replace(request, precision="bf16", protocols=("1crop",)), CATALOG, Progress())
    assert named["cached"]
    assert "precision_check" not in named


@pytest.mark.usefixtures("bf16_here")
def test_networks_that_come_to_different_precisions_are_answered_in_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = load_plugins(entry_points=False, extra=[ToyPlugin()])
    real = auto_precision._checked

    def decided(question: Any, member: Member, *rest: Any) -> Any:
        made = real(question, member, *rest)
        return made | {"precision": "fp32"} if member.architecture.name == "resnet20" else made

    monkeypatch.setattr(auto_precision, "_checked", decided)
    request = RunRequest(("toy", "resnet20"), ("1crop", "ensemble"), data="toy", weights="random", device="cpu")
    rows = run(dataclasses.replace(request, results=tmp_path), catalog, Progress())
    assert [(r["architecture"], r["precision"]) for r in rows] == [
        ("toy", "bf16"),
        ("resnet20", "fp32"),
        ("toy+resnet20", "fp32"),
    ]


def test_a_run_in_float32_by_name_names_it_in_its_command(tmp_path: Path) -> None:
    request = RunRequest(("toy",), ("1crop",), data="toy", device="cpu", results=tmp_path, precision="fp32")
    (row,) = run(request, CATALOG, Progress())
    manifest = read_manifest(Path(row["path"]))
    assert manifest is not None
    assert manifest["command"].endswith("--precision fp32")


def test_tf32_on_a_cpu_is_refused_before_a_network_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.models.weights.build", lambda *args: pytest.fail("built"))
    request = RunRequest(("toy",), ("1crop",), data="toy", device="cpu", results=tmp_path, precision="tf32")
    with pytest.raises(BadParameter, match="a CUDA device, got cpu"):
        run(request, CATALOG, Progress())
