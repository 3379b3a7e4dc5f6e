"""Tests of the site: it builds without a warning, its links lead somewhere, its commands are real, it opens offline."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from opened_pages import Opened
from page_commands import commands, parsed

from benchsuite import load_plugins
from benchsuite.explanation import ledger
from benchsuite.specs import parameters

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Links(HTMLParser):
    """The ids of a page, and the addresses of its links, pictures, scripts and styles."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids, self.links = set[str](), set[str]()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name in ("href", "src") and value:
                self.links.add(value)


def test_every_page_is_on_the_site_and_in_its_navigation(site: Path) -> None:
    pages = [*PAGES, *sorted((ROOT / "results").glob("*.md")), *sorted((ROOT / "results").glob("*/README.md"))]
    wanted = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in pages}
    assert {path for path in wanted if not (site / path).is_file()} == set()
    links = map(urlsplit, Links(site / "CONTRIBUTING.html").links)
    assert wanted - {link.path for link in links} == {"CONTRIBUTING.html"}  # a page links to itself by #


def test_every_link_leads_to_a_file_and_a_place_in_it(site: Path) -> None:
    pages = {path: Links(path) for path in site.rglob("*.html")}
    assert len(pages) > 25
    lost = []
    for page, found in pages.items():
        for link in found.links:
            where = urlsplit(link)
            target = (page.parent / unquote(where.path)).resolve() if where.path else page
            if where.scheme in ("http", "https"):
                fine = re.fullmatch(r"[\w-]+(\.[\w-]+)+", where.netloc) and " " not in link
            elif target.suffix == ".html" and where.fragment:
                fine = target in pages and unquote(where.fragment) in pages[target].ids
            else:
                fine = where.scheme == "data" or target.is_file()
            lost += [] if fine else [f"{page.relative_to(site)}: {link}"]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_is_one_that_the_command_line_takes(page: Path) -> None:
    """The options are parsed, and protocols, data sets and published figures are looked up by their names."""
    catalog, figures = load_plugins(entry_points=False), {row.id for row in ledger.load()}
    for command in commands(page):
        name, args = parsed(command)
        for text in getattr(args, "protocol", None) or ():
            assert parameters.bind(text, parameters.finder(catalog.protocols)).protocol.name, command
        if data := getattr(args, "data", None):
            for text in [data] if isinstance(data, str) else data:
                assert catalog.find("dataset", text.partition(":")[0]), command
        if name == "show" and re.match(r"(he|fb|pnn|klachko|hfc)-\w+-", args.name):
            assert args.name in figures, command


WHY = ROOT / "docs" / "why-does-my-number-differ.md"


def test_every_symptom_has_a_public_thread_and_a_command() -> None:
    _, *symptoms = re.split(r"^### ", WHY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(symptoms) >= 20
    threads = [re.findall(r"\]\((https://\S+)\)", text) for text in symptoms]
    asked = [re.findall(r"^benchsuite ", text, flags=re.MULTILINE) for text in symptoms]
    assert [text for text, found, said in zip(symptoms, threads, asked, strict=True) if not (found and said)] == []
    every = [thread for found in threads for thread in found]
    assert len(set(every)) == len(every), "each symptom has a thread of its own"


UNREACHABLE = """() => [...document.querySelectorAll("article pre, article .table-wrapper, article .table-wrapper > *")]
  .filter((box) => box.scrollWidth > box.clientWidth && box.tabIndex < 0 && getComputedStyle(box).overflowX === "auto")
  .map((box) => box.outerHTML.slice(0, 80))"""
"""What scrolls sideways and cannot be reached by the keyboard."""


def test_the_site_opens_from_disk_at_its_first_page(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "index.html")
    opened.tab.wait_for_url("**/README.html")
    assert opened.tab.locator("h1").first.inner_text().startswith("benchsuite")
    captions = opened.tab.locator(".sidebar-tree .caption").all_inner_texts()
    assert opened.tab.locator("[role=heading]:not([aria-level])").count() == 0
    assert [text.lower() for text in captions] == ["tutorial", "guides", "reference", "explanation"]
    opened.quiet(alone=False)


def test_no_page_says_anything_on_the_console_or_is_wider_than_its_screen(browser: Any, site: Path) -> None:
    for page in PAGES:
        opened = Opened(browser, site / page.relative_to(ROOT).with_suffix(".html"))
        for width in (1300, 390):
            opened.tab.set_viewport_size({"width": width, "height": 900})
            assert opened.wide() <= width, page
            opened.tab.wait_for_function(f"({UNREACHABLE})().length === 0")  # the page hears of it later
        opened.quiet(alone=False)


def test_the_search_finds_pages_from_disk(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "search.html")
    opened.tab.locator("#search-page-input, article input[name=q], .sidebar-search").first.fill("binaryproto")
    opened.tab.keyboard.press("Enter")
    opened.tab.locator("#search-results li a", has_text="Weights from a file").first.wait_for()
    opened.quiet(alone=False)


def test_a_long_table_is_filtered_by_all_words(browser: Any, site: Path) -> None:
    opened = Opened(browser, site / "docs" / "families.html")
    rows = opened.tab.locator("article tbody tr")
    total = rows.count()
    opened.tab.get_by_label("Only rows with these words").fill("TIMM vit_")
    assert opened.tab.locator("article tbody tr:visible").count() == 1
    assert opened.tab.locator(".filter output").inner_text() == f"1 of {total} rows"
    opened.quiet(alone=False)


MAIN = [ROOT / name for name in ("README.md", "docs/tutorial.md", "docs/reference/protocols.md")]
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules that a dark page could break if a light one does not."""


def test_axe_finds_no_serious_fault_on_any_page(browser: Any, site: Path) -> None:
    """Some seconds: each page is looked at as a whole."""
    for page in PAGES:
        opened = Opened(browser, site / page.relative_to(ROOT).with_suffix(".html"), color_scheme="light")
        assert opened.faults() == [], page
        opened.quiet(alone=False)


@pytest.mark.parametrize("page", MAIN, ids=lambda page: page.name)
def test_axe_finds_no_serious_fault_on_narrow_and_dark_pages(browser: Any, site: Path, page: Path) -> None:
    opened = Opened(browser, site / page.relative_to(ROOT).with_suffix(".html"), color_scheme="light")
    light = opened.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    opened.tab.set_viewport_size({"width": 400, "height": 900})
    assert opened.faults() == []
    opened.tab.emulate_media(color_scheme="dark")
    assert opened.tab.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert opened.faults(*COLOURS) == []
    opened.tab.set_viewport_size({"width": 1300, "height": 900})
    assert opened.faults(*COLOURS) == []
    opened.quiet(alone=False)
