"""Trainings as tables of text; the digits are made in ``tables``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from benchsuite.stats.digits import decimals, percent, with_interval
from benchsuite.stats.metrics import Count
from benchsuite.tables import Table

Row = Mapping[str, Any]


def training_table(rows: Sequence[Row]) -> Table:
    """A line for each training: the last epoch, the best on held-out images, and what its source would print."""
    headers = ["architecture", "recipe", "dataset", "epochs", "n", "last epoch, error %", "best held-out, error %"]
    headers += ["counted as the source", "source says", "images/s", "minutes"]
    lines = []
    for row in rows:
        best, source = row["best_heldout"], row["as_source"]
        lines.append(
            [
                row["architecture"],
                row["recipe"],
                row["dataset"],
                str(row["epochs"]),
                str(row["n"]),
                with_interval(Count(row["top1_errors"], row["n"])),
                "-"
                if best is None
                else f"{percent(Count(best['test_errors'], best['test_n']))} (epoch {best['epoch']})",
                "-" if source is None else f"{_digits(source['top1_error'])} (epoch {source['epoch']})",
                row["expected"],
                "-" if row["images_per_second"] is None else _digits(row["images_per_second"], 1),
                _digits(sum(row["seconds"].values()) / 60, 1),
            ]
        )
    return headers, lines


def grid_table(rows: Sequence[Row]) -> Table:
    """A line for each combination: the level of each factor, and the error of the last epoch."""
    factors = list(rows[0]["levels"]) if rows else []
    lines = []
    for row in rows:
        cells = [row["levels"][factor] for factor in factors]
        if row["failed"]:
            lines.append([*cells, "-", "-", "-", row["failed"]])
            continue
        seconds = _digits(sum(row["seconds"].values()) / 60, 1)
        error = with_interval(Count(row["top1_errors"], row["n"]))
        lines.append([*cells, str(row["epochs"]), error, seconds, row["run_id"]])
    return [*factors, "epochs run", "error %", "minutes", "training"], lines


def _digits(value: float, places: int = 2) -> str:
    return decimals(Fraction(value), places)
