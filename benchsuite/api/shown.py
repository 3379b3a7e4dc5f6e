"""What every result of the API shows: sentences and a table, as text in a terminal and as HTML in a notebook."""

from __future__ import annotations

import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchsuite.report.tables.text import Table

SCROLLED = "overflow-x:auto"
"""Style of what may be wider than a cell of a notebook: it scrolls there, and does not widen the page."""

LEFT = "text-align:left"
"""Style of cells, which Jupyter aligns to the right: most of them are words."""

WRAPPED = "white-space:pre-wrap;font-family:monospace"
"""Style of lines of text that keep their spaces, and are wrapped where a cell is too narrow for them."""


STYLE = (
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;vertical-align:top}</style>"
)
"""The style of a page of its own."""


class Shown(ABC):
    """A result with ``lines``, sentences of which the first is the answer, and ``cells``, a table that may be empty."""

    __slots__ = ()

    @abstractmethod
    def lines(self) -> Sequence[str]:
        """Sentences for people, the answer first."""

    def cells(self) -> Table:
        """The headers and the cells of the table below the answer."""
        return [], []

    def below(self) -> Sequence[Shown]:
        """What is shown below the sentences in the same way, such as a second table."""
        return []

    @property
    def markdown(self) -> str:
        """The answer, the table, and what is below them, as Markdown."""
        from benchsuite.report.export import markdown_table, plain
        from benchsuite.report.tables.sheet import Cell, Column, Sheet

        (first, *rest), (headers, rows) = self.lines(), self.cells()
        sheet = Sheet("", "", tuple(map(Column, headers)), tuple(tuple(map(Cell, row)) for row in rows))
        parts = [f"**{plain(first)}**", *([markdown_table(sheet)] if rows else []), *map(plain, rest)]
        return "\n\n".join([*parts, *(part.markdown for part in self.below())])

    def write_html(self, path: Path) -> None:
        """Writes the same as one page that opens from disk. Raises ``StorageError``."""
        from benchsuite.report.markup import escaped
        from benchsuite.storage.files import writing

        title = escaped(self.lines()[0])
        head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        text = f'<!doctype html>\n<html lang="en"><head>{head}{STYLE}</head><body>{self._repr_html_()}</body></html>\n'
        with writing(path) as part:
            part.write_text(text, encoding="utf-8")

    def __repr__(self) -> str:
        first, *rest = self.lines()
        return "\n".join([first, *aligned(self.cells()), *rest, *map(repr, self.below())])

    def _repr_html_(self) -> str:
        from benchsuite.report.markup import escaped, tag

        first, *rest = self.lines()
        sentences = tag("p", "<br>".join(map(escaped, rest))) if rest else ""
        parts = [tag("p", tag("b", escaped(first))), html_table(self.cells()), sentences]
        return "".join([*parts, *(part._repr_html_() for part in self.below())])


@dataclass(frozen=True, slots=True, repr=False)
class Section(Shown):
    """A table with a title and ``notes``, to be shown below a result."""

    title: str
    table: Table = ([], [])
    notes: tuple[str, ...] = ()

    def lines(self) -> Sequence[str]:
        """The title, and notes below the table."""
        return [self.title, *self.notes]

    def cells(self) -> Table:
        """The table."""
        return self.table


def aligned(table: Table) -> list[str]:
    """A table as lines of text, see ``columns``; no line if it has no cells, and none for headers that are empty."""
    headers, lines = table
    return columns([headers, *lines] if lines and any(headers) else lines)


def columns(lines: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Cells as aligned lines of text, two spaces apart, cut at the width of the terminal if there is one."""
    cells = [list(line) for line in lines]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    aligned = []
    for line in cells:
        text = indent + "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        aligned.append(text if width is None or len(text) <= width else text[: width - 1] + "…")
    return aligned


def html_table(table: Table) -> str:
    """A table as HTML; empty if it has no cells."""
    from benchsuite.report.markup import escaped, tag

    headers, lines = table
    if not lines:
        return ""
    head = tag("thead", tag("tr", "".join(tag("th", escaped(h), style=LEFT) for h in headers))) if any(headers) else ""
    body = "".join(tag("tr", "".join(tag("td", escaped(cell), style=LEFT) for cell in line)) for line in lines)
    return tag("div", tag("table", head + tag("tbody", body)), style=SCROLLED)
