"""The summary at the top of a report: what was measured, the error rates, and which changes are beyond chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from benchsuite.explanation.frequency import summary as frequency
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
from benchsuite.report.content import Entry, LadderContent, Pair, Report
from benchsuite.report.tables import runs
from benchsuite.report.tables.text import image_count
from benchsuite.report.training_content import TrainingContent
from benchsuite.stats.digits import p_value, places, signed, with_interval
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import ALPHA

MOST_GROUPS = 3
"""At most this many sets of images have their best and worst run named."""

BEYOND = f"beyond chance (exact McNemar, Holm p ≤ {ALPHA})"


def summary(report: Report) -> str:
    """The main results as one paragraph of plain text."""
    return " ".join(sentences(report))


def sentences(report: Report) -> Iterator[str]:
    """The same in its parts."""
    for ladder in report.ladders:
        yield _ladder(ladder)
    yield from (_frequency(content.analysis) for content in report.frequencies if content.analysis is not None)
    groups = list(report.groups())
    if report.entries and (not report.ladders or report.pairs):
        if len(report.entries) > 1:
            yield f"{_scope(report.entries, groups)}."
        yield from (_extremes(group) for group in groups[:MOST_GROUPS])
        yield from ([_significance(report.pairs)] if report.pairs else [])
    yield from ([_trainings(report.trainings)] if report.trainings else [])


def _scope(entries: Sequence[Entry], groups: Sequence[Sequence[Entry]]) -> str:
    """``6 runs of 2 networks under 4 protocols on 1 set of images``."""
    networks, protocols = ({e.network for e in entries}, {e.row["protocol"] for e in entries})
    words = (several(len(networks), "network"), several(len(protocols), "protocol"))
    sets = "one set of images" if len(groups) == 1 else f"{len(groups)} sets of images"
    return f"{several(len(entries), 'run')} of {words[0]} under {words[1]} on {sets}"


def _extremes(group: Sequence[Entry]) -> str:
    """The lowest and the highest error of the runs on one set of images, each with one run that has it."""
    best, worst = (pick(group, key=lambda e: e.side.top1_errors) for pick in (min, max))
    row = best.row
    where = f"On {row['dataset']} ({image_count(row)} images)"
    if best.side.top1_errors == worst.side.top1_errors:
        who = _who(best) if len(group) == 1 else f"each of {len(group)} runs"
        return f"{where} the top-1 error of {who} is {_rate(best)}."
    low, high = (f"{_rate(e)}, {_who(e)}{_others(e, group)}" for e in (best, worst))
    return f"{where} the top-1 error lies between {low}, and {high}."


def _who(entry: Entry) -> str:
    return f"{entry.row['architecture']} under {entry.row['protocol']}"


def _others(entry: Entry, group: Sequence[Entry]) -> str:
    """The number of other runs with as many errors, in words; empty if there are none."""
    number = sum(e.side.top1_errors == entry.side.top1_errors for e in group) - 1
    return f" (and {several(number, 'other')})" if number else ""


def _significance(pairs: Sequence[Pair]) -> str:
    """How many changes are beyond chance."""
    beyond = sum(pair.p_holm <= ALPHA for pair in pairs)
    if len(pairs) > 1:
        return f"{beyond or 'None'} of {len(pairs)} changes between runs {'is' if beyond < 2 else 'are'} {BEYOND}."
    top1 = pairs[0].comparison.top1
    verdict = "beyond chance" if beyond else "may be chance"
    images = f"{several(top1.fixed, 'image')} fixed and {top1.broken} broken"
    return f"{images}: {verdict} (exact McNemar p {_equals(p_value(top1.p))})."


def _trainings(content: Sequence[TrainingContent]) -> str:
    """The errors of the last epochs, and the largest difference of a best smoothed accuracy from the exact one."""

    def error(one: TrainingContent) -> str:
        text = with_interval(Count(one.row["top1_errors"], one.row["n"])).replace(" [", " % [")
        return f"{text}, {one.name}"

    def gain(one: TrainingContent) -> Fraction:
        return max(epoch.smoothed for epoch in one.epochs) - (1 - one.epochs[-1].test.ratio)

    best, worst = (pick(content, key=lambda one: Fraction(one.row["top1_errors"], one.row["n"])) for pick in (min, max))
    between = error(best) if len(content) == 1 else f"between {error(best)}, and {error(worst)}"
    most = max(content, key=gain)
    points = signed(100 * gain(most), 2)
    return (
        f"Top-1 error after the last epoch of {several(len(content), 'training')}: {between}. "
        f"The best smoothed accuracy would have been {points} points beside the exact one of the last epoch "
        f"({most.name})."
    )


def _frequency(analysis: FrequencyAnalysis) -> str:
    return f"{analysis.architecture} on {analysis.dataset}: {frequency.count(analysis)}"


def _ladder(ladder: LadderContent) -> str:
    first, last = ladder.entries[0], ladder.entries[-1]
    digits = places(first.row["n"])
    whole = Fraction(last.row["top1_errors"] - first.row["top1_errors"], first.row["n"])
    beyond = sum(pair.p_holm <= ALPHA for pair in ladder.pairs)
    words = (
        f"{_ends(first, last)} on {first.row['dataset']} ({image_count(first.row)} images) goes from {_rate(first)} "
        f"to {_rate(last)}: {signed(100 * whole, digits)} points in {several(len(ladder.pairs), 'step')}, "
        f"{beyond or 'none'} of them {BEYOND}."
    )
    factors, pair = max(
        zip(ladder.file.factors[1:], ladder.pairs, strict=True), key=lambda step: abs(step[1].comparison.top1.change)
    )
    if len(ladder.pairs) > 1 and pair.comparison.top1.change and factors:
        change = signed(100 * pair.comparison.top1.change, digits)
        words += f" The largest is {change}, {runs.factor_words(factors)}."
    if any(ladder.file.published):
        points = signed(ladder.left_over, digits)
        words += f" No step accounts for {points} points of the published difference."
    return words


def _ends(first: Entry, last: Entry) -> str:
    """``From 1crop to 10crop the top-1 error of resnet50``."""
    ends = [entry.row["protocol"] if first.network == last.network else _who(entry) for entry in (first, last)]
    whose = f" of {first.row['architecture']}" if first.network == last.network else ""
    return f"From {ends[0]} to {ends[1]} the top-1 error{whose}"


def _rate(entry: Entry) -> str:
    text = with_interval(Count(entry.side.top1_errors, entry.side.n))
    return text.replace(" [", " % [")


def several(number: int, noun: str) -> str:
    """``1 run``, ``6 runs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"
