"""Tests of ``benchsuite.write_report`` and ``benchsuite.write_tables``."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_runs import saved, scores

import benchsuite
from benchsuite import BadParameter
from benchsuite.report.results_pages import END


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run, next to a page that shows it in a table which is not made yet."""
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "README.md").write_text(f"A page.\n\n<!-- table runs . -->\n{END}\n", encoding="utf-8")
    found: Path = saved(tmp_path / "toy", "resnet50-1crop-x-aaa", scores(80, 10, 1))
    return found


def test_a_report_is_written_and_its_tables_are_text(run: Path, tmp_path: Path) -> None:
    made = benchsuite.write_report(run, html=tmp_path / "page.html", csv=str(tmp_path / "runs.csv"), title="Mine")
    assert made.files == (tmp_path / "page.html", tmp_path / "runs.csv")
    assert "<title>Mine</title>" in made.files[0].read_text(encoding="utf-8")
    assert made.markdown.startswith("# Mine\n")
    assert [line.split(" (")[0] for line in repr(made).splitlines()[:2]] == list(map(str, made.files))
    assert made.record["files"] == list(map(str, made.files))


def test_a_report_without_a_file_shows_its_tables(run: Path) -> None:
    made = benchsuite.write_report(run)
    assert made.files == ()
    assert repr(made) == made.markdown.rstrip("\n")


def test_a_gallery_needs_a_page(run: Path) -> None:
    with pytest.raises(BadParameter, match="Expected --gallery to be used with --html"):
        benchsuite.write_report(run, gallery=True)


def test_tables_are_checked_before_and_after_they_are_written(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "toy" / "README.md"
    before = page.read_text(encoding="utf-8")
    checked = benchsuite.write_tables(page, check=True, results=tmp_path)
    assert (checked.fine, checked.changed) == (False, (page,))
    assert "1 table, differs" in repr(checked)
    assert page.read_text(encoding="utf-8") == before
    assert benchsuite.write_tables(page, results=tmp_path).fine
    assert "| " in page.read_text(encoding="utf-8")
    assert benchsuite.write_tables(page, check=True, results=tmp_path).fine
