"""A page with every kind of section, made once for the tests in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_reports import everything, written

from benchsuite.report.content import Report


@pytest.fixture(scope="session")
def rich_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """The report of ``everything``, and its page."""
    folder = tmp_path_factory.mktemp("rich")
    report, pictures = everything(folder)
    return report, written(folder / "report.html", report, pictures=pictures)


@pytest.fixture
def rich(rich_report: tuple[Report, Path]) -> Path:
    """The page."""
    return rich_report[1]
