"""The tables of a grid of trainings, from its CSV and from the trainings next to it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from benchsuite.errors import DataError, StorageError, expected
from benchsuite.report import training_content
from benchsuite.report.tables.sheet import Cell, Column, Sheet, rate, whole
from benchsuite.stats import digits
from benchsuite.stats.metrics import Count
from benchsuite.training.grid import COLUMNS


def grid(path: Path) -> Sheet:
    """A line for each combination: its levels, and the error of its last epoch.

    If a training of the grid exists in ``training/`` next to the CSV's folder, its errors are recounted. Raises
    ``DataError`` if they differ from those in the CSV, and for a file that is not the CSV of a grid.
    """
    factors, rows = _read(path)
    numbers = (Column(title, True) for title in ("epochs run", "test images", "top-1 error %", "95 % interval"))
    columns = (*map(Column, factors), *numbers, Column("training"))
    lines = tuple((*(Cell(row[factor]) for factor in factors), *_cells(row, path)) for row in rows)
    scales = {row["scale"] for row in rows} - {"full", ""}
    remarks = tuple(f"scale {scale}: smaller than the recipe" for scale in sorted(scales))
    return Sheet(path.stem, f"Grid {path.stem}", columns, lines, remarks)


def effects(path: Path) -> Sheet:
    """The effect of each factor when the other factors are equal: a line for each level after the factor's first one.

    A line has the change of the error from the first level to this one, in percentage points, over all combinations of
    the other factors: the mean, the least, the greatest, and the number of pairs of trainings. Left out are failed
    trainings, and combinations in which both levels are the same training. Each pair of trainings counts once.
    """
    factors, rows = _read(path)
    done = [row for row in rows if not row["failed"]]
    lines = []
    for factor in factors:
        others = [name for name in factors if name != factor]
        first, *rest = dict.fromkeys(row[factor] for row in rows)
        at = {(row[factor], *(row[name] for name in others)): row for row in done}
        for level in rest:
            pairs = {}
            for row in done:
                other = at.get((level, *(row[name] for name in others)))
                if row[factor] == first and other is not None and other["run_id"] != row["run_id"]:
                    pairs[row["run_id"], other["run_id"]] = _error(other, path) - _error(row, path)
            if pairs:
                changes = sorted(pairs.values())
                three = (Fraction(sum(changes), len(changes)), changes[0], changes[-1])
                points = (Cell(digits.signed(100 * value, 2), float(value)) for value in three)
                lines.append((Cell(factor), Cell(first), Cell(level), *points, whole(len(changes))))
    numbers = (Column(title, True) for title in ("mean change, points", "least", "greatest", "pairs of trainings"))
    columns = (Column("factor"), Column("from"), Column("to"), *numbers)
    return Sheet(f"{path.stem}-effects", f"What each factor of {path.stem} changes", columns, tuple(lines))


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The names of the factors, and the lines of the file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StorageError(f"Cannot read {path}: {error}") from error
    names = list(rows[0]) if rows else []
    if not set(COLUMNS) <= set(names) or None in names:
        raise DataError(expected("a grid", f"a table with the columns {', '.join(COLUMNS)}", names, str(path)))
    return [name for name in names if name not in COLUMNS], rows


def _error(row: Mapping[str, str], path: Path) -> Fraction:
    count = _count(row, path)
    return Fraction(count.hits, count.total)


def _count(row: Mapping[str, str], path: Path) -> Count:
    """The errors of a line, checked against its training if that exists next to the file."""
    try:
        count = Count(int(row["top1_errors"]), int(row["n"]))
    except ValueError:
        rule, got = "whole numbers of images and errors", dict(row)
        raise DataError(expected("a line of a grid", rule, got, str(path))) from None
    folder = path.parent.parent / "training" / row["run_id"]
    if folder.is_dir():
        counted = training_content.read(folder).row
        if (counted["top1_errors"], counted["n"]) != (count.hits, count.total):
            rule = f"{counted['top1_errors']} of {counted['n']}, as counted from the training"
            raise DataError(
                expected(f"the errors of {row['run_id']}", rule, f"{count.hits} of {count.total}", str(path))
            )
    return count


def _cells(row: Mapping[str, str], path: Path) -> Iterator[Cell]:
    if row["failed"]:
        yield from (Cell("") for _ in range(4))
        yield Cell(row["failed"])
        return
    count = _count(row, path)
    yield Cell(row["epochs_run"])
    yield whole(count.total)
    yield from rate(count)
    yield Cell(row["run_id"].rpartition("-")[2])
