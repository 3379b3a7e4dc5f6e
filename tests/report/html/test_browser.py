"""Tests of the page in a real browser: opens from disk, logs no message, sorts, filters, prints, keyboard control."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_reports import NASTY, ladder_file, nasty, pictures_of, two_runs, written
from finished_runs import saved, scores
from finished_trainings import correct, learned
from frequency_analyses import analysed
from opened_pages import Opened

from benchsuite.report.content import read
from benchsuite.report.frequency.pictures import DrawnTriple
from benchsuite.report.frequency.pictures import picture as drawn_picture
from benchsuite.report.markup import printable
from benchsuite.report.sources import sources


@pytest.fixture(scope="module")
def nasty_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the names ``NASTY``."""
    folder = tmp_path_factory.mktemp("nasty")
    return written(folder / "report.html", nasty(folder))


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    """A small report with six runs."""
    for number in range(6):
        label = f"multicrop:grid={number + 2}"
        saved(tmp_path, f"resnet50-p-x-{number}", scores(120, 10, number, noise=1 + number), protocol__label=label)
    opened = Opened(browser, written(tmp_path / "report.html", read(sources(tmp_path, ()))))
    yield opened
    opened.quiet()


def test_a_table_is_sorted_by_numbers_up_and_down_and_says_so(page: Opened) -> None:
    errors = [float(text) for text in page.column("runs", 3)]
    assert len(set(errors)) > 3
    button = page.tab.locator("#runs th:nth-child(3) button")
    button.click()
    assert [float(text) for text in page.column("runs", 3)] == sorted(errors)
    assert page.tab.locator("#runs th:nth-child(3)").get_attribute("aria-sort") == "ascending"
    button.click()
    assert [float(text) for text in page.column("runs", 3)] == sorted(errors, reverse=True)
    assert page.tab.locator("#runs th[aria-sort=descending]").count() == 1


def test_texts_are_sorted_as_people_count_and_rows_without_a_number_stay_last(browser: Any, tmp_path: Path) -> None:
    labels = {"a": ("multicrop:grid=10", 3.0), "b": ("multicrop:grid=9", None), "c": ("multicrop:grid=2", 20.0)}
    for number, (name, (label, speed)) in enumerate(labels.items()):
        more = {"protocol__label": label, "images_per_second": speed}
        saved(tmp_path, f"resnet50-p-x-{name}", scores(50, 10, number), **more)
    opened = Opened(browser, written(tmp_path / "report.html", read(sources(tmp_path, ()))))
    opened.tab.get_by_role("button", name="protocol").first.click()
    assert opened.column("runs", 1) == [f"multicrop:grid={n}" for n in (2, 9, 10)]
    speed = opened.tab.locator("#runs").get_by_role("button", name="images/s")
    speed.click()
    assert opened.column("runs", 9) == ["3.0", "20.0", ""]
    speed.click()
    assert opened.column("runs", 9) == ["20.0", "3.0", ""]
    opened.quiet()


def test_a_table_is_filtered_by_all_words_and_says_how_many_rows_are_left(page: Opened) -> None:
    box = page.tab.get_by_label("Filter Results")
    box.fill("GRID=3")
    assert page.column("runs", 1) == ["multicrop:grid=3"]
    assert page.tab.locator("#runs output").inner_text() == "1 of 6 rows"
    box.fill("multicrop grid=3 nowhere")
    assert page.tab.locator("#runs tbody").inner_text() == "No row holds these words."
    box.fill("")
    assert len(page.column("runs", 1)) == 6


def test_all_of_it_works_with_the_keyboard_alone(page: Opened) -> None:
    keys = page.tab.keyboard
    reached = []
    for _ in range(20):
        keys.press("Tab")
        reached.append(
            page.tab.evaluate(
                "((n) => (n.tagName === 'DIV' ? 'region' : n.innerText || n.tagName))(document.activeElement)"
            )
        )
    assert "Theme: auto" in reached
    assert "INPUT" in reached
    assert "region" in reached, "a table that is wider than the screen is moved with the arrow keys"
    assert "top‑1 error\u00a0%" in reached
    page.tab.locator("#runs th:nth-child(3) button").focus()
    keys.press("Enter")
    errors = [float(text) for text in page.column("runs", 3)]
    assert errors == sorted(errors)
    details = page.tab.locator("#manifests details").first
    details.locator("summary").focus()
    keys.press("Enter")
    assert details.get_attribute("open") is not None


@pytest.mark.parametrize("width", [390, 1400])
def test_training_curves_are_seen_and_their_epochs_sorted(browser: Any, tmp_path: Path, width: int) -> None:
    for name in ("pnn-a", "pnn-b"):
        learned(tmp_path, name, correct(30, 60, seed=len(name)))
    report = read(sources(tmp_path, ()))
    opened = Opened(browser, written(tmp_path / "report.html", report), viewport={"width": width, "height": 800})
    curves = opened.tab.locator("#training svg:visible")
    assert curves.count() == 2
    assert curves.first.bounding_box()["width"] <= width
    assert curves.first.locator("path.course").count() == 2
    assert opened.wide() <= width
    opened.tab.locator("#training .folded summary").first.click()
    opened.tab.locator("#epochs-pnn-a th:nth-child(1) button").click(click_count=2)
    assert opened.column("epochs-pnn-a", 1) == [str(i) for i in range(30, 0, -1)]
    opened.tab.locator("#trainings tbody a").first.click()
    opened.tab.locator("#run-pnn-a pre").wait_for(state="visible")
    opened.quiet()


@pytest.mark.parametrize("width", [390, 1400])
def test_the_section_on_frequencies_fits_the_screen_and_its_pictures_load(
    browser: Any, tmp_path: Path, width: int
) -> None:
    found = analysed(tmp_path)
    report = read(sources(tmp_path, ("resnet50-1crop-x-aaa",)))
    (content,) = report.frequencies
    small = drawn_picture(np.full((32, 32, 3), 0.5))
    triples = tuple(DrawnTriple(triple, small, small, small) for triple in found.triples[:4])
    report = dataclasses.replace(report, frequencies=(dataclasses.replace(content, pictures=triples),))
    opened = Opened(browser, written(tmp_path / "report.html", report), viewport={"width": width, "height": 800})
    assert opened.wide() <= width
    plots = opened.tab.locator(".frequency svg:visible")
    assert plots.count() == 4
    images = opened.tab.locator(".frequency img")
    assert images.count() == 3 * len(triples) + 2
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("(i) => i.complete && i.naturalWidth > 0")
        assert image.bounding_box()["width"] <= width
    opened.quiet()


def test_a_run_leads_to_its_manifest_which_opens(page: Opened) -> None:
    link = page.tab.locator("#runs tbody a").first
    target = page.tab.locator(link.get_attribute("href"))
    assert not target.locator("pre").is_visible()
    link.click()
    target.locator("pre").wait_for(state="visible")
    assert '"run_id": "resnet50-p-x-' in target.locator("pre").inner_text()


def test_the_theme_follows_the_system_until_it_is_switched(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, written(tmp_path / "report.html", two_runs(tmp_path)), color_scheme="dark")
    back = "getComputedStyle(document.body).backgroundColor"
    dark = opened.tab.evaluate(back)
    button = opened.tab.get_by_role("button", name="Theme")
    button.click()
    assert button.inner_text() == "Theme: light"
    assert opened.tab.evaluate(back) == "rgb(255, 255, 255)"
    button.click()
    assert opened.tab.evaluate(back) == dark
    for _ in range(20):  # the browser stores the choice a moment after the click
        opened.tab.reload()
        if button.inner_text() == "Theme: dark":
            break
        opened.tab.wait_for_timeout(100)
    assert button.inner_text() == "Theme: dark"
    assert opened.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_the_page(browser: Any, tmp_path: Path, scheme: str) -> None:
    opened = Opened(browser, written(tmp_path / "report.html", two_runs(tmp_path)), color_scheme=scheme)
    opened.open_details()
    found = opened.tab.evaluate(
        """() => {
          const colour = (c) => c.match(/[\\d.]+/g).slice(0, 3).map(Number);
          const back = getComputedStyle(document.body).backgroundColor;
          const seen = {};
          for (const node of document.querySelectorAll("h1, h2, p, td, th button, a, summary, figcaption, svg text")) {
            const style = getComputedStyle(node);
            seen[node.tagName] = colour(node.tagName === "text" ? style.fill : style.color);
          }
          return [colour(back), seen];
        }"""
    )
    back, seen = found
    assert len(seen) > 7
    assert {name for name, colour in seen.items() if contrast(colour, back) < 4.5} == set()


def contrast(one: list[float], other: list[float]) -> float:
    """The contrast of two colours. WCAG 2.2, relative luminance."""

    def luminance(colour: list[float]) -> float:
        parts = [c / 255 for c in colour]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("width", [390, 700, 1400])
def test_no_page_is_wider_than_its_screen_even_with_the_nastiest_names(
    browser: Any, nasty_page: Path, width: int
) -> None:
    size = {"width": width, "height": 800}
    opened = Opened(browser, nasty_page, viewport=size)
    opened.open_details()
    assert opened.wide() <= width
    drawn = opened.tab.locator("section[id^=ladder] svg:visible")
    assert drawn.count() >= 1
    assert drawn.first.bounding_box()["width"] <= width


def test_nasty_names_are_read_as_they_are_and_run_nothing(browser: Any, nasty_page: Path) -> None:
    opened = Opened(browser, nasty_page)
    opened.open_details()
    sheet = opened.tab.locator("#pair-aaa-bbb-images")
    assert "first 100" not in sheet.locator("output").inner_text()
    cells = {re.sub(r"\s+", " ", text) for text in sheet.locator("tbody").all_inner_texts()[0].splitlines()}
    for name in NASTY:
        shown = re.sub(r"\s+", " ", printable(name.replace("\udcff", "?"))).strip()
        assert any(shown in cell for cell in cells) or "two" in shown, shown
    assert opened.tab.evaluate("window.broken") is None
    opened.quiet()


def test_sorting_keeps_nasty_names_in_rows_that_the_script_makes(browser: Any, nasty_page: Path) -> None:
    opened = Opened(browser, nasty_page)
    opened.open_details()
    before = sorted(opened.column("pair-aaa-bbb-images", 1))
    assert len(before) > 20, "some rows are in the page, the others are made from data"
    opened.tab.locator("#pair-aaa-bbb-images th:nth-child(1) button").click()
    assert sorted(opened.column("pair-aaa-bbb-images", 1)) == before
    assert opened.tab.locator("#pair-aaa-bbb-images script + *, #pair-aaa-bbb-images td script, td img").count() == 0
    assert opened.tab.evaluate("window.broken") is None
    opened.quiet()


def test_a_gallery_shows_pictures_that_load(browser: Any, tmp_path: Path) -> None:
    report, pictures = pictures_of(tmp_path)
    opened = Opened(browser, written(tmp_path / "report.html", report, pictures=pictures))
    opened.tab.locator(".folded summary").first.click()
    images = opened.tab.locator(".gallery img")
    assert images.count() == 2
    assert images.first.is_visible()
    sizes = images.evaluate_all("nodes => nodes.map((n) => n.complete && n.naturalWidth)")
    assert all(sizes)
    opened.quiet()


def test_without_script_everything_but_long_tables_is_there(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(written(tmp_path / "report.html", two_runs(tmp_path)).as_uri())
    assert tab.locator("#runs tbody tr").count() == 2
    assert tab.locator("button:visible, input:visible").count() == 0, "nothing that would do nothing"
    tab.locator("#manifests summary").first.click()
    assert tab.locator("#manifests pre").first.is_visible()
    context.close()


def test_printing_opens_the_comparisons_and_closes_them_again(browser: Any, tmp_path: Path) -> None:
    names = ("resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb")
    two_runs(tmp_path)
    report = read(sources(tmp_path, (*names, str(ladder_file(tmp_path, *names)))))
    opened = Opened(browser, written(tmp_path / "report.html", report))
    tab = opened.tab
    printed = tab.pdf()
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 12
    tab.wait_for_selector("details[open]", state="detached")
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for hidden in ("nav", "#theme", ".tools", ".copy", ".anchor", "#manifests pre"):
        assert tab.locator(hidden).count() > 0
        assert tab.locator(hidden).first.is_visible() is False, hidden
    assert tab.locator("#manifests .command").first.is_visible()
    opened.quiet()


TIMED = """() => {
  const sheet = document.querySelector("#pair-bbb-aaa-images");
  const box = sheet.querySelector("input");
  const spent = [];
  const timed = (work) => {
    const start = performance.now();
    work();
    document.body.offsetHeight;
    spent.push(performance.now() - start);
  };
  for (const head of sheet.querySelectorAll("th button")) timed(() => head.click());
  timed(() => {
    box.value = "image-0012";
    box.dispatchEvent(new Event("input"));
  });
  return spent;
}"""
"""Milliseconds of sorting by each column, and of filtering, until the page is laid out again."""


def test_ten_thousand_rows_are_sorted_and_filtered(browser: Any, tmp_path: Path) -> None:
    report = two_runs(tmp_path)
    (pair,) = report.pairs
    changed = [
        dataclasses.replace(
            pair.changed[i % len(pair.changed)], id=f"image-{i:05d}", true_after=(i * 7919) % 10_000 / 1e4
        )
        for i in range(10_000)
    ]
    many = dataclasses.replace(report, pairs=(dataclasses.replace(pair, changed=tuple(changed)),))
    path = written(tmp_path / "report.html", many)
    assert path.stat().st_size < 3e6
    opened = Opened(browser, path)
    opened.open_details()
    sheet = opened.tab.locator("#pair-bbb-aaa-images")
    assert sheet.locator("output").inner_text() == "10,000 rows, the first 100 shown"
    opened.tab.evaluate(TIMED)
    assert sheet.locator("output").inner_text() == "10 of 10,000 rows"
    opened.tab.get_by_label("Filter Images that changed").fill("")
    assert float(opened.column("pair-bbb-aaa-images", 7)[0]) == 0.0, "still sorted by the last column"
    sheet.get_by_role("button", name="Show 400 more").click()
    assert sheet.locator("tbody tr").count() == 500
    opened.quiet()
