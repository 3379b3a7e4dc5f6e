"""Tests of the commands ``benchsuite compare`` and ``benchsuite query``."""

from __future__ import annotations

import json
from pathlib import Path

import finished_runs
import pytest

from benchsuite.cli import main
from benchsuite.explanation.comparison import compare, open_run
from benchsuite.stats.digits import p_value
from benchsuite.stats.significance import holm


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four runs of the same 300 images, and one of 100 others."""
    for seed, name in enumerate(("first", "second", "third", "fourth")):
        finished_runs.saved(
            tmp_path, name, finished_runs.scores(300, 10, seed, noise=1 + seed / 2), protocol__label=f"p{seed}"
        )
    finished_runs.saved(tmp_path, "other", finished_runs.scores(100, 10, 9))
    monkeypatch.setenv("BENCHSUITE_RESULTS", str(tmp_path))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["compare", *words]) == 0
    streams = capsys.readouterr()
    assert streams.err == ""
    return streams.out


def test_two_runs_are_compared_in_words(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(open_run(results, "first"), open_run(results, "second"))
    text = said(capsys, "first", "second")
    pair = found.top1
    assert f"top-1: {pair.fixed} fixed, {pair.broken} broken, p = {p_value(pair.p)} (McNemar, exact)" in text
    assert f"with {pair.fixed + pair.broken} changed images" in text
    assert f"the same first answer for {found.agree} of 300 images" in text
    assert f"classes that changed most, of {len(found.classes)} that changed" in text
    for row in ("top-1 error %", "top-5 error %", "ECE %", "NLL", "Brier"):
        assert row in text
    fewer = pair.fixed - pair.broken
    more = "fewer" if fewer > 0 else "more"
    assert text.startswith(f"resnet50 p1 [second] makes {abs(fewer)} {more} top-1 errors than resnet50 p0 [first]")
    assert "--all" in text.splitlines()[-1]
    assert len(text.splitlines()) <= 24
    assert "errors before" not in text
    assert "errors before" in said(capsys, "first", "second", "--all")
    assert " makes as many top-1 errors as " in " ".join(said(capsys, "first", "first").split())


def test_two_runs_are_compared_as_json(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(said(capsys, "first", "second", "--json"))
    assert list(data) == ["comparisons"]
    (pair,) = data["comparisons"]
    assert (pair["before"], pair["after"]) == ("first", "second")
    assert pair["top1_p"] == pair["top1_p_holm"]


def test_more_runs_are_each_compared_with_the_first_and_corrected(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = json.loads(said(capsys, "first", "second", "third", "fourth", "--json"))["comparisons"]
    assert [pair["before"] for pair in pairs] == ["first"] * 3
    assert [pair["top1_p_holm"] for pair in pairs] == holm([pair["top1_p"] for pair in pairs])
    text = said(capsys, "first", "second", "third", "fourth")
    for pair in pairs:
        assert p_value(pair["top1_p_holm"]) in text
        assert pair["after_protocol"] in text


def test_groups_of_runs_are_compared(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(said(capsys, "first", "second", "vs", "third", "fourth", "--json"))["groups"]
    assert (data["before"], data["after"]) == (["first", "second"], ["third", "fourth"])
    text = said(capsys, "first", "second", "vs", "third", "fourth")
    assert "mean top-1 error %" in text
    assert f"p = {p_value(data['top1_p'])} over images" in text
    assert "(6 ways to form the two groups)" in " ".join(text.split())
    assert "between the groups" in text


def test_an_older_run_shows_the_bounds_of_its_brier_score(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_runs.saved(results, "old", finished_runs.scores(300, 10, 5), without=("brier",))
    line = next(line for line in said(capsys, "first", "old").splitlines() if "Brier" in line)
    assert " to " in line
    assert "not stored by both" in line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["first"], "two or more"),
        (["first", "vs"], "written A B vs C D"),
        (["vs", "first"], "written A B vs C D"),
        (["first", "vs", "second", "vs", "third"], "written A B vs C D"),
        (["first", "vs", "first"], "first twice"),
        (["first", "secnd"], "did you mean 'second'"),
        (["first", "other"], "compared image by image"),
        (["first", "second", "vs", "other"], "compared image by image"),
        (["f", "second"], "2 that begin with 'f'"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_mistakes_are_one_line_and_status_two(
    results: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["compare", *words]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.splitlines()) == 1
    assert message in streams.err


def test_a_question_in_sql_is_answered_as_columns_and_as_json(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "select run_id, top1_errors, null as nothing, 'nan'::double as bad, [1, 2] as l from runs order by run_id"
    assert main(["query", sql]) == 0
    answer, _, headers, _, *lines = capsys.readouterr().out.splitlines()
    assert answer == "5 rows"
    assert headers.split() == ["run_id", "top1_errors", "nothing", "bad", "l"]
    assert [line.split()[0] for line in lines] == ["first", "fourth", "other", "second", "third"]
    assert main(["query", sql, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["columns"][:2] == ["run_id", "top1_errors"]
    assert data["rows"][0] == [
        "first",
        compare(*[open_run(results, "first")] * 2).before.top1_errors,
        None,
        None,
        [1, 2],
    ]
    assert main(["query", "select date '2026-01-02' as d, 1.5::decimal(3,1) as x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [["2026-01-02", "1.5"]]


def test_a_mistake_in_sql_is_one_line(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "select x from runs"]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.splitlines()) == 1
