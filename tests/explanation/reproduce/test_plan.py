"""Tests of the plan of a reproduction: which figures a name means, what measures them, and what is missing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import made_up_figures
import pytest
from finished_trainings import correct, learned
from made_up_figures import CATALOG, figure, imagenet, install

from benchsuite import Architecture, BadParameter, DataError, UnknownName, load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation import ledger
from benchsuite.explanation.reproduce.plan import (
    NotPlanned,
    PlannedRun,
    ReproductionPlan,
    ReproductionRequest,
    figures,
    make_plan,
    passes,
)
from benchsuite.storage.data_places import DataPlace, changing_places

ROWS = {row.id: row for row in ledger.load()}
BUILT_IN = load_plugins(entry_points=False)


def planned(name: str, results: Path, *, train: bool = False, scale: str = "full", **run: Any) -> ReproductionPlan:
    asked = RunRequest((), (), results=results, **{"device": "cpu", **run})
    return make_plan(ReproductionRequest(name, asked, train, scale), CATALOG)


def reasons(name: str, results: Path, **run: Any) -> tuple[str, ...]:
    (one,) = planned(name, results, **run).planned
    return one.missing if isinstance(one, NotPlanned) else one.reasons


def test_a_name_is_an_id_a_pattern_or_a_model() -> None:
    assert [row.id for row in figures("aka-20")] == ["aka-20"]
    assert {row.id for row in figures("he-t4-ms-resnet-50-*")} == {
        "he-t4-ms-resnet-50-top1",
        "he-t4-ms-resnet-50-top5",
    }
    models = {ledger.base(row.architecture) for row in figures("resnet50.v1")}
    assert models == {"resnet50"}
    assert figures("resnet50.v1") == figures("timm:resnet50.a1_in1k") == figures("resnet50")
    assert all(row.value for row in figures("lbcnn"))


@pytest.mark.parametrize("name", ["resnet51", "he-t9-*", "nothing", ""])
def test_a_name_without_figures_is_an_error(name: str) -> None:
    with pytest.raises(UnknownName, match="Unknown model, published figure or pattern of ids"):
        figures(name)


def test_a_figure_whose_value_was_not_seen_is_an_error() -> None:
    with pytest.raises(BadParameter, match="one with a value, got lbcnn-paper-svhn-lbc"):
        figures("lbcnn-paper-svhn-lbc")


def test_every_recipe_of_the_ledger_exists_and_names_the_figure() -> None:
    recipes = {r.name: r for a in BUILT_IN.architectures.values() if isinstance(a, Architecture) for r in a.recipes}
    for name, trained in ledger.trained().items():
        row, recipe = ROWS[name], recipes[trained.recipe]
        assert recipe.dataset == row.dataset, name
        published = recipe.expected.replace("~92-93", "~92 93").replace("~", "")
        assert f" {row.value.rstrip('0').rstrip('.') if '.' in row.value else row.value}" in f" {published}", name
        assert not row.weights, name


def test_the_figure_of_the_digits_is_that_of_their_recipe() -> None:
    """A new recipe needs a new measurement, in results/reproduced."""
    row, recipe = ROWS["digits-tiny-vgg"], BUILT_IN.datasets["digits"].recipe
    assert recipe is not None
    assert row.weights == f"trained here ({recipe.name})"


def test_a_figure_is_planned_as_its_source_states_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch, figure("a", "10.0"), figure("b", "9.0", protocol="10crop"), figure("b5", "0", metric="top5_error")
    )
    data = imagenet(tmp_path / "data")
    made = planned("colours", tmp_path, data=data)
    assert [type(one) for one in made.planned] == [PlannedRun] * 3
    assert [[q.bound.label for q in one.questions] for one in made.runs] == [
        ["1crop"],
        ["10crop", "10crop:flip=false", "10crop:merge=logit", "10crop:flip=false,merge=logit"],
        ["1crop"],
    ]
    assert all(one.reasons == one.assumed == () for one in made.runs)
    (together,) = passes(made.runs)
    assert len(together) == 5
    ((words, cost),) = made.costs
    assert words == "colours, weights even, on imagenet"
    assert (cost.runs, cost.answered, cost.images, cost.views) == (5, 0, made_up_figures.N, 10)


@pytest.mark.parametrize(
    ("fields", "run", "said"),
    [
        ({}, {"weights": "other"}, ("other weights: needed are even",)),
        ({}, {"weights": "random"}, ("other weights: needed are even",)),
        ({"weights": ""}, {"weights": "even"}, ("other weights: needed are those of The source",)),
        ({}, {"preprocess": "mean=0.5+0.5+0.5"}, ("other weights: needed are even",)),
        ({}, {"limit": 10}, ()),
        (
            {"dataset": "imagenet-v2"},
            {},
            ("other dataset (imagenet): needed is the published imagenet-v2 (benchsuite show imagenet-v2)",),
        ),
        ({"split": "test"}, {}, ("the labels of ImageNet's test images, which are not public",)),
        ({"architecture": "none"}, {}, ("benchsuite has no network 'none'",)),
        ({"protocol": "guess"}, {}, ("the source does not say a protocol that benchsuite has",)),
        ({"weights": ""}, {}, ("the weights of The source: --weights FILE (docs/weights.md)",)),
    ],
)
def test_what_makes_a_figure_incomparable_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: Any, run: Any, said: tuple[str, ...]
) -> None:
    install(monkeypatch, figure("a", "10.0", **fields))
    assert reasons("a", tmp_path, data=imagenet(tmp_path / "data"), **run) == said


def test_the_images_are_listed_once_for_all_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        monkeypatch, figure("a", "10.0"), figure("b", "9.0", weights="other"), figure("c", "9.0", protocol="10crop")
    )
    calls, dataset = [], CATALOG.datasets["imagenet"]

    def opening(path: str | None, split: Any) -> Any:
        calls.append(path)
        return dataset.open(path, split)

    catalog = dataclasses.replace(CATALOG, datasets={"imagenet": dataclasses.replace(dataset, open=opening)})
    asked = RunRequest((), (), data=imagenet(tmp_path / "data"), results=tmp_path, device="cpu")
    assert len(make_plan(ReproductionRequest("colours", asked), catalog).runs) == 3
    assert len(calls) == 1


def test_a_set_of_another_size_is_another_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("a", "10.0"), size=50_000)
    assert reasons("a", tmp_path, data=imagenet(tmp_path / "data")) == (
        "45 images, not the 50000: needed is the published imagenet (benchsuite show imagenet)",
    )


def test_without_images_the_option_that_gives_them_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("a", "10.0"), figure("b", "1.0", weights="", protocol="10crop"))
    images = "the images: --data imagenet:PATH (benchsuite show imagenet)"
    assert reasons("a", tmp_path) == (images,)
    assert reasons("b", tmp_path) == ("the weights of The source: --weights FILE (docs/weights.md)", images)
    with pytest.raises(DataError, match="a path that does not exist"):
        planned("a", tmp_path, data=f"imagenet:{tmp_path / 'no'}")


def test_images_whose_place_was_added_are_found_by_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("a", "10.0"))
    _, _, path = imagenet(tmp_path / "data").partition(":")
    with changing_places() as places:
        places["imagenet"] = DataPlace("imagenet", path, "imagenet", made_up_figures.N, "")
    (one,) = planned("a", tmp_path).runs
    assert len(one.questions[0].samples) == made_up_figures.N
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(DataError, match="`benchsuite data add imagenet PATH` says where it is now"):
        planned("a", tmp_path)


def test_a_file_stands_for_weights_that_benchsuite_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    data, file = imagenet(tmp_path / "data"), str(tmp_path / "theirs.pth")
    torch.save(made_up_figures.load_even(), file)
    mine, declared = figure("a", "10.0", weights=""), figure("b", "10.0")
    install(monkeypatch, mine, declared)
    (one,) = planned("a", tmp_path, data=data, weights=file).runs
    assert (one.reasons, one.assumed) == ((), ("theirs.pth is taken for the weights of The source",))
    (other,) = planned("b", tmp_path, data=data, weights=file).runs
    assert (other.reasons, other.assumed) == (("other weights: needed are even",), ())
    labels = [one.questions[0].weights for one in planned("colours", tmp_path, data=data, weights=file).runs]
    assert labels == ["theirs.pth", "even"]  # of several figures it is used where weights are lacking
    install(monkeypatch, mine, figure("c", "1.0", weights="", run="Another"))
    with pytest.raises(BadParameter, match=r"for the figures of one source, .* got those of 2: The source; Another"):
        planned("colours", tmp_path, data=data, weights=file)


def test_a_mistake_is_raised_only_where_nothing_is_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("a", "10.0"), figure("b", "10.0", weights="", protocol="10crop"))
    data = imagenet(tmp_path / "data")
    made = planned("colours", tmp_path, data=data, weights="evem")
    assert [type(one) for one in made.planned] == [PlannedRun, NotPlanned]
    assert "did you mean 'even'?" in made.missing[0].missing[0]
    with pytest.raises(UnknownName, match="did you mean 'even'"):
        planned("b", tmp_path, data=data, weights="evem")


def test_of_several_figures_those_of_another_data_set_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("a", "10.0"), figure("b", "10.0", dataset="imagenet-v2"))
    made = planned("colours", tmp_path, data=imagenet(tmp_path / "data"))
    (lacking,) = made.missing
    assert len(made.runs) == 1
    assert lacking.missing == ("the images: --data imagenet-v2:PATH (benchsuite show imagenet-v2)",)


def test_a_training_needs_leave_unless_it_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import toy_training

    row = figure("a", "10.0", architecture="tiny", dataset="dots", weights="")
    monkeypatch.setattr(ledger, "load", lambda: (row,))
    monkeypatch.setattr(ledger, "trained", lambda: {"a": ledger.Trained("a", "usual", "")})
    monkeypatch.setattr("benchsuite.explanation.reproduce.estimate.seconds", lambda job, request: 7200.0)
    catalog = toy_training.catalog()

    def made(**given: Any) -> Any:
        asked = RunRequest((), (), device="cpu", results=tmp_path)
        return make_plan(ReproductionRequest("a", asked, **given), catalog).planned[0]

    assert made().missing == ("a training by usual (a second): --train, or --weights FILE",)
    allowed = made(train=True)
    assert (allowed.seconds, allowed.reasons, allowed.accountings) == (7200.0, (), ("exact-best",))
    mini = made(train=True, scale="mini")
    assert mini.reasons == ("scale mini: smaller than the recipe",)
    folder = learned(tmp_path, allowed.job.run_id, correct(4, 21))
    (folder / "last.safetensors").touch()
    assert made().seconds is None
    asked = "a training by usual (a second) with seeds 3 to 5: --train, or --weights FILE"
    assert made(seeds=3).missing == (asked,)
    several = made(seeds=3, train=True)
    assert several.seconds == 2 * 7200.0  # the first is finished
    assert [job.recipe.seed for _, job in several.trainings] == [3, 4, 5]
    assert several.job.run_id == allowed.job.run_id
