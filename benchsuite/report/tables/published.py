"""The table of one model's published figures: what each is compared with, and the verdict on the difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchsuite.explanation.published_figures import Difference, PublishedFigure, verdict_words
from benchsuite.report.tables.sheet import Cell, Column, Sheet

TITLES = ("network", "protocol", "weights or run", "source")


def explanation(model: str, lines: Sequence[PublishedFigure]) -> Sheet:
    """Each figure, then the figure that it is compared with, the change, the verdict, and what no source states."""
    columns = (
        Column("figure"),
        Column("top-1 error %", True),
        *map(Column, TITLES),
        Column("compared with"),
        Column("change", True),
        Column("what lies between"),
        Column("open"),
        Column("unexplained", True),
    )
    rows = tuple(row for line in lines for row in _rows(line))
    unsure = any(line.row.status != "verified" for line in lines)
    remarks = ("(unverified): no original was seen",) if unsure else ()
    return Sheet(f"printed-{model}", f"Published figures of {model}", columns, rows, remarks)


def _rows(line: PublishedFigure) -> Iterator[tuple[Cell, ...]]:
    """The line of a figure, and a second line for its difference from the same protocol of another source, if any."""
    row = line.row
    size = "/".join(str(part) for part in (row.short_side, row.crop) if part)
    mark = "" if row.status == "verified" else " (unverified)"
    protocol = " ".join(words for words in (row.protocol, row.scales or size) if words)
    texts = (row.id, str(row.error), row.architecture, protocol, row.weights or row.run, row.source + mark)
    yield (*map(Cell, texts), *_difference(line.nearest))
    if line.across is not None:
        yield (*(Cell("") for _ in texts), *_difference(line.across))


def _difference(difference: Difference | None) -> Iterator[Cell]:
    if difference is None:
        yield from (Cell("") for _ in range(5))
        return
    yield Cell(difference.before)
    yield Cell(f"{difference.change:+}")
    yield Cell(_verdict(difference))
    yield Cell(", ".join(factor.name for factor in difference.open))
    yield Cell(f"{difference.unexplained:+}" if difference.unexplained else "")


def _verdict(difference: Difference) -> str:
    """The verdict in words, with the names of several confounded factors; ``benchsuite explain`` shows their values."""
    if difference.verdict != "confounded":
        return verdict_words(difference)
    names = ", ".join(factor.name for factor in difference.factors)
    return f"confounded, {len(difference.factors)} factors at once, no single cause: {names}"
