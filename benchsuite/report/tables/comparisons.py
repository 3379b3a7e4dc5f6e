"""Two runs, several runs or two groups of runs on the same images, in words and as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from benchsuite.explanation.comparison import ClassChange, Comparison, Paired, Side
from benchsuite.explanation.group_comparison import GroupChange, GroupComparison
from benchsuite.report.tables.text import Table, image_count
from benchsuite.stats.digits import decimals, p_value, places, signed, with_interval

MOST = 10
"""At most this many classes, or values of a group, are shown; ``--json`` has all of them."""

LEVEL = 0.05
"""A change with a smaller p-value is called more than chance."""


def pair_words(pair: Comparison) -> str:
    """Which of two runs makes fewer errors, and whether that can be chance, in one sentence."""
    top1 = pair.top1
    fewer, n = top1.fixed - top1.broken, top1.n
    count = f"{abs(fewer)} {'fewer' if fewer > 0 else 'more'} top-1 errors than" if fewer else "as many top-1 errors as"
    chance = "more than chance" if top1.p < LEVEL else "which can be chance"
    test = f"{top1.fixed} fixed, {top1.broken} broken, p = {p_value(top1.p)} (McNemar, exact)"
    sides = f"{named(pair.after)} makes {count} {named(pair.before)} on {n} images"
    return f"{sides}: {change_words(top1, n)} points, {chance}; {test}"


def several_words(pairs: Sequence[Comparison], corrected: Sequence[float]) -> list[str]:
    """How many of several runs make fewer or more errors than the first, beyond chance."""
    beyond = [pair.top1.fixed - pair.top1.broken for pair, p in zip(pairs, corrected, strict=True) if p < LEVEL]
    fewer, more = sum(change > 0 for change in beyond), sum(change < 0 for change in beyond)
    words = f"{fewer} with fewer top-1 errors, {more} with more, {len(pairs) - fewer - more} within chance"
    return [f"{len(pairs)} runs against {named(pairs[0].before)}: {words} (McNemar, exact; Holm)"]


def named(side: Side) -> str:
    """A run by its network, its protocol and the last part of its id."""
    return f"{side.architecture} {side.protocol} [{side.run_id.rpartition('-')[2]}]"


def pair_table(pair: Comparison) -> Table:
    """The error rates with their change, the calibration, and in what the two runs differ."""
    rates = [
        [f"top-{k} error %", with_interval(p.before), with_interval(p.after), change_words(p, p.n)]
        for k, p in ((1, pair.top1), (5, pair.top5))
    ]
    own = [[name, *values, ""] for name, values in _sides(pair).items() if len(set(values)) == 2]
    return ["", "before", "after", "change"], [*rates, *map(list, _calibration(pair.before, pair.after)), *own]


def both_words(pair: Comparison) -> str:
    """In what the two runs are the same, in a line."""
    return f"in both: {', '.join(f'{k} {a}' for k, (a, b) in _sides(pair).items() if a == b)}"


def _sides(pair: Comparison) -> dict[str, tuple[str, str]]:
    a, b = pair.before, pair.after
    sizes = [f"{side.dataset}, {image_count({'n': side.n, 'of': side.of})}" for side in (a, b)]
    names = {name: (getattr(a, name), getattr(b, name)) for name in ("protocol", "weights")}
    return {
        "run": (a.run_id, b.run_id),
        "network": (a.architecture, b.architecture),
        **names,
        "images": (sizes[0], sizes[1]),
    }


def class_table(name: str, changes: Sequence[ClassChange[Any]]) -> Table:
    """The classes, or the values of a group, that changed most."""
    head = [name, "images", "errors before", "after", "fixed", "broken", "p", "p (Holm)"]
    lines = [
        (c.label, c.n, c.errors_before, c.errors_after, c.fixed, c.broken, p_value(c.p), p_value(c.p_holm))
        for c in changes[:MOST]
    ]
    return head, [[*map(str, line)] for line in lines]


def test_lines(k: int, pair: Paired) -> Iterator[str]:
    """The lines about top-k: the images fixed and broken, the p-value, and the smallest detectable change."""
    yield f"top-{k}: {pair.fixed} fixed, {pair.broken} broken, p = {p_value(pair.p)} (McNemar, exact)"
    changed = pair.fixed + pair.broken
    if pair.detectable is None:
        yield f"  {'1 changed image is' if changed == 1 else f'{changed} changed images are'} too few to show anything"
    else:
        least = share_words(Fraction(pair.detectable), pair.n)
        yield f"  with {changed} changed images, {least} is the smallest true change that would be found 4 times in 5"


def group_table(result: GroupComparison) -> Table:
    """The mean error rates of two groups of runs, and their change."""
    rows = []
    for k, between in ((1, result.top1), (5, result.top5)):
        rates = (share_words(rate, result.n) for rate in (between.before, between.after))
        rows.append([f"mean top-{k} error %", *rates, change_words(between, result.n)])
    return ["", "before", "after", "change"], rows


def group_tests(result: GroupComparison) -> Iterator[str]:
    """The tests of two groups of runs, one over images and one over runs."""
    for k, between in ((1, result.top1), (5, result.top5)):
        ways = f"p = {p_value(between.runs_p)} over runs ({between.ways} ways to form the two groups)"
        yield f"top-{k}: p = {p_value(between.p)} over images (random signs, exact), {ways}"


def change_words(result: Paired | GroupChange, n: int) -> str:
    """``-1.40 [-2.70, -0.10]`` in percent points."""
    low, high = (signed(100 * Fraction(bound), places(n)) for bound in (result.low, result.high))
    return f"{signed(100 * result.change, places(n))} [{low}, {high}]"


def share_words(share: Fraction, n: int) -> str:
    """A share of n images in percent."""
    return decimals(100 * share, places(n))


def _calibration(before: Side, after: Side) -> Iterator[tuple[str, ...]]:
    """Calibration error, log loss and Brier score; for a run without a stored Brier score its bounds are shown.

    Nothing if the predictions of a run are compact.
    """
    a, b = before.calibration, after.calibration
    if a is None or b is None:
        return
    for name, x, y in (("ECE %", 100 * a.ece, 100 * b.ece), ("NLL", a.nll, b.nll), ("Brier", a.brier, b.brier)):
        if x is not None and y is not None:
            digits = 2 if "%" in name else 4
            yield name, *(decimals(Fraction(v), digits) for v in (x, y)), signed(Fraction(y) - Fraction(x), digits)
        else:
            bounds = [[decimals(Fraction(v), 4) for v in (c.brier_low, c.brier_high)] for c in (a, b)]
            yield name, *(" to ".join(dict.fromkeys(pair)) for pair in bounds), "not stored by both"
