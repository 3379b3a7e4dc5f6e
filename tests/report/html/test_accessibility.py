"""Tests of the page by axe-core: on light and dark, wide and narrow screens it finds no serious or critical fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opened_pages import Opened

COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that a dark page could break if a light one does not."""


@pytest.mark.parametrize("width", [400, 1300])
def test_axe_finds_no_serious_fault_on_light_and_dark_pages(browser: Any, rich: Path, width: int) -> None:
    opened = Opened(browser, rich, viewport={"width": width, "height": 900}, color_scheme="light")
    opened.open_details()
    assert opened.faults() == []
    opened.tab.emulate_media(color_scheme="dark")
    assert opened.faults(*COLOURS) == []
    opened.quiet()


def test_axe_is_asked_indeed(browser: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    body = "<main><h1>Bad</h1><img src='data:,'><p style='color: #ccc'>pale</p></main>"
    bad.write_text(f"<!doctype html><html><title>Bad</title>{body}</html>")
    opened = Opened(browser, bad)
    assert {fault.split()[0] for fault in opened.faults()} == {"html-has-lang", "image-alt", "color-contrast"}
    assert {fault.split()[0] for fault in opened.faults(*COLOURS)} == {"color-contrast"}


PALE = {
    "its own colour": "<p style='color: #ccc'>pale</p>",
    "behind it": "<div style='background: #555'><p>dark</p></div>",
    "behind all": "<div style='background: #555'><div><p>dark</p></div></div>",
    "see-through": "<p style='opacity: 0.3'>pale</p>",
    "see-through around it": "<div style='opacity: 0.3'><p>pale</p></div>",
    "a small size": "<p style='font-size: 40px; color: #888'>large</p><p style='font-size: 12px; color: #888'>pale</p>",
    "an input": "<label>name <input style='color: #ccc' value='pale'></label>",
}


def test_a_pale_text_among_many_is_found_by_what_makes_it_pale(browser: Any, tmp_path: Path) -> None:
    """The contrast is asked of one element of each look: none of these looks as the others."""
    good = "<p>good</p><div><p>good</p></div>" * 20
    for name, bad in PALE.items():
        page = tmp_path / "page.html"
        body = f"<main><h1>Page</h1>{good}{bad}{good}</main>"
        page.write_text(
            f"<!doctype html><html lang='en'><title>Page</title><body style='background: #fff'>{body}</html>"
        )
        opened = Opened(browser, page)
        (fault,) = opened.faults()
        assert fault.startswith("color-contrast "), name
        opened.tab.close()
