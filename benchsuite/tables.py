"""Results as flat rows and as tables of text. The only module that formats digits; plain functions, nothing is printed.

Digits: a percentage is rounded once, from the exact ratio of two integers, half away from zero, to 2 decimals or as
many as one image changes (3 from 10,001 images on, since one of 50,000 is 0.002 %).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published, differences
from benchsuite.stats.digits import decimals, percent, places, signed, with_interval
from benchsuite.stats.metrics import Count

Table = tuple[list[str], list[list[str]]]

RESULT = (
    "architecture",
    "weights",
    "protocol",
    "dataset",
    "n",
    "top-1 error %",
    "top-5 error %",
    "views",
    "images/s",
    "decode / wait / forward s",
)
PUBLISHED = (
    "model",
    "variant",
    "weights or run",
    "protocol",
    "dataset",
    "top-1 error %",
    "top-5 error %",
    "source",
    "this run",
)


def images(row: Mapping[str, Any]) -> str:
    """How many images a result counts: ``50000``, or ``500 of 50000`` where it is not the whole split."""
    n, whole = row["n"], row.get("of")
    if whole is None:
        return str(n) if row["limit"] is None else f"{n} (limited)"
    return str(n) if n == whole else f"{n} of {whole}"


def result_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Results side by side: the headers, and one list of cells per row of ``result_row``.

    The error by reassessed labels is a column only where a result has one.
    """
    lines, rows = [], list(rows)
    real = any("real_n" in row for row in rows)
    at = RESULT.index("top-5 error %")
    for row in rows:
        speed, seconds = row["images_per_second"], row["seconds"]
        lines.append(
            [
                row["architecture"],
                row["weights"],
                row["protocol"],
                row["dataset"] if row.get("exact", True) else f"{row['dataset']} ({row['loader']}, not exact)",
                images(row),
                with_interval(Count(row["top1_errors"], row["n"])),
                with_interval(Count(row["top5_errors"], row["n"])),
                str(row["views"]),
                "" if speed is None else decimals(Fraction(speed), 1),
                " / ".join(decimals(Fraction(seconds[part]), 1) for part in ("decode", "wait", "forward")),
            ]
        )
        if real:
            n = row.get("real_n", 0)
            lines[-1].insert(at, with_interval(Count(row["real_errors"], n)) + f" of {n}" if n else "")
    return [*RESULT[:at], *(["ReaL error %"] if real else []), *RESULT[at:]], lines


def published_table(rows: Sequence[Mapping[str, Any]], most: int = 8) -> Table:
    """The printed figures for the same models and protocols, ``most`` of each, the most comparable first.

    The last column is the measured top-1 error and its difference where network, weights, dataset and views are the
    same; else it says in words what differs.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = (ledger.base(row["architecture"]), row["protocol"].partition(":")[0])
        groups.setdefault(key, []).append(row)
    lines: list[list[str]] = []
    for (model, protocol), measured in groups.items():
        ranked = []
        for figures in _measurements(ledger.matching(model, protocol)):
            words, row = min(((differences(figures[0], row), row) for row in measured), key=lambda pair: len(pair[0]))
            ranked.append((len(words), _published_line(figures, words, row)))
        ranked.sort(key=lambda pair: pair[0])
        lines += [line for _, line in ranked[:most]]
        if len(ranked) > most:
            rest = f"and {len(ranked) - most} more: benchsuite list published --model {model}"
            lines.append([rest, *[""] * (len(PUBLISHED) - 1)])
    return list(PUBLISHED), lines


def _measurements(found: Iterable[Published]) -> list[list[Published]]:
    """The top-1 and the top-5 figure of each measurement together."""
    groups: dict[str, list[Published]] = {}
    for figure in found:
        groups.setdefault(figure.measurement, []).append(figure)
    return list(groups.values())


def _published_line(figures: Sequence[Published], words: Sequence[str], row: Mapping[str, Any]) -> list[str]:
    first = figures[0]
    size = "/".join(str(part) for part in (first.short_side, first.crop) if part)
    errors = {figure.k: figure.error for figure in figures}
    return [
        first.model,
        first.variant,
        first.weights or first.run,
        " ".join(part for part in (first.protocol_text, size) if part),
        first.dataset,
        *("" if errors.get(k) is None else str(errors[k]) for k in (1, 5)),
        first.source + ("" if first.status == "verified" else " (unverified)"),
        "; ".join(words) or _compared(errors.get(1), row),
    ]


def _compared(published: Decimal | None, row: Mapping[str, Any]) -> str:
    count = Count(row["top1_errors"], row["n"])
    if published is None:
        return percent(count)
    return f"{percent(count)} ({signed(100 * count.ratio - Fraction(published), places(count.total))})"
