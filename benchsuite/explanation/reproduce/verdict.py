"""Whether a measured error rate agrees with a published one: pure functions of a printed text and of counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from benchsuite.explanation import ledger
from benchsuite.stats import significance
from benchsuite.stats.metrics import Count

Verdict = Literal["reproduced", "not reproduced", "not comparable"]

ALPHA = 0.05
"""A part of the images, or another training, agrees with a figure if its p-value is at least this."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A measured error rate beside a published one.

    ``off`` is measured minus printed, ``low`` and ``high`` bound the error rates of the whole set that agree with what
    was measured; all three are in percentage points, exactly. For the whole set the bounds differ only by near ties.
    ``p`` is the probability that chance alone is at least that far off; None where nothing is left to chance, because
    the whole set was measured.
    """

    agrees: bool
    off: Fraction
    low: Fraction
    high: Fraction
    p: float | None


def judge(printed: Decimal, wrong: Count, of: int, ties: int = 0) -> Judgement:
    """The judgement on the errors of the published network, counted on some or all of the ``of`` published images.

    The printed error rate, in percent, stands for all numbers that round to it. On the whole set it agrees if the
    measured rate is among them; up to ``ties`` near ties, which rounding decides, may go either way. On a part it
    agrees if one of the whole numbers of errors behind it lies in the 95 % interval of sampling without replacement.
    """
    likely = min(max(round(printed * wrong.total / 100), wrong.hits - ties), wrong.hits + ties)
    seen = Count(min(max(likely, 0), wrong.total), wrong.total)
    off = 100 * wrong.ratio - Fraction(printed)
    low, high = _within(printed)
    if wrong.total == of:
        agrees = low <= 100 * seen.ratio <= high
        least, most = max(wrong.hits - ties, 0), min(wrong.hits + ties, of)
        return Judgement(agrees, off, Fraction(100 * least, of), Fraction(100 * most, of), None)
    p = significance.sampled(seen, _nearest(seen, of, low, high), of)
    least, most = significance.whole_interval(wrong, of, 1 - ALPHA)
    return Judgement(p >= ALPHA, off, Fraction(100 * least, of), Fraction(100 * most, of), p)


def judge_training(printed: Decimal, error: Fraction, n: int) -> Judgement:
    """The judgement on a training that repeats a published one. ``error`` is a share of ``n`` test images.

    Another training errs on other images, so the interval is Wilson's for as many independent images. How much
    trainings differ by their seeds is not in it.
    """
    low, high = _within(printed)
    nearest = min(max(100 * error, low), high) / 100
    p = significance.score_p(float(error), n, min(max(float(nearest), 0.0), 1.0))
    least, most = (100 * Fraction(bound) for bound in significance.wilson(Count(round(error * n), n), 1 - ALPHA))
    return Judgement(p >= ALPHA, 100 * error - Fraction(printed), least, most, p)


def judge_seeds(printed: Decimal, errors: Sequence[Fraction]) -> Judgement:
    """The judgement on a training that was repeated with two or more seeds; ``errors`` are shares of the test images.

    The published training is one more of the same kind, tested on the same images. It agrees if a number that rounds
    to the printed one lies in the 95 % interval for one more seed.
    """
    low, high = _within(printed)
    rates = [float(100 * error) for error in errors]
    mean = 100 * sum(errors, start=Fraction(0)) / len(errors)
    p = significance.predicted_p(rates, float(min(max(mean, low), high)))
    least, most = (Fraction(min(max(bound, 0.0), 100.0)) for bound in significance.predicted(rates, 1 - ALPHA))
    return Judgement(p >= ALPHA, mean - Fraction(printed), least, most, p)


def verdict(judgements: Sequence[Judgement], reasons: Sequence[str]) -> Verdict:
    """The verdict on a figure that was measured once for each combination of the choices that its source leaves open.

    ``reasons`` are those for which the measurement is another one than the published; with any, and without a
    judgement, nothing is concluded.
    """
    if reasons or not judgements:
        return "not comparable"
    return "reproduced" if any(one.agrees for one in judgements) else "not reproduced"


def _within(printed: Decimal) -> tuple[Fraction, Fraction]:
    """The least and the greatest number that rounds to a printed one; both belong, as ties round either way."""
    half = Fraction(ledger.rounding(printed))
    return Fraction(printed) - half, Fraction(printed) + half


def _nearest(part: Count, of: int, low: Fraction, high: Fraction) -> int:
    """The number of errors on all ``of`` images behind a printed rate in low..high, percent, that suits a part best.

    If no whole number rounds to the printed rate, the one below it or the one above it.
    """
    least, most = math.ceil(low * of / 100), math.floor(high * of / 100)
    least, most = min(least, most), max(least, most)
    return min(max(round(part.ratio * of), least, 0), most, of)
