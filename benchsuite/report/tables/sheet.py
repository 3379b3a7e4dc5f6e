"""Cells, columns and sheets: tables before they are text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from benchsuite.stats import significance
from benchsuite.stats.digits import decimals, percent, places
from benchsuite.stats.metrics import Count


@dataclass(frozen=True, slots=True)
class Cell:
    """The text that a reader sees, the number by which the cell is sorted, and the id on the page that it links to.

    ``protocol`` is the one whose mark stands before the text.
    """

    text: str
    value: float | None = None
    link: str = ""
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title; columns of a ``number`` are aligned to the right."""

    title: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its id on the page, its title, its columns and rows, and ``remarks`` on all rows."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    remarks: tuple[str, ...] = ()


NAMES = tuple(Column(title) for title in ("network", "weights", "protocol", "images"))
IN_REMARK = frozenset(column.title for column in NAMES) | {"numerics"}
"""Columns that are replaced by a remark above the table if they are the same in every row."""


def once(sheet: Sheet) -> Sheet:
    """The table with a remark above it in place of the ``IN_REMARK`` columns that are the same in every row."""
    if len(sheet.rows) < 2:
        return sheet
    named = [i for i, column in enumerate(sheet.columns) if column.title in IN_REMARK]
    same = [i for i in named if len({row[i].text for row in sheet.rows}) == 1]
    if all(sheet.columns[i].number for i in range(len(sheet.columns)) if i not in same):
        same = [i for i in same if sheet.columns[i].title != "protocol"]
    words = [f"{sheet.columns[i].title} {sheet.rows[0][i].text}" for i in same]
    remarks = (*sheet.remarks, *(["Every row: " + "; ".join(words)] if words else []))
    return dataclasses.replace(with_columns(sheet, lambda i: i not in same), remarks=remarks)


def with_columns(sheet: Sheet, keep: Callable[[int], bool]) -> Sheet:
    """The table with those of its columns whose indices are to be kept."""
    kept = [i for i in range(len(sheet.columns)) if keep(i)]
    rows = tuple(tuple(row[i] for i in kept) for row in sheet.rows)
    return dataclasses.replace(sheet, columns=tuple(sheet.columns[i] for i in kept), rows=rows)


def number_columns(*titles: str) -> Iterable[Column]:
    """Columns of numbers with these titles."""
    return (Column(title, True) for title in titles)


def rate(count: Count) -> Iterator[Cell]:
    """An error rate and its interval, in percent."""
    digits = places(count.total)
    low, high = significance.wilson(count)
    yield Cell(percent(count), float(100 * count.ratio))
    texts = (decimals(100 * Fraction(bound), digits) for bound in (low, high))
    yield Cell(f"[{', '.join(texts)}]", 100 * low)


def whole(value: int) -> Cell:
    """A whole number."""
    return Cell(str(value), value)


def number(value: float, digits: int) -> Cell:
    """A number with ``digits`` decimals, or ``nan`` or ``inf`` if it is not finite."""
    return Cell(decimals(Fraction(value), digits) if math.isfinite(value) else str(value), value)
