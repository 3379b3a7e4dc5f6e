"""Tests of the buttons that copy tables and plots, in a browser; without a clipboard they save a file."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_reports import nasty, two_runs, written
from opened_pages import Opened
from PIL import Image

from benchsuite.report.content import Report
from benchsuite.report.export import markdown_table
from benchsuite.report.html.short_names import networks, short_names, shortened
from benchsuite.report.tables import runs, trainings

REFUSED = "() => { navigator.clipboard.write = () => Promise.reject(new DOMException('', 'NotAllowedError')); }"
PASTED = """async (type) => {
  const [item] = await navigator.clipboard.read();
  const blob = await item.getType(type);
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.readAsDataURL(blob);
  });
}"""


class Page(Opened):
    """A page whose clipboard can be read, or is refused."""

    def __init__(self, browser: Any, path: Path, *, refused: bool = False, **options: Any) -> None:
        super().__init__(browser, path, permissions=["clipboard-read", "clipboard-write"], **options)
        if refused:
            self.tab.evaluate(REFUSED)

    def pasted(self, kind: str) -> bytes:
        """What is on the clipboard."""
        return base64.b64decode(self.tab.evaluate(PASTED, kind))

    def table(self, name: str) -> str:
        """Copies a table; returns the Markdown."""
        button = self.tab.locator(f"#{name} .copy")
        button.click()
        button.and_(self.tab.get_by_text("Copied", exact=True)).wait_for()
        return self.pasted("text/plain").decode()

    def plot(self, name: str) -> Image.Image:
        """Copies a plot."""
        figure = self.tab.locator(f"figure[data-name={name}]")
        figure.hover()
        button = figure.locator(".copy")
        button.click()
        button.and_(self.tab.get_by_text("Copied", exact=True)).wait_for()
        return Image.open(io.BytesIO(self.pasted("image/png"))).convert("RGB")


def test_a_table_is_copied_as_the_markdown_that_the_report_writes(
    browser: Any, rich_report: tuple[Report, Path]
) -> None:
    report, page = rich_report
    short = shortened(report, short_names(networks(report)))
    opened = Page(browser, page)
    assert opened.table("runs") == markdown_table(runs.runs(short))
    assert opened.table("trainings") == markdown_table(trainings.in_two(trainings.trainings(short.trainings))[0])
    assert opened.table("comparisons") == markdown_table(runs.pairs(short))
    opened.quiet()


def test_a_table_of_nasty_names_is_copied_whole_and_escaped_alike(browser: Any, tmp_path: Path) -> None:
    report = nasty(tmp_path)
    opened = Page(browser, written(tmp_path / "report.html", report))
    opened.open_details()
    pair = report.ladders[0].pairs[0]
    assert len(pair.changed) > 20, "some rows are not in the page yet"
    assert opened.table(f"{pair.name}-images") == markdown_table(runs.images(report, pair))
    opened.quiet()


def test_rows_are_copied_as_they_are_filtered_and_sorted(browser: Any, rich: Path) -> None:
    opened = Page(browser, rich)
    opened.tab.get_by_label("Filter Results").fill("pass")
    opened.tab.locator("#runs").get_by_role("button", name="top‑1 errors").click()
    lines = [[cell.strip() for cell in line.split("|")] for line in opened.table("runs").splitlines() if "|" in line]
    heads, _, *body = lines
    assert [line[heads.index("protocol")].partition(":")[0][-4:] for line in body] == ["pass"] * 4
    errors = [int(line[heads.index("top-1 errors")]) for line in body]
    assert errors == sorted(errors)
    assert len(set(errors)) > 1
    opened.quiet()


PLOTS = ("ladder-aaa-bbb", "training-lbcnn-x-cifar10_jpeg-0123456789a2", "calibration-resnet18-tta-x-ccc")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_copied_as_a_picture_in_its_colours(browser: Any, rich: Path, name: str, scheme: str) -> None:
    opened = Page(browser, rich, color_scheme=scheme)
    picture = opened.plot(name)
    pixels = np.asarray(picture)
    back = [255, 255, 255] if scheme == "light" else [0x15, 0x17, 0x1B]
    assert pixels[0, 0].tolist() == back
    drawn = opened.tab.locator(f"figure[data-name={name}] svg:visible").bounding_box()
    assert picture.width > 1.9 * drawn["width"], "sharp on a dense screen"
    assert (np.abs(pixels.astype(int) - back).max(axis=2) > 60).mean() > 0.01
    captions = np.abs(pixels[:60].astype(int) - back).max(axis=2) > 60
    assert captions.mean() > 0.01, "the question is above the plot"
    if name.startswith("ladder"):
        colours = {tuple(pixel) for pixel in pixels.reshape(-1, 3).tolist()}
        mark = "(m) => getComputedStyle(m).fill.match(/\\d+/g).map(Number)"
        shown = opened.tab.locator(f"figure[data-name={name}] svg:visible .mark").first.evaluate(mark)
        assert tuple(shown) in colours
    opened.quiet()


def test_without_a_clipboard_tables_and_plots_are_saved(browser: Any, tmp_path: Path) -> None:
    report = two_runs(tmp_path)
    opened = Page(browser, written(tmp_path / "report.html", report), refused=True)
    with opened.tab.expect_download() as saved:
        opened.tab.locator("#runs .copy").click()
    assert saved.value.suggested_filename == "runs.md"
    assert Path(saved.value.path()).read_text(encoding="utf-8") == markdown_table(runs.runs(report))
    figure = opened.tab.locator("figure[data-name=changes]")
    figure.hover()
    with opened.tab.expect_download() as saved:
        figure.locator(".copy").click()
    assert saved.value.suggested_filename == "changes.png"
    with Image.open(saved.value.path()) as picture:
        assert picture.format == "PNG"
    assert figure.locator(".copy").inner_text() == "Saved"
    opened.tab.close()
