"""What every result of the API shows: sentences and a table, as text in a terminal and as HTML in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from benchsuite.report.markup import escaped, tag
from benchsuite.report.tables.text import Table
from benchsuite.specs.preprocess import Preprocess, in_words


class Shown(ABC):
    """A result with ``lines``, sentences of which the first is the answer, and ``cells``, a table that may be empty."""

    __slots__ = ()

    @abstractmethod
    def lines(self) -> Sequence[str]:
        """Sentences for people, the answer first."""

    def cells(self) -> Table:
        """The headers and the cells of the table below the answer."""
        return [], []

    def __repr__(self) -> str:
        first, *rest = self.lines()
        return "\n".join([first, *aligned(self.cells()), *rest])

    def _repr_html_(self) -> str:
        first, *rest = self.lines()
        return (
            tag("p", tag("b", escaped(first))) + html_table(self.cells()) + "".join(tag("p", escaped(r)) for r in rest)
        )


def aligned(table: Table) -> list[str]:
    """A table as lines of text, two spaces apart; no line if it has no cells."""
    headers, lines = table
    if not lines:
        return []
    rows = [headers, *lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def html_table(table: Table) -> str:
    """A table as HTML; empty if it has no cells."""
    headers, lines = table
    if not lines:
        return ""
    head = tag("tr", "".join(tag("th", escaped(header)) for header in headers))
    body = "".join(tag("tr", "".join(tag("td", escaped(cell)) for cell in line)) for line in lines)
    return tag("table", tag("thead", head) + tag("tbody", body))


def preprocess_words(preprocess: Mapping[str, Any]) -> str:
    """The preprocessing in a manifest, in words."""
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in preprocess.items()}
    return in_words(Preprocess(**fields))
