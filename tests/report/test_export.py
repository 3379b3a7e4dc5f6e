"""Tests of tables for papers and programs: any name stays one cell, and numbers are read back unchanged."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from finished_reports import ladder_file, nasty, two_runs
from finished_runs import saved, scores

from benchsuite.explanation import comparison, ledger
from benchsuite.report import export
from benchsuite.report.content import Report, read
from benchsuite.report.sources import sources
from benchsuite.report.tables import runs

A, B = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A ladder to a published figure, with shares."""
    folder = tmp_path_factory.mktemp("report")
    two_runs(folder)
    printed = next(row for row in ledger.load() if row.error is not None and row.k == 1)
    shares = [{"factor": "crops", "mean": -1.25, "least": -2, "most": 0}]
    path = ladder_file(folder, A, B, printed_after=printed.id, shapley=shares, orders=2)
    return read(sources(folder, (A, B, str(path))))


@pytest.fixture(scope="module")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report with the names ``NASTY``."""
    return nasty(tmp_path_factory.mktemp("nasty"))


def pipes(line: str) -> int:
    """The number of pipes of a line that are cell borders in Markdown."""
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))


@pytest.mark.parametrize("which", ["report", "worst"])
def test_every_line_of_a_markdown_table_has_as_many_cells(which: str, request: pytest.FixtureRequest) -> None:
    text = export.markdown(request.getfixturevalue(which), "a | title")
    tables = [part for part in text.split("\n\n") if part.startswith("| ")]
    assert len(tables) >= 4
    for table in tables:
        lines = table.splitlines()
        assert {pipes(line) for line in lines} == {pipes(lines[1])}
    assert "<script" not in text.replace(r"\<script", "")


def test_markdown_holds_the_summary_and_every_number_as_it_is_rounded(report: Report) -> None:
    text = export.markdown(report, "Title")
    assert text.startswith(
        "# Title\n\nFrom 1crop to 10crop the top-1 error of resnet50 on madeup (200 images) goes from"
    )
    for sheet in export.in_paper(report):
        for row in sheet.rows:
            assert all(export.plain(cell.text) in text for cell in row)


@pytest.mark.parametrize("which", ["report", "worst"])
def test_every_line_of_a_latex_table_has_as_many_cells_and_balanced_braces(
    which: str, request: pytest.FixtureRequest
) -> None:
    text = export.latex(request.getfixturevalue(which), "title\n\\input{evil}")
    columns = 0
    for line in text.splitlines():
        if line.startswith("%"):
            continue
        begun = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", line)
        columns = len(begun[1]) if begun else columns
        plain = re.sub(r"\\textbackslash\{\}|\\[&%$#_{}]", "", line)
        assert plain.count("{") == plain.count("}")
        assert plain.count("$") % 2 == 0
        if line.endswith(r" \\"):
            assert plain.removesuffix(r" \\").count("&") == columns - 1
            assert not line.startswith(("[", "*"))
        for command in re.findall(r"\\[a-z]+", plain):
            assert command in (r"\begin", r"\end", r"\hline", r"\to", r"\leq") or command.startswith(r"\text")
    assert "evil" not in "".join(line for line in text.splitlines() if not line.startswith("%"))


def test_latex_writes_a_minus_and_keeps_brackets_from_the_line_before() -> None:
    assert export._tex("-1.40", number=True) == "$-$1.40"
    assert export._tex("[-2.70, +0.10]", number=True) == "{[$-$2.70, +0.10]}"
    assert export._tex("1.9e-11", number=True) == "1.9e-11"
    assert export._tex("a → b", number=False) == r"a $\to$ b"


def test_csv_is_read_back_with_every_number_unrounded(report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(export.as_csv(report))))
    assert [line["table"] for line in lines] == ["run", "run", "rung", "pair"]
    for line, entry in zip(lines, report.entries, strict=False):
        assert line["run_id"] == entry.run_id
        assert float(line["top1_error"]) == entry.row["top1_error"]
        assert float(line["ece"]) == entry.side.calibration.ece
        assert float(line["megapixels"]) == entry.megapixels
    rung, pair = lines[2:]
    found = report.pairs[0].comparison.top1
    for line in (rung, pair):
        assert (int(line["top1_fixed"]), int(line["top1_broken"])) == (found.fixed, found.broken)
        assert float(line["top1_change_interval_low"]) == 100 * found.low
        assert float(line["top1_p"]) == found.p
        assert line["top1_interval_low"] == "", "that of an error rate, which a pair is not"
    assert rung["factors"] == "factor 1: a → b"


def test_no_cell_of_csv_is_a_formula(worst: Report) -> None:
    lines = list(csv.reader(io.StringIO(export.as_csv(worst))))
    assert {len(line) for line in lines} == {len(lines[0])}
    for line in lines[1:]:
        for cell in line:
            assert not re.match(r"[=+@\t\r]|-(?![\d.])", cell), cell


def test_json_is_strict_and_in_the_words_of_compare(report: Report) -> None:
    text = json.dumps(export.as_json(report), allow_nan=False)
    data = json.loads(text)
    assert [run["run_id"] for run in data["runs"]] == [A, B]
    assert "cached" not in data["runs"][0]
    (pair,) = report.pairs
    assert data["comparisons"] == [json.loads(json.dumps(comparison.flat(pair.comparison, pair.p_holm)))]
    (ladder,) = data["ladders"]
    assert ladder["rungs"] == [A, B]
    assert ladder["left_over"] == float(report.ladders[0].left_over)


def test_a_run_without_its_brier_score_is_given_by_bounds(tmp_path: Path) -> None:
    saved(tmp_path, A, scores(50, 10, 1), without=("brier",))
    made = read(sources(tmp_path, ()))
    (row,) = runs.calibrations(made).rows
    assert re.fullmatch(r"\d\.\d{4} to \d\.\d{4}", row[-1].text)
