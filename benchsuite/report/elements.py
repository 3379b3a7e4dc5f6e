"""Plots and tables as HTML: what the sections of a page are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable

from benchsuite.report.markup import breakable, embedded, escaped, tag
from benchsuite.report.plots import svg
from benchsuite.report.plots.axes import minus
from benchsuite.report.plots.shapes import Figure
from benchsuite.report.tables.sheet import Cell, Sheet

ROWS, NESTED_ROWS = 100, 20
"""Rows of a table that are shown without the page's script: in the large tables, and in those inside details."""

WIDE, HALF, NARROW, SMALL = 1040, 560, 340, 200
"""Widths of plots in pixels: alone, two next to each other, on a narrow screen, and of calibration."""


def unbroken(text: str) -> str:
    """The text escaped, with a non-breaking hyphen in ``top-1`` and a non-breaking space before a percent sign."""
    return escaped(re.sub(r"\btop-(?=[15]\b)", "top\u2011", text).replace(" %", "\u00a0%"))


def plots(figures: Iterable[Figure], wide: float, cls: str) -> str:
    """Plots in one ``<div>`` of the class ``cls``; nothing if there are none."""
    every = "".join(plot(figure, wide) for figure in figures)
    return tag("div", every, cls=cls) if every else ""


def plot(figure: Figure, wide: float) -> str:
    """A plot under its title, drawn for wide screens and for narrow ones; CSS shows one of them."""
    caption = tag("figcaption", unbroken(minus(figure.title)))
    if wide <= NARROW:
        return tag("figure", caption + svg.draw(figure, wide))
    drawn = (tag("div", svg.draw(figure, w), cls=c) for w, c in ((wide, "wide"), (NARROW, "narrow")))
    return tag("figure", caption + "".join(drawn))


def sheet(table: Sheet, first: int = ROWS) -> str:
    """A table. Rows beyond the first ``first`` are JSON, which the page's script shows on request."""
    numeric = [column.number for column in table.columns]
    head = "".join(tag("th", unbroken(c.title), scope="col", cls="n" if c.number else "") for c in table.columns)
    rows = "\n".join(tag("tr", "".join(map(_cell, row, numeric))) for row in table.rows[:first])
    drawn = tag("table", tag("thead", tag("tr", head)) + tag("tbody", rows), **{"aria-label": table.title})
    area = tag("div", drawn, cls="scroll", role="region", tabindex="0", **{"aria-label": table.title})
    remarks = "".join(tag("p", unbroken(words), cls="remark") for words in table.remarks)
    more = [[_data(cell, n) for cell, n in zip(row, numeric, strict=True)] for row in table.rows[first:]]
    data = f'<script type="application/json">{embedded(more)}</script>' if more else ""
    return tag("div", remarks + area + data, cls="sheet", id=table.name)


def _cell(cell: Cell, number: bool) -> str:
    text = minus(cell.text) if number else cell.text
    words = escaped(text) if number else breakable(text)
    content = tag("a", words, href=f"#{cell.link}") if cell.link else words
    return tag("td", content, cls="n" if number else "", **{"data-v": _value(cell)})


def _data(cell: Cell, number: bool) -> str | list[object]:
    text = minus(cell.text) if number else cell.text
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
