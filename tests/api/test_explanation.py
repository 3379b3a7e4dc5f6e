"""Tests of ``benchsuite.explain``: published figures, a plan, a measured ladder."""

from __future__ import annotations

from typing import Any

import colour_patches
import pytest

import benchsuite
from benchsuite import BadParameter, UnknownName
from benchsuite.api.explanation import Explanation, PlannedExplanation, PublishedExplanation
from benchsuite.api.published.run_explanation import NEAREST, RunExplanation
from benchsuite.explanation import ledger
from benchsuite.explanation.meaning import against_published

HERE: Any = {"catalog": colour_patches.CATALOG, "data": "patches", "device": "cpu", "batch_size": 64, "progress": False}


def test_published_figures_are_a_table() -> None:
    found = benchsuite.explain("resnet50", progress=False)
    assert isinstance(found, PublishedExplanation)
    assert len(found.table) == len(found.figures)
    assert found.table["id"].iloc[0] == "he-gh-1c-resnet-50-top1"
    assert repr(found).startswith("resnet50: 24.7, 22.85 and 20.74 % top-1 error are one network")
    every = benchsuite.explain("resnet50", every=True, progress=False)
    assert "[timm-resnet50.a1_in1k-224-top1]" in repr(every)
    assert "[timm-resnet50.a1_in1k-224-top1]" not in repr(found)
    top5 = benchsuite.explain("resnet50", top5=True, progress=False)
    assert top5.table["id"].str.endswith("top5").all()


def test_a_run_alone_is_shown_beside_the_published_figures_of_its_network() -> None:
    run: Any = benchsuite.evaluate("resnet20", "1crop", data="digits", weights="random", limit=20, progress=False)
    found = benchsuite.explain(run, progress=False)
    assert isinstance(found, RunExplanation)
    ids = {row.id for row in ledger.load() if row.architecture == "resnet20" and row.k == 1 and row.error}
    assert ids == set(found.table["id"]) != set()
    for figure, words in found.figures:
        assert words[:1] == ("other dataset (digits)",) or words[0].startswith("other protocol")
        assert figure.id in repr(found)
    assert found.lines()[0].startswith(f"{run.run_id}: {run.top1_error:.2f} [")
    last = run.run_id.rpartition("-")[2]
    for name in (run.run_id, last, last[:6]):
        assert benchsuite.explain(name, progress=False) == found
    assert isinstance(benchsuite.explain("resnet20", progress=False), PublishedExplanation)
    with pytest.raises(UnknownName, match="published figures"):
        benchsuite.explain("nothing", progress=False)


def test_few_of_many_figures_are_shown_and_the_nearest_first() -> None:
    row = {"run_id": "r", "architecture": "resnet50", "weights": "x", "protocol": "10crop", "dataset": "imagenet"}
    row |= {
        "n": 100,
        "top1_errors": 25,
        "top5_errors": 7,
        "resize": [256],
        "crop": [224],
        "interpolation": ["bilinear"],
    }
    figures = tuple(against_published(row))
    assert [len(words) for _, words in figures] == sorted(len(words) for _, words in figures)
    few, every = (RunExplanation({**row, "preprocessing": []}, figures, 1, each) for each in (False, True))
    assert len(few.cells()[1]) == NEAREST < len(every.cells()[1]) == len(figures)
    assert f"{len(figures) - NEAREST} more figures: --all" in few.lines()
    other = [words for figure, words in figures if figure.protocol != "10crop"]
    assert other
    assert all(words[0].startswith("other protocol (") for words in other)
    assert all(figure.k == 5 for figure, _ in against_published(row, 5))


def test_a_plan_computes_nothing() -> None:
    found = benchsuite.explain("patches", start="1crop", goal="multiscale", plan=True, **HERE)
    assert isinstance(found, PlannedExplanation)
    assert found.table["protocol"].iloc[[0, -1]].tolist() == ["1crop", "multiscale"]
    assert benchsuite.load_runs().empty
    assert repr(found).splitlines()[1].split() == ["rung", "what", "changes"]


def test_a_measured_ladder_has_a_row_for_each_rung_and_leaves_nothing_over() -> None:
    found = benchsuite.explain("patches", start="1crop", goal="10crop", shapley=True, **HERE)
    assert isinstance(found, Explanation)
    assert found.table["protocol"].iloc[[0, -1]].tolist() == ["1crop", "10crop"]
    errors = found.table["top1_error"]
    changes = found.table["top1_change"].dropna().sum()
    assert changes == pytest.approx(errors.iloc[-1] - errors.iloc[0])
    assert set(found.shares.columns) == {"factor", "mean", "least", "most"}
    assert "left over: +0.00" in repr(found)
    runs = [found.table["run_id"].iloc[0], found.table["run_id"].iloc[-1]]
    between = benchsuite.explain(*runs, catalog=colour_patches.CATALOG, progress=False)
    assert between.record["left_over"] == 0


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (
            ("resnet50",),
            {"plan": True},
            "--plan to be used only with --from and --to, or with two runs, got True (resnet50)",
        ),
        (("a", "b"), {"top5": True}, "Expected --top5 to be used only to explain published figures"),
        (("a", "b"), {"transforms": ["redder"]}, "as a run is measured with its own options, got redder (a b)"),
        (("a", "b", "c"), {"transforms": []}, "given one model, two runs, or one network"),
        (("patches",), {"start": "1crop"}, "Expected --from and --to to be given together"),
        (("a", "b", "c"), {}, "given one model, two runs, or one network with --from and --to, got a b c"),
        ((), {}, "got nothing"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(names: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        benchsuite.explain(*names, **options, progress=False)
    assert said in str(caught.value)
