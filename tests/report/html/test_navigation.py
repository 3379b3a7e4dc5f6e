"""Tests of the navigation and of permalinks, in a browser: it stays in view, marks the section, needs no mouse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from finished_reports import Page, everything
from opened_pages import Opened

from benchsuite.report.content import read
from benchsuite.report.html.page import page
from benchsuite.report.sources import sources

CURRENT = "[...document.querySelectorAll('nav [aria-current]')].map((link) => link.hash.slice(1))"


def marked_at_last(tab: Any, name: str) -> bool:
    """Whether a section is marked, a moment after scrolling; the page's policy allows no waiting by Playwright."""
    for _ in range(200):
        if tab.evaluate(CURRENT) == [name]:
            return True
        tab.wait_for_timeout(20)
    return False


@pytest.mark.parametrize("width", [400, 1300])
def test_the_navigation_stays_in_view_and_marks_the_section_in_view(browser: Any, rich: Path, width: int) -> None:
    opened = Opened(browser, rich, viewport={"width": width, "height": 700})
    tab, nav = opened.tab, opened.tab.locator("nav")
    assert tab.evaluate(CURRENT) == ["summary"]
    ids = [link.get_attribute("href").removeprefix("#") for link in nav.locator("a").all()]
    assert ids[1:] == tab.evaluate("[...document.querySelectorAll('main > section')].map((section) => section.id)")
    for name in ids[1:]:
        tab.evaluate(f"document.getElementById({name!r}).scrollIntoView({{ behavior: 'instant' }})")
        at_the_end = tab.evaluate("scrollY + innerHeight > document.documentElement.scrollHeight - 2")
        assert marked_at_last(tab, ids[-1] if at_the_end else name)
        assert len(tab.evaluate(CURRENT)) == 1
        box, marked = nav.bounding_box(), nav.locator("[aria-current]").bounding_box()
        assert 0 <= box["y"] < 60
        assert box["x"] <= marked["x"] <= width - 40, "the marked link can be seen"
        assert box["y"] <= marked["y"] <= box["y"] + box["height"]
    main = tab.locator("main").bounding_box()
    if width == 1300:
        assert box["x"] + box["width"] <= main["x"], "beside the content"
    else:
        assert box["height"] < 60, "one line above the content"
    opened.quiet()


@pytest.mark.parametrize("width", [400, 1300])
def test_a_link_of_the_navigation_leads_to_its_section_and_marks_it(browser: Any, rich: Path, width: int) -> None:
    opened = Opened(browser, rich, viewport={"width": width, "height": 700})
    for link in opened.tab.locator("nav a").all():
        link.focus()
        opened.tab.keyboard.press("Enter")
        name = link.get_attribute("href").removeprefix("#")
        assert marked_at_last(opened.tab, name)
        below = opened.tab.locator("nav").bounding_box()
        edge = below["y"] + below["height"] if width == 400 and name != "summary" else 0
        heading = opened.tab.locator(f"#{name} h2, #{name} h1").first.bounding_box()
        assert edge <= heading["y"] < 700
    opened.quiet()


def test_every_heading_is_reached_by_the_keyboard_and_is_a_link_to_itself(browser: Any, rich: Path) -> None:
    opened = Opened(browser, rich)
    wanted = opened.tab.locator("main :is(h2, h3):visible").all_inner_texts()
    assert len(wanted) > 10
    reached: list[Any] = []
    for _ in range(300):
        if len(reached) == len(wanted):
            break
        opened.tab.keyboard.press("Tab")
        found = opened.tab.evaluate(
            """() => {
              const { activeElement: link } = document;
              const heading = link.closest("h2, h3");
              const target = heading && document.getElementById(link.hash.slice(1));
              return heading && [heading.innerText, target === heading || target === heading.parentElement];
            }"""
        )
        reached += [found] if found else []
    assert reached == [[words, True] for words in wanted]
    assert opened.tab.locator("main :is(h2, h3)").count() > len(wanted), "others are in closed details"
    assert opened.tab.locator("main :is(h2, h3):not(:has(> a[href]:only-child))").count() == 0
    opened.quiet()


def test_each_run_has_a_permalink_that_is_seen_when_pointed_at_or_focused(browser: Any, rich: Path) -> None:
    opened = Opened(browser, rich)
    runs = opened.tab.locator("#manifests .folded")
    assert runs.count() > 5
    link = runs.first.locator(".anchor")
    seen = "(link) => Number(getComputedStyle(link).opacity)"
    assert link.evaluate(seen) == 0
    runs.first.locator("summary").hover()
    assert link.evaluate(seen) == 1
    opened.tab.mouse.move(0, 0)
    assert link.evaluate(seen) == 0
    link.focus()
    opened.tab.keyboard.press("Shift+Tab")
    opened.tab.keyboard.press("Tab")
    assert link.evaluate(seen) == 1
    opened.tab.keyboard.press("Enter")
    name = runs.first.locator("details").get_attribute("id")
    assert opened.tab.evaluate("location.hash") == f"#{name}"
    assert opened.tab.locator(f"#{name}[open]").count() == 1
    for every in runs.all():
        assert every.locator(".anchor").get_attribute("href") == f"#{every.locator('details').get_attribute('id')}"
    heading = opened.tab.locator("#results h2 a")
    mark = "(link) => Number(getComputedStyle(link, '::after').opacity)"
    assert heading.evaluate(mark) == 0
    heading.hover()
    assert heading.evaluate(mark) == 1
    opened.quiet()


def test_two_reports_of_the_same_runs_have_the_same_ids(tmp_path: Path) -> None:
    everything(tmp_path)
    names = [folder.name for kind in ("runs", "training") for folder in sorted((tmp_path / kind).iterdir())]
    ladder = str(tmp_path / "ladder.json")

    def ids(*order: str) -> set[str]:
        found = Page(page(read(sources(tmp_path, order)), title="A title", pictures={}))
        kinds = ("section", "details", "h3")
        return {attributes["id"] for tag, attributes in found.elements if tag in kinds and "id" in attributes}

    once, again = ids(*names, ladder), ids(ladder, *reversed(names))
    pairs = {name for name in once | again if name.startswith("pair-")}
    assert once - pairs == again - pairs
    assert {f"run-{name}" for name in names} | {"ladder-aaa-bbb", "results"} <= once
    assert "pair-aaa-bbb" in once & again, "a pair is named by its runs, whichever others there are"
