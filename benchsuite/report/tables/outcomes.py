"""What ``run`` prints of finished runs: the answer, a table of what differs between them, and sentences below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchsuite.explanation import ledger
from benchsuite.explanation.meaning import meaning, next_commands, ranked
from benchsuite.report.tables.text import (
    Table,
    dataset_words,
    image_count,
    measured_words,
    preprocessing_lines,
    remarks,
    result_table,
)
from benchsuite.runs.auto_precision import describe_decision
from benchsuite.specs.recipe import TRAINED_HERE
from benchsuite.stats.digits import percent, with_interval
from benchsuite.stats.metrics import Count

Rows = Sequence[Mapping[str, Any]]

SHARED = ("architecture", "weights", "dataset", "n")
"""Columns that are in the table of several runs only if these differ there."""

DETAILS = ("images/s", "decode / wait / forward s")
"""Columns that are shown only if everything is."""


def answer(rows: Rows) -> str:
    """The error of a run with its interval; of several runs the fewest and the most errors."""
    if not rows:
        return "0 runs"
    if len(rows) == 1:
        (row,) = rows
        return f"{_tested(row)}: top-1 error {with_interval(Count(row['top1_errors'], row['n']))} %"
    best, worst = min(rows, key=_error), max(rows, key=_error)
    changing = [name for name in ("architecture", "weights", "protocol", "dataset") if len({r[name] for r in rows}) > 1]
    ends = [f"{percent(Count(row['top1_errors'], row['n']))} % ({_named(row, changing)})" for row in (best, worst)]
    same = ", ".join(_same(rows))
    return f"{len(rows)} runs{f' of {same}' if same else ''}: top-1 error {ends[0]} to {ends[1]}"


def outcome_table(rows: Rows) -> Table:
    """The table of several runs: protocol, errors and views, and of the other columns those that differ."""
    headers, lines = result_table(rows)
    if len(rows) < 2:
        return headers, []
    same = {name for name in SHARED if len({line[headers.index(name)] for line in lines}) == 1}
    at = [place for place, name in enumerate(headers) if name not in same and name not in DETAILS]
    return [headers[place] for place in at], [[line[place] for place in at] for line in lines]


def outcome_lines(rows: Rows, *, explained: bool, every: bool) -> list[str]:
    """The sentences below the answer and the table.

    With ``explained`` what each error means and, for networks that were trained here, commands to try next. With
    ``every`` the published figures are not named here, as a table of them follows.
    """
    lines, several = list[str](), len(rows) > 1
    if not several:
        lines += [_counts(row) for row in rows]
    if explained:
        lines += map(meaning, rows)
    elif not every:
        lines += _published(rows)
    lines += preprocessing_lines(rows)
    lines += [f"{f'{_named(row, NAMES)}: ' if several else ''}{'; '.join(remarks(row))}" for row in rows]
    lines += dict.fromkeys(
        f"{row['architecture']}: {describe_decision(found)}" for row in rows for found in row.get("precision_check", ())
    )
    if not every:
        grouped = dict.fromkeys(" and ".join(row["group_names"]) for row in rows if "groups" in row)
        hidden = ["speed", "published figures", *(f"errors by {names}" for names in grouped)]
        lines.append(f"{', '.join(hidden)}: --all")
    single = [
        row for row in rows if row["weights"].startswith(TRAINED_HERE) and not row["protocol"].startswith("ensemble")
    ]
    if explained and single:
        lines += ["To try next:", *next_commands(single[-1])]
    return lines


NAMES = ("architecture", "protocol")
"""What names a run among several."""


def _error(row: Mapping[str, Any]) -> float:
    return float(row["top1_error"])


def _tested(row: Mapping[str, Any]) -> str:
    return f"{row['architecture']}, weights {row['weights']}, {row['protocol']} on {dataset_words(row)}"


def _named(row: Mapping[str, Any], fields: Sequence[str]) -> str:
    return " ".join(str(row[name]) for name in fields) or row["run_id"]


def _same(rows: Rows) -> Iterator[str]:
    """What all of several runs have in common, in words."""
    first = rows[0]
    for name, words in (("architecture", "{}"), ("weights", "weights {}")):
        if len({row[name] for row in rows}) == 1:
            yield words.format(first[name])
    if len({(dataset_words(row), image_count(row)) for row in rows}) == 1:
        yield f"{image_count(first)} images of {dataset_words(first)}"


def _counts(row: Mapping[str, Any]) -> str:
    top5 = with_interval(Count(row["top5_errors"], row["n"]))
    words = [f"{row['top1_errors']} wrong, of {image_count(row)} images; top-5 error {top5} %"]
    if row.get("real_n"):
        real = with_interval(Count(row["real_errors"], row["real_n"]))
        words.append(f"ReaL error {real} % of {row['real_n']}")
    views = "1 view" if row["views"] == 1 else f"{row['views']} views"
    return "; ".join([*words, views])


def _published(rows: Rows) -> Iterator[str]:
    """The nearest published figure for each model and protocol, and whether it can be compared."""
    for compared in ranked(rows):
        if compared:
            words, figures, row = compared[0]
            printed = f"published for {ledger.base(row['architecture'])} {row['protocol'].partition(':')[0]}"
            where = f"{figures[0].error} % top-{figures[0].k} error ({figures[0].source})"
            how = f"not comparable: {', '.join(words)}" if words else f"measured here {measured_words(figures, row)}"
            yield f"{printed}: {where}, {how}"
