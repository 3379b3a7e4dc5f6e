"""Tests of measured ladders with a toy: every rung equals its own ``benchsuite run``; no view is computed twice."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_patches import CATALOG, N, asked
from reference import paired as twin
from toy_evaluation import Counted

from benchsuite.explanation import ledger
from benchsuite.explanation.comparison import compare, open_run
from benchsuite.explanation.ladder_ends import between_protocols
from benchsuite.explanation.ladder_plan import LadderEnd, LadderPlan, make_plan
from benchsuite.explanation.ladder_run import Ladder, flat, measure
from benchsuite.progress import Progress
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run
from benchsuite.stats.significance import holm
from benchsuite.storage.run_folder import read_columns


def planned(results: Path, start: str, goal: str, *, shapley: bool = False, **fields: Any) -> LadderPlan:
    question = asked(results, **fields)
    return make_plan(*between_protocols(question, start, goal, CATALOG), CATALOG, shapley=shapley)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ladder")


@pytest.fixture
def ladder(results: Path) -> Ladder:
    """A ladder from one crop to five scales, measured once for all tests of the file."""
    return measure(planned(results, "1crop", "multiscale"), Progress())


def test_a_ladder_costs_at_most_the_forward_passes_of_its_distinct_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    made = planned(tmp_path, "1crop", "multiscale")
    assert counted.views == 0
    measure(made, Progress())
    assert counted.views == N * made.cost.views == N * 22
    measure(planned(tmp_path, "1crop", "multiscale"), Progress())
    assert counted.views == N * 22
    measure(planned(tmp_path / "elsewhere", "1crop", "multiscale"), Progress())
    assert counted.views == N * 22  # no run is there, but all logits are kept
    measure(planned(tmp_path, "1crop", "multiscale:merge=logit"), Progress())
    assert counted.views == N * 22
    measure(planned(tmp_path, "fullconv", "multiscale:scales=16+18"), Progress())
    assert counted.views == N * (22 + 2)


def test_every_rung_has_the_counts_and_predictions_of_a_run_of_its_own(
    ladder: Ladder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(ladder.steps) == 1 + 8
    for number, step in enumerate(ladder.steps):
        monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / f"cache{number}"))
        (row,) = run(asked(tmp_path / f"alone{number}", step.protocol), CATALOG, Progress())
        assert (row["run_id"], row["top1_errors"], row["top5_errors"], row["n"]) == (
            *(step.run_id, step.top1_errors, step.top5_errors, N),
        )
        own, theirs = read_columns(Path(step.path)), read_columns(Path(row["path"]))
        assert own["id"].tolist() == theirs["id"].tolist()
        np.testing.assert_array_equal(own["rank"], theirs["rank"])
    assert len({step.top1_errors for step in ladder.steps}) > 3


def test_steps_are_paired_with_the_rung_before_and_add_up_to_the_whole(ladder: Ladder, results: Path) -> None:
    opened = [open_run(results, step.run_id) for step in ladder.steps]
    first, *others = ladder.steps
    assert (first.factors, first.top1, first.top5, first.p_holm) == ((), None, None, None)
    for before, after, step in zip(opened, opened[1:], others, strict=False):
        pair = compare(before, after)
        assert (step.top1, step.top5) == (pair.top1, pair.top5)
        assert len(step.factors) == 1
    corrected = holm([step.top1.p for step in others if step.top1])
    assert [step.p_holm for step in others] == corrected
    changes = [step.top1.change for step in others if step.top1]
    assert sum(changes) == Fraction(ladder.steps[-1].top1_errors - first.top1_errors, N)
    assert any(changes)
    assert ladder.left_over == 0
    assert (ladder.because, ladder.published, ladder.shares, ladder.orders) == ((), (None, None), (), 0)


@pytest.mark.parametrize(
    ("goal", "labels"),
    [
        ("lowpass:r=2,of=10crop(flip=false)", ["1crop", "10crop:flip=false", "lowpass:r=2,of=10crop(flip=false)"]),
        ("fgsm:eps=0.1", ["1crop", "fgsm:eps=0.1"]),
    ],
)
def test_changed_pixels_are_a_measured_step_at_the_end(results: Path, goal: str, labels: list[str]) -> None:
    found = measure(planned(results, "1crop", goal), Progress())
    assert [step.protocol for step in found.steps] == labels
    assert [str(factor) for factor in found.steps[-1].factors] == [
        f"pixels: as they are -> {goal.partition(',of')[0].replace(':', ' ')}"
    ]
    opened = [open_run(results, step.run_id) for step in found.steps]
    assert found.steps[-1].top1 == compare(opened[-2], opened[-1]).top1
    back = measure(planned(results, goal, "1crop"), Progress())
    assert [step.run_id for step in back.steps] == [step.run_id for step in reversed(found.steps)]
    assert json.loads(json.dumps(flat(found)))["rungs"][-1]["factors"][0]["name"] == "pixels"


def test_an_attack_at_the_end_of_a_ladder_makes_errors(results: Path) -> None:
    found = measure(planned(results, "1crop", "fgsm:eps=0.1"), Progress())
    assert found.steps[-1].top1_errors > found.steps[0].top1_errors


def test_the_way_down_undoes_the_way_up(ladder: Ladder, results: Path) -> None:
    down = measure(planned(results, "multiscale", "1crop"), Progress())
    assert [step.run_id for step in down.steps] == [step.run_id for step in reversed(ladder.steps)]
    undone = [(s.top1.broken, s.top1.fixed) for s in reversed(down.steps) if s.top1]
    assert undone == [(s.top1.fixed, s.top1.broken) for s in ladder.steps if s.top1]
    assert down.cost.views == 0


def test_fair_shares_are_averages_over_every_order_of_runs(results: Path, tmp_path: Path) -> None:
    made = planned(results, "1crop", "10crop:merge=logit,resize=20", shapley=True)
    found = measure(made, Progress())
    labels = {names: question.bound.label for names, question in made.sets.items()}
    rows = run(asked(tmp_path, *dict.fromkeys(labels.values())), CATALOG, Progress())
    errors = {row["protocol"]: row["top1_errors"] for row in rows}
    effects, orders = twin.shapley({names: errors[label] for names, label in labels.items()}, max(labels, key=len))
    assert found.orders == orders == 24
    assert {name: share.mean for name, share in found.shares} == {
        name: Fraction(sum(values), orders) for name, values in effects.items()
    }
    whole = found.steps[-1].top1_errors - found.steps[0].top1_errors
    assert sum(share.mean for _, share in found.shares) == whole
    assert any(share.least < share.most for _, share in found.shares)


def test_fair_shares_write_no_runs_but_those_of_the_rungs(tmp_path: Path) -> None:
    found = measure(planned(tmp_path, "1crop", "10crop:merge=logit,resize=20", shapley=True), Progress())
    written = {folder.name for folder in (tmp_path / "runs").iterdir() if folder.is_dir()}
    assert written == {step.run_id for step in found.steps}
    assert found.cost.runs > len(written)


def test_what_a_printed_figure_leaves_over_is_said_with_its_reasons(results: Path) -> None:
    row = next(r for r in ledger.load() if r.id == "he-gh-10c-resnet-50-top1")
    (question,) = plan(asked(results, "10crop"), CATALOG)
    start, _ = between_protocols(asked(results), "1crop", "10crop", CATALOG)
    found = measure(make_plan(start, LadderEnd(question, row), CATALOG, shapley=False), Progress())
    measured = Fraction(100 * found.steps[-1].top1_errors, N)
    assert found.left_over == Fraction("22.9") - measured
    assert found.left_over != 0
    assert found.because == (
        "he-gh-10c-resnet-50-top1: other dataset (toy)",
        "he-gh-10c-resnet-50-top1: other variant",
        "he-gh-10c-resnet-50-top1: other weights",
        "he-gh-10c-resnet-50-top1: accounting unknown",
    )


def test_a_ladder_over_weights_and_loader_is_made_of_ordinary_runs(tmp_path: Path) -> None:
    ends = []
    for protocol, fields in (("1crop", {}), ("fullconv", {"weights": "reddish", "loader": "backwards"})):
        (question,) = plan(asked(tmp_path, protocol, **fields), CATALOG)
        ends.append(LadderEnd(question))
    found = measure(make_plan(ends[0], ends[1], CATALOG, shapley=False), Progress())
    names = [factor.name for step in found.steps for factor in step.factors]
    assert names == ["weights", "decoder", "resize", "crops", "mirror images", "crops", "pooling"]
    (last,) = run(asked(tmp_path, "fullconv", weights="reddish", loader="backwards"), CATALOG, Progress())
    assert last["cached"]
    assert last["run_id"] == found.steps[-1].run_id
    assert found.left_over == 0


def test_flat_data_is_json_and_says_what_the_dataclasses_say(ladder: Ladder) -> None:
    data = json.loads(json.dumps(flat(ladder), allow_nan=False))
    assert (data["dataset"], data["n"], data["of"], data["left_over"]) == ("toy", N, N, 0)
    assert [rung["run_id"] for rung in data["rungs"]] == [step.run_id for step in ladder.steps]
    first, second = data["rungs"][:2]
    assert "top1_change" not in first
    assert second["factors"][0]["name"] == "crops"
    assert second["top1_error"] - first["top1_error"] == pytest.approx(second["top1_change"])
    assert second["top1_interval"][0] <= second["top1_change"] <= second["top1_interval"][1]
    assert second["command"] == "benchsuite run patches -p 10crop:flip=false --data patches"
