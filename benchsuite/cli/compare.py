"""``benchsuite compare``: two runs, several runs against the first, or two groups of runs, on the same images."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from benchsuite.api.shown import columns
from benchsuite.cli.console import add_results, out, print_json, print_table
from benchsuite.errors import BadParameter, expected

if TYPE_CHECKING:
    from benchsuite.explanation.comparison import ClassChange, Comparison, Paired, Side
    from benchsuite.explanation.group_comparison import GroupChange, GroupComparison

AGAINST = "vs"
"""The word between two groups of runs."""

MOST = 10
"""At most this many classes, or values of a group, are printed; ``--json`` has all of them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, in one list or in two groups."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help=f"ids, beginnings of ids, or folders; A B, A B C (each against A), or A B {AGAINST} C D (two groups)",
    )
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the comparison. Raises ``DataError`` for runs that are not of the same images."""
    from benchsuite.api.comparison import ComparedGroups, compare

    parts = _parts(args.runs)
    found = compare(*(parts if len(parts) == 2 else parts[0]), results=args.results)
    if isinstance(found, ComparedGroups):
        if args.json:
            print_json({"groups": found.record})
        else:
            print(*group_text(found.groups), sep="\n")
    elif args.json:
        print_json({"comparisons": found.records})
    elif len(found.pairs) == 1:
        print(*text(found.pairs[0]), sep="\n")
    else:
        _print_several(found.pairs, found.p_holm)
    return 0


def _parts(words: Sequence[str]) -> list[list[str]]:
    """``A B vs C D`` -> two lists; without the word one list of at least two runs."""
    if AGAINST not in words:
        if len(words) < 2:
            raise BadParameter(expected("runs to compare", "two or more", f"{len(words)}: {words[0]}"))
        return [list(words)]
    place = words.index(AGAINST)
    parts = [list(words[:place]), list(words[place + 1 :])]
    if not all(parts) or AGAINST in parts[1]:
        raise BadParameter(expected("two groups of runs", f"written A B {AGAINST} C D", " ".join(words)))
    return parts


def text(result: Comparison) -> Iterator[str]:
    """The lines about two runs: their names, rates, tests, and the classes and groups that changed most."""
    yield from _heads([("before", result.before), ("after", result.after)], result.notes)
    yield from columns([("", "before", "after", "change"), *_rates(result), *_calibration(result.before, result.after)])
    yield from (line for k, pair in ((1, result.top1), (5, result.top5)) for line in test_lines(k, pair))
    agreement = _percent(Fraction(result.agree, result.top1.n), result.top1.n)
    yield f"the same first answer for {result.agree} of {result.top1.n} images ({agreement} %)"
    yield from _changed("classes", "class", result.classes)
    for name, changes in result.groups:
        yield from _changed(f"values of {name}", name, changes)


def _changed(title: str, name: str, changes: Sequence[ClassChange[Any]]) -> Iterator[str]:
    """The classes or the values of a group that changed most; nothing if none changed."""
    from benchsuite.stats.digits import p_value

    if changes:
        yield f"{title} that changed most, of {len(changes)} that changed"
        head = (name, "images", "errors before", "after", "fixed", "broken", "p", "p (Holm)")
        lines = [
            (c.label, c.n, c.errors_before, c.errors_after, c.fixed, c.broken, p_value(c.p), p_value(c.p_holm))
            for c in changes[:MOST]
        ]
        yield from columns([head, *(tuple(map(str, line)) for line in lines)])


def test_lines(k: int, pair: Paired) -> Iterator[str]:
    """The lines about top-k: the images fixed and broken, the p-value, and the smallest detectable change."""
    from benchsuite.stats.digits import p_value

    yield f"top-{k}: {pair.fixed} fixed, {pair.broken} broken, p = {p_value(pair.p)} (McNemar, exact)"
    changed = pair.fixed + pair.broken
    if pair.detectable is None:
        yield f"  {changed} changed images are too few to show anything"
    else:
        least = _percent(Fraction(pair.detectable), pair.n)
        yield f"  with {changed} changed images, {least} is the smallest true change that would be found 4 times in 5"


def _print_several(pairs: Sequence[Comparison], corrected: Sequence[float]) -> None:
    """Prints several runs against the first, one line each."""
    from benchsuite.stats.digits import p_value, with_interval

    first, *prepared = _heads([("against", pairs[0].before), *(("", pair.after) for pair in pairs)], ())
    print(first, *prepared[len(pairs) :], sep="\n")
    print(f"top-1 error % {with_interval(pairs[0].top1.before)}")
    head = ("run", "network", "protocol", "top-1 error %", "change", "fixed", "broken", "p", "p (Holm)", "agreement %")
    lines = [
        (
            pair.after.run_id,
            pair.after.architecture,
            pair.after.protocol,
            with_interval(pair.top1.after),
            _interval(pair.top1, pair.top1.n),
            str(pair.top1.fixed),
            str(pair.top1.broken),
            p_value(pair.top1.p),
            p_value(p),
            _percent(Fraction(pair.agree, pair.top1.n), pair.top1.n),
        )
        for pair, p in zip(pairs, corrected, strict=True)
    ]
    print_table(out(), "", head, lines)
    for note in dict.fromkeys(note for pair in pairs for note in pair.notes):
        print(note)


def group_text(result: GroupComparison) -> Iterator[str]:
    """The lines about two groups of runs: their mean rates, and two tests, one over images and one over runs."""
    from benchsuite.stats.digits import p_value

    groups = (("before", result.before), ("after", result.after))
    yield from _heads([(when, run) for when, runs in groups for run in runs], ())
    yield from result.notes
    lines: list[tuple[str, ...]] = [("", "before", "after", "change")]
    for k, between in ((1, result.top1), (5, result.top5)):
        rates = (_percent(rate, result.n) for rate in (between.before, between.after))
        lines.append((f"mean top-{k} error %", *rates, _interval(between, result.n)))
    yield from columns(lines)
    for k, between in ((1, result.top1), (5, result.top5)):
        ways = f"p = {p_value(between.runs_p)} over runs ({between.ways} ways to form the two groups)"
        yield f"top-{k}: p = {p_value(between.p)} over images (random signs, exact), {ways}"
    shares = [
        ("before", result.agree_before),
        ("after", result.agree_after),
        ("between the groups", result.agree_between),
    ]
    texts = [f"{_percent(Fraction(share), result.n)} % {where}" for where, share in shares if share is not None]
    yield f"the same first answer: {', '.join(texts)}"


def _heads(runs: Iterable[tuple[str, Side]], notes: Sequence[str]) -> Iterator[str]:
    from benchsuite.report.tables.text import image_count, preprocessing_of

    runs = list(runs)
    yield from columns(
        (when, run.run_id, run.architecture, run.weights, run.protocol, run.dataset, image_count(_size(run)))
        for when, run in runs
    )
    yield from preprocessing_of(run for _, run in runs)
    yield from notes


def _size(run: Side) -> dict[str, int]:
    return {"n": run.n, "of": run.of}


def _rates(result: Comparison) -> Iterator[tuple[str, ...]]:
    from benchsuite.stats.digits import with_interval

    for k, pair in ((1, result.top1), (5, result.top5)):
        yield f"top-{k} error %", with_interval(pair.before), with_interval(pair.after), _interval(pair, pair.n)


def _calibration(before: Side, after: Side) -> Iterator[tuple[str, ...]]:
    """Calibration error, log loss and Brier score; for a run without a stored Brier score its bounds are shown.

    Nothing if the predictions of a run are compact.
    """
    from benchsuite.stats.digits import decimals, signed

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


def _interval(result: Paired | GroupChange, n: int) -> str:
    """``-1.40 [-2.70, -0.10]`` in percent points."""
    from benchsuite.stats.digits import places, signed

    low, high = (signed(100 * Fraction(bound), places(n)) for bound in (result.low, result.high))
    return f"{signed(100 * result.change, places(n))} [{low}, {high}]"


def _percent(share: Fraction, n: int) -> str:
    from benchsuite.stats.digits import decimals, places

    return decimals(100 * share, places(n))
