"""Tests of ``benchsuite.reproduce``: what it says first, the verdicts, and the table that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up_figures import CATALOG, N, figure, imagenet, install
from recorded_progress import RecordedProgress

import benchsuite
from benchsuite import BadParameter, UnknownName
from benchsuite.api.reproduction.reproduce import PlannedReproduction, Reproduction


@pytest.fixture
def here(tmp_path: Path) -> dict[str, Any]:
    return {"catalog": CATALOG, "data": imagenet(tmp_path / "data"), "device": "cpu", "progress": False}


def wrong(here: dict[str, Any], protocol: str = "1crop") -> int:
    return benchsuite.evaluate("colours", protocol, weights="even", **here).top1_errors


def test_one_figure_is_answered_in_its_first_line(here: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    errors = wrong(here)
    install(monkeypatch, figure("fig-1", f"{100 * errors / N:.1f}"))
    found = benchsuite.reproduce("fig-1", **here)
    assert isinstance(found, Reproduction)
    assert found.fine
    answer = f"reproduced: fig-1, printed {100 * errors / N:.1f} %, measured {100 * errors / N:.2f} % on {N} images"
    assert repr(found).splitlines()[0] == answer
    assert "why: within rounding" in found.lines()
    assert found.files == ()
    assert found.table[["verdict", "why"]].to_numpy().tolist() == [["reproduced", "within rounding"]]


def test_a_figure_that_is_not_reproduced_says_by_how_much(
    here: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = wrong(here)
    install(monkeypatch, figure("fig-1", f"{100 * (errors + 9) / N:.2f}"))
    found = benchsuite.reproduce("fig-1", **here)
    assert isinstance(found, Reproduction)
    assert not found.fine
    assert found.lines()[1].startswith("why: off by -20.00 points, 9 images; all images were measured")
    part = benchsuite.reproduce("fig-1", limit=30, **here)
    assert "p = " in part.lines()[1] or "interval" in part.lines()[1]


def test_a_plan_says_what_it_costs_and_which_choices_it_makes(
    here: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, figure("fig-1", "9.0", protocol="10crop"), figure("fig-2", "9.0", weights=""))
    plan = benchsuite.reproduce("colours", plan=True, **here)
    assert isinstance(plan, PlannedReproduction)
    assert benchsuite.load_runs().empty
    first, cost, *rest = plan.lines()
    assert first == "colours: 1 figure by evaluations; 1 cannot be measured here"
    assert cost.startswith("colours, weights even, on imagenet: 4 runs of 45 images; 10 views of each, at most 450 ")
    assert "fig-1 does not state flip: true taken; false counted too" in rest
    assert rest[-1] == "fig-2: missing: the weights of The source: --weights FILE (docs/weights.md)"
    assert plan.record["figures"][0]["protocols"][0] == "10crop"
    assert plan.record["missing"] == [{"id": "fig-2", "missing": [rest[-1].removeprefix("fig-2: missing: ")]}]
    said = RecordedProgress()
    benchsuite.reproduce("colours", **(here | {"progress": said}))
    assert said.notes[:2] == [first, cost]
    benchsuite.reproduce("colours", **(here | {"progress": said}))
    assert any("4 runs of 45 images, finished already: nothing is computed" in line for line in said.notes)


def test_the_cost_of_several_networks_is_added_up(here: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("fig-1", "9.0"), figure("fig-2", "9.0", weights="other"))
    lines = benchsuite.reproduce("fig-*", plan=True, **here).lines()
    assert [line.partition(":")[0] for line in lines[1:3]] == [
        f"colours, weights {w}, on imagenet" for w in ("even", "other")
    ]
    assert lines[3] == f"in all 2 runs, at most {2 * N} forward passes"


def test_several_figures_are_one_table_on_disk_in_three_forms(
    here: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = wrong(here)
    install(
        monkeypatch,
        figure("fig-1", f"{100 * errors / N:.1f}"),
        figure("fig-2", "99.0", protocol="10crop"),
        figure("fig-3", "9.0", weights="", status="unverified"),
    )
    found = benchsuite.reproduce("fig-*", results=tmp_path, **here)
    assert isinstance(found, Reproduction)
    assert not found.fine
    assert found.lines()[0] == "fig-*, 3 published figures: 1 reproduced, 1 not reproduced, 1 not measured"
    assert [path.name for path in found.files] == ["fig-_.md", "fig-_.tex", "fig-_.html"]
    assert {path.parent for path in found.files} == {tmp_path / "reproductions"}
    markdown, latex, html = (path.read_text(encoding="utf-8") for path in found.files)
    for text in (markdown, latex, html):
        assert all(word in text for word in ("fig-1", "fig-2", "fig-3", "not measured", "99.0", "(unverified)"))
        assert "no open choice of the same views gives the figure" in text
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 3
    assert len({line.count(" | ") for line in (table[0], *table[2:])}) == 1
    assert latex.count(r"\\") == 1 + 3
    assert html.startswith("<!doctype html>")
    headers, rows = found.cells()
    assert [row[0] for row in rows] == ["fig-2", "fig-1"], "what is not reproduced comes first"
    assert headers[-1] == "verdict"


def test_the_combinations_of_open_choices_are_a_table(here: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("fig-1", "99.0", protocol="10crop"))
    found = benchsuite.reproduce("fig-1", **here)
    headers, rows = found.cells()
    assert headers[0] == "measured as"
    assert {row[0] for row in rows} == {
        "10crop",
        "10crop:flip=false",
        "10crop:merge=logit",
        "10crop:flip=false,merge=logit",
    }
    assert {row[-1] for row in rows} == {"no"}
    other = benchsuite.reproduce("fig-1", weights="random", **here)
    assert other.cells()[0] == ["measured as", "measured %", "off"]  # what is not comparable agrees with nothing


def test_a_mistake_is_one_line(here: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("fig-1", "9.0"))
    with pytest.raises(UnknownName, match="did you mean 'fig-1'"):
        benchsuite.reproduce("fig-11", **here)
    with pytest.raises(BadParameter, match="Expected processes to be 1 in reproduce, got 2"):
        benchsuite.reproduce("fig-1", processes=2, **here)
    with pytest.raises(BadParameter, match="Expected seeds to be at least 1, got 0"):
        benchsuite.reproduce("fig-1", seeds=0, **here)
    with pytest.raises(UnknownName, match="option of reproduce"):
        benchsuite.reproduce("fig-1", date="imagenet", **here)  # type: ignore[call-arg]
