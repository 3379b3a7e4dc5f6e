"""Text that is no wider than a terminal: sentences and tables whose words wrap, and commands that can be copied."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchsuite.report.tables.text import Table

GAP = 2
"""Spaces between two columns."""

LEAST = 20
"""A column of words is not made narrower than its longest word, or than this if that word is longer."""

FEW = 30
"""Up to this many rows, the widths are chosen so that a table has few lines."""

COMMAND = "benchsuite "
"""Lines that begin with this word are commands."""


def wrapped(line: str, width: int, hanging: str = "  ") -> list[str]:
    """A line as lines of at most ``width`` characters; those after the first are indented by ``hanging`` more.

    A command stands on lines of its own, continued by ``\\`` at their ends, so that a shell reads it as one.
    """
    indent = line[: len(line) - len(line.lstrip())]
    words, colon, rest = line.partition(f": {COMMAND}")
    if colon and len(line) > width:
        return [*wrapped(f"{words}:", width, hanging), *wrapped(f"{indent}{hanging}{COMMAND}{rest}", width, hanging)]
    command = line.lstrip().startswith(COMMAND) and len(line) > width
    lines = textwrap.wrap(
        line.strip(),
        max(width - 2 * command, 20),
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_on_hyphens=False,
        break_long_words=not command,
    )
    return [text + " \\" for text in lines[:-1]] + lines[-1:] if command else lines or [""]


def fitted(table: Table, width: int, *, numbers: bool = False, rule: str = "─") -> Iterator[str]:
    """A table as lines of at most ``width`` characters: headers, a line of ``rule``, and rows whose cells may wrap.

    With ``numbers`` the first column names the rows and is never wrapped; the others are right-aligned. A table that is
    too wide even if all its cells wrap is written as one paragraph for each row. Nothing for a table without rows.
    """
    headers, rows = table
    if not rows:
        return
    natural = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    words = [[word for cell in column for word in cell.split()] for column in zip(*rows, strict=True)]
    least = [
        wide if numbers and not place else min(wide, max(min(max(map(len, long), default=0), LEAST), _longest(head)))
        for place, (wide, head, long) in enumerate(zip(natural, headers, words, strict=True))
    ]
    widths = _shared([headers, *rows], natural, least, width - GAP * (len(headers) - 1))
    if widths is None:
        yield from _paragraphs(headers, rows, width)
        return
    if any(headers):
        yield from _row(headers, widths, numbers=numbers)
        yield rule * (sum(widths) + GAP * (len(widths) - 1))
    for row in rows:
        yield from _row(row, widths, numbers=numbers)


def cut(table: Table, width: int, *, rule: str = "─") -> Iterator[str]:
    """A table with one line for each row, which ends with ``…`` where it would be wider than ``width`` characters."""
    headers, rows = table
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for number, row in enumerate([headers, *rows]):
        text = (" " * GAP).join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip()
        yield text if len(text) <= width else f"{text[: width - 1]}…"
        if not number:
            yield rule * min(sum(widths) + GAP * (len(widths) - 1), width)


def _longest(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _shared(
    cells: Sequence[Sequence[str]], natural: Sequence[int], least: Sequence[int], room: int
) -> list[int] | None:
    """The widths of columns in ``room`` characters: made narrower where that adds the fewest lines, else the widest.

    None if they do not fit.
    """
    if sum(least) > room:
        return None
    widths = list(natural)

    @functools.cache
    def lines(place: int, wide: int) -> list[int]:
        return [len(_wrapped(row[place], wide)) for row in cells]

    def height(changed: int) -> int:
        sizes = [lines(place, wide - (place == changed)) for place, wide in enumerate(widths)]
        return sum(map(max, zip(*sizes, strict=True)))

    while sum(widths) > room:
        wide = [place for place, width in enumerate(widths) if width > least[place]]
        chosen = min(wide, key=lambda place: (height(place) if len(cells) <= FEW else 0, -widths[place]))
        widths[chosen] -= 1
    return widths


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width or 1, break_on_hyphens=False) or [""]


def _row(cells: Sequence[str], widths: Sequence[int], *, numbers: bool) -> Iterator[str]:
    parts = [_wrapped(cell, wide) for cell, wide in zip(cells, widths, strict=True)]
    for number in range(max(map(len, parts))):
        line = [part[number] if number < len(part) else "" for part in parts]
        places = enumerate(zip(line, widths, strict=True))
        aligned = (text.rjust(wide) if numbers and place else text.ljust(wide) for place, (text, wide) in places)
        yield (" " * GAP).join(aligned).rstrip()


def _paragraphs(headers: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    for row in rows:
        cells = [f"{head}: {cell}" if head else cell for head, cell in zip(headers, row, strict=True) if cell]
        for place, text in enumerate(cells):
            yield from wrapped(f"  {text}" if place else text, width)
