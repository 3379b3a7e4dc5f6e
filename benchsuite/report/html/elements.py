"""Plots and tables as HTML: what the sections of a page are made of."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from benchsuite.report.markup import breakable, embedded, escaped, tag
from benchsuite.report.plots import palette as palettes
from benchsuite.report.plots import svg
from benchsuite.report.plots.axes import minus
from benchsuite.report.plots.palette import Palette
from benchsuite.report.plots.shapes import Figure
from benchsuite.report.tables.sheet import Cell, Sheet
from benchsuite.report.tables.text import PREPARED

ROWS, NESTED_ROWS = 100, 20
"""Rows of a table that are shown without the page's script: in the large tables, and in those inside details."""

WIDE, HALF, NARROW, SMALL = 1040, 560, 340, 200
"""Widths of plots in pixels: alone, two next to each other, on a narrow screen, and of calibration."""


def unbroken(text: str) -> str:
    """The text escaped, with a non-breaking hyphen in ``top-1`` and a non-breaking space before a percent sign."""
    return escaped(re.sub(r"\btop-(?=[15]\b)", "top\u2011", text).replace(" %", "\u00a0%"))


def heading(level: int, words: str, anchor: str) -> str:
    """A heading that links to itself. An ``h3`` has the id ``anchor``; of an ``h2``, the section around it has it."""
    link = tag("a", escaped(words), href=f"#{anchor}")
    return tag(f"h{level}", link, id=anchor if level > 2 else "")


def folded(anchor: str, words: str, body: str, *, what: str) -> str:
    """A closed ``<details>`` with the id ``anchor``, and beside it a link to it; ``what`` is its name."""
    details = tag("details", tag("summary", escaped(words)) + tag("div", body), id=anchor)
    link = tag("a", "#", href=f"#{anchor}", cls="anchor", **{"aria-label": f"Link to {what}"})
    return tag("div", details + link, cls="folded")


def plots(figures: Iterable[Figure], wide: float, cls: str, palette: Palette) -> str:
    """Plots in one ``<div>`` of the class ``cls``, below their question if they share it; nothing if there are none."""
    every = list(figures)
    shared = len(every) > 1 and len({figure.question for figure in every}) == 1
    drawn = "".join(plot(figure, wide, palette, asked=shared) for figure in every)
    question = tag("p", unbroken(every[0].question), cls="question") if shared else ""
    return question + tag("div", drawn, cls=cls) if every else ""


def plot(figure: Figure, wide: float, palette: Palette, *, asked: bool = False) -> str:
    """A plot under its question and title, drawn for wide screens and for narrow ones; CSS shows one of them.

    With ``asked``, the question is above a group of plots.
    """
    question = "" if asked else tag("b", unbroken(figure.question), cls="question") + " "
    caption = tag("figcaption", question + tag("span", unbroken(minus(figure.title)), cls="title"))
    draw = partial(svg.draw, figure, palette=palette)
    if wide <= NARROW:
        return tag("figure", caption + draw(wide), **{"data-name": figure.name})
    drawn = (tag("div", draw(w), cls=c) for w, c in ((wide, "wide"), (NARROW, "narrow")))
    return tag("figure", caption + "".join(drawn), **{"data-name": figure.name})


def sheet(table: Sheet, palette: Palette, first: int = ROWS) -> str:
    """A table. Rows beyond the first ``first`` are JSON, which the page's script shows on request."""
    numeric = [column.number for column in table.columns]
    head = "".join(tag("th", unbroken(c.title), scope="col", cls="n" if c.number else "") for c in table.columns)
    rows = "\n".join(
        tag("tr", "".join(_cell(cell, n, palette) for cell, n in zip(row, numeric, strict=True)))
        for row in table.rows[:first]
    )
    drawn = tag("table", tag("thead", tag("tr", head)) + tag("tbody", rows), **{"aria-label": table.title})
    area = tag("div", drawn, cls="scroll", role="region", tabindex="0", **{"aria-label": table.title})
    remarks = "".join(_remarks(table.remarks))
    more = [[_data(cell, n, palette) for cell, n in zip(row, numeric, strict=True)] for row in table.rows[first:]]
    data = f'<script type="application/json">{embedded(more)}</script>' if more else ""
    return tag("div", remarks + area + data, cls="sheet", id=table.name)


def _remarks(remarks: Sequence[str]) -> Iterator[str]:
    """The remarks in order; those on how images were prepared are folded, as they can be long."""
    for prepared, group in itertools.groupby(remarks, lambda words: words.startswith(PREPARED)):
        lines = "".join(tag("p", unbroken(words), cls="remark") for words in group)
        summary = tag("summary", "How the images were prepared")
        yield tag("details", summary + tag("div", lines), cls="prepared") if prepared else lines


def _cell(cell: Cell, number: bool, palette: Palette) -> str:
    text = minus(cell.text) if number else cell.text
    words = escaped(text) if number else breakable(text)
    content = tag("a", words, href=f"#{cell.link}") if cell.link else words
    style = _swatch(cell, palette)
    content = (tag("span", cls=style) if style else "") + content
    return tag("td", content, cls="n" if number else "", **{"data-v": _value(cell)})


def _swatch(cell: Cell, palette: Palette) -> str:
    """The classes of the mark of the cell's protocol; none if it has no mark."""
    style = palette.get(palettes.name(cell.protocol)) if cell.protocol else None
    return f"swatch {style.cls}" if style is not None else ""


def _data(cell: Cell, number: bool, palette: Palette) -> str | list[object]:
    text, style = minus(cell.text) if number else cell.text, _swatch(cell, palette)
    if style:
        return [text, cell.value, cell.link, style]
    if cell.link:
        return [text, cell.value, cell.link]
    return [text, cell.value] if _value(cell) else text


def _value(cell: Cell) -> str:
    """The number behind a cell; empty if there is none, or if the cell's text shows the same number."""
    if cell.value is None:
        return ""
    try:
        return "" if float(cell.text) == round(cell.value, len(cell.text.partition(".")[2])) else f"{cell.value:.6g}"
    except ValueError:
        return f"{cell.value:.6g}"
