"""Tests that the page fits: tables at 1,300 and at 400 pixels, and on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from finished_reports import written
from opened_pages import Opened

from benchsuite.report.content import read
from benchsuite.report.sources import sources

COMMITTED = Path(__file__).resolve().parents[3] / "results" / "pnn-lbcnn-cifar10-jpeg"
PAPER = 1031
"""The width in CSS pixels between the margins of 12 mm of an A4 sheet on its side: (297 - 24) / 25.4 * 96."""

CUT = """() => [...document.querySelectorAll(".scroll")]
  .filter((area) => area.getClientRects().length && area.scrollWidth > area.clientWidth + 1)
  .map((area) => area.parentElement.id)"""


def trained(path: Path) -> Path:
    """A page with the trainings that are committed, whose names are long."""
    return written(path, read(sources(COMMITTED, ())))


def test_no_column_of_the_trainings_is_cut_off_at_1300_pixels(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, trained(tmp_path / "report.html"), viewport={"width": 1300, "height": 900})
    assert opened.tab.locator("#trainings th").count() >= 8
    assert opened.tab.locator("#trainings-sizes th").count() >= 6
    assert [name for name in opened.tab.evaluate(CUT) if name.startswith("trainings")] == []
    assert opened.tab.locator("#trainings .hint").is_visible() is False
    last = opened.tab.locator("#trainings th").last.bounding_box()
    assert last["x"] + last["width"] <= 1300
    opened.quiet()


def test_at_400_pixels_the_trainings_scroll_in_their_own_area_and_say_so(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, trained(tmp_path / "report.html"), viewport={"width": 400, "height": 800})
    assert opened.wide() == 400
    assert "trainings" in opened.tab.evaluate(CUT)
    hint, area = opened.tab.locator("#trainings .hint"), opened.tab.locator("#trainings .scroll")
    assert hint.is_visible()
    first = opened.tab.locator("#trainings tbody td:first-child").first
    before = first.bounding_box()
    area.focus()
    area.evaluate("(a) => (a.scrollLeft = a.scrollWidth)")
    hint.wait_for(state="hidden")
    assert first.bounding_box()["x"] == before["x"], "the network stays beside the numbers"
    assert before["width"] < 200, "and leaves room for them"
    opened.quiet()


@pytest.mark.parametrize("width", [400, 700, 1300])
def test_no_page_is_wider_than_its_screen(browser: Any, rich: Path, width: int) -> None:
    opened = Opened(browser, rich, viewport={"width": width, "height": 800})
    assert opened.wide() == width
    opened.open_details()
    assert opened.wide() == width
    opened.quiet()


def test_no_table_is_cut_on_paper_and_no_plot_is_parted(browser: Any, rich: Path, tmp_path: Path) -> None:
    for page in (rich, trained(tmp_path / "trained.html")):
        opened = Opened(browser, page, viewport={"width": PAPER, "height": 700}, color_scheme="dark")
        opened.tab.emulate_media(media="print")
        opened.tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert opened.wide() == PAPER
        assert opened.tab.evaluate(CUT) == []
        parts = "[...document.querySelectorAll('figure, tr')].map((part) => getComputedStyle(part).breakInside)"
        assert set(opened.tab.evaluate(parts)) == {"avoid"}
        boxes = "[...document.querySelectorAll('th button')].map((button) => getComputedStyle(button).display)"
        assert set(opened.tab.evaluate(boxes)) == {"contents"}, "else Chromium does not repeat the head on each page"
        opened.tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
        printed = opened.tab.pdf(prefer_css_page_size=True)
        (size,) = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", printed)}
        assert size[2] == pytest.approx(297 / 25.4 * 72, abs=1)
        assert size[3] == pytest.approx(210 / 25.4 * 72, abs=1)
        opened.quiet()
