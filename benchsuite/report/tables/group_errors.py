"""Tables of errors by groups of images, such as corruptions and severities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchsuite.report.tables.sheet import Cell, Column, Sheet, number_columns
from benchsuite.report.tables.text import Table, relative_words
from benchsuite.stats.digits import percent
from benchsuite.stats.groups import GroupCount, together


def group_table(row: Mapping[str, Any]) -> Table:
    """Top-1 errors in percent of a row of ``run --json``: headers and lines; empty for a run without groups.

    A line for each value of the first group and, if there are more groups, a column for each value of the second one.
    The last column has all images of the line, the last line those of the column.
    """
    if "groups" not in row:
        return [], []
    names = row["group_names"]
    counts = [
        GroupCount(tuple(g[name] for name in names), g["n"], g["top1_errors"], g["top5_errors"]) for g in row["groups"]
    ]
    cells, lines = together(counts, range(min(2, len(names)))), together(counts, [0])
    across = together(counts, [1]) if len(names) > 1 else {}
    headers = [names[0], "images", *(f"{names[1]} {key[0]}" for key in across), "top-1 error %"]
    table = [
        [
            key[0],
            str(line.n),
            *(percent(cells[key + other].top1) if key + other in cells else "" for other in across),
            percent(line.top1),
        ]
        for key, line in lines.items()
    ]
    (whole,) = together(counts, []).values()
    return headers, [*table, ["all", str(whole.n), *(percent(c.top1) for c in across.values()), percent(whole.top1)]]


def group_sheets(rows: Iterable[Mapping[str, Any]]) -> Iterator[Sheet]:
    """The same as tables of a report, one for each row that has groups."""
    for row in rows:
        (first, *others), lines = group_table(row) if "groups" in row else ([""], [])
        if lines:
            title = f"{row['architecture']}, {row['weights']}, {row['protocol']} on {row['dataset']}, by {first}"
            relative = [relative_words(row["relative_error"])] if "relative_error" in row else []
            columns = (Column(first), *number_columns(*others))
            cells = tuple((Cell(name), *(_number(text) for text in rest)) for name, *rest in lines)
            yield Sheet(f"groups-{row['run_id']}", title, columns, cells, tuple(relative))


def _number(text: str) -> Cell:
    return Cell(text, float(text) if text else None)
