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
