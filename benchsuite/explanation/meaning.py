"""What the error of a run means, in words: what was tested, how exact it is, and what it can be compared with."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published, differences
from benchsuite.stats.digits import decimals, percent, places
from benchsuite.stats.metrics import Count

STEPWISE = ("10crop", "multicrop", "fullconv", "multiscale", "tta")
"""Protocols that ``explain`` reaches from ``1crop`` in steps."""

Row = Mapping[str, Any]

Compared = tuple[list[str], list[Published], Row]
"""A published measurement: in what it differs from a run, in words; its figures; the run."""


def ranked(rows: Sequence[Row]) -> list[list[Compared]]:
    """The published measurements of each model under each protocol, the most comparable first.

    Each is compared with the run from which it differs in the fewest things.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        key = (ledger.base(row["architecture"]), row["protocol"].partition(":")[0])
        groups.setdefault(key, []).append(row)
    found = []
    for (model, protocol), measured in groups.items():
        compared = [
            min(((differences(figures[0], row), figures, row) for row in measured), key=lambda one: len(one[0]))
            for figures in _measurements(ledger.matching(model, protocol))
        ]
        found.append(sorted(compared, key=lambda one: len(one[0])))
    return found


def _measurements(figures: Iterable[Published]) -> list[list[Published]]:
    """The figures grouped by measurement, which has a top-1 figure, a top-5 figure, or both."""
    groups: dict[str, list[Published]] = {}
    for figure in figures:
        groups.setdefault(figure.measurement, []).append(figure)
    return list(groups.values())


def against_published(row: Row, k: int = 1) -> list[tuple[Published, tuple[str, ...]]]:
    """The published top-``k`` figures of a run's network, each with what differs in words, the fewest first."""
    model, rule = ledger.base(row["architecture"]), row["protocol"].partition(":")[0]
    error = Fraction(100 * row[f"top{k}_errors"], row["n"])
    found = []
    for figure in ledger.load():
        if figure.k == k and figure.error is not None and figure.protocol and ledger.base(figure.architecture) == model:
            other = [f"other protocol ({figure.protocol})"] if figure.protocol != rule else []
            found.append((figure, (*other, *differences(figure, row))))
    return sorted(found, key=lambda one: (len(one[1]), abs(Fraction(str(one[0].error)) - error)))


def meaning(row: Row) -> str:
    """What the top-1 error of a run means, a row of ``run --json``, and what it can be compared with."""
    digits = places(row["n"])
    low, high = (decimals(Fraction(bound), digits) for bound in row["top1_interval"])
    views = "one view of an image" if row["views"] == 1 else f"{row['views']} views of an image together"
    part = "" if row.get("of") in (None, row["n"]) else f", evenly spaced among {row['of']}"
    tested = f"{row['architecture']}, weights {row['weights']}, by {row['protocol']} ({views})"
    words = [
        f"{tested}, is wrong on {row['top1_errors']} of {row['n']} images of {row['dataset']}{part}",
        f"its error on all images of this kind lies between {low} and {high} % (95 % interval)",
        *_limits(row),
        _comparable(row),
    ]
    return f"What {percent(Count(row['top1_errors'], row['n']))} % means: {'; '.join(words)}."


def _limits(row: Row) -> list[str]:
    """What else the error says less about than a reader may think."""
    words = []
    if row["weights"].startswith("random"):
        words.append("random weights say nothing about a trained network")
    if "vanished" in row:
        words.append("a stronger attack may find more errors")
    return words


def _comparable(row: Row) -> str:
    """Whether the error can be compared with the published figure that is nearest to it."""
    own = "it can be compared with runs on the same images"
    found = [one for group in ranked([row]) for one in group if one[1][0].k == 1][:1]
    if not found:
        return f"{own}; no published figure of this network under this protocol is known"
    ((words, figures, _),) = found
    printed = f"the published {figures[0].error} % of {figures[0].source}"
    return f"{own}, not with {printed}: {', '.join(words)}" if words else f"{own} and with {printed}"


def next_commands(row: Row) -> list[str]:
    """Two commands to try after a run of a network that was trained here, each with what it shows."""
    name, protocol = row["architecture"], row["protocol"].partition(":")[0]
    goal = row["protocol"] if protocol in STEPWISE else "10crop"
    asked = f"{shlex.quote(name)} --from 1crop --to {shlex.quote(goal)}"
    first = f"what changes from 1crop to {goal}, step by step: benchsuite explain {asked}"
    model = ledger.base(name)
    if any(published.error is not None and ledger.base(published.architecture) == model for published in ledger.load()):
        return [first, f"why the published errors of {model} differ: benchsuite explain {model}"]
    return [first, f"all that is known of this run: benchsuite show {shlex.quote(row['path'])}"]
