"""Confidence intervals and significance tests for counts: Wilson, McNemar, Tango, Holm, samples, permutations."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from benchsuite.stats.metrics import Count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ALPHA, POWER = 0.05, 0.8
"""Significance level and power in ``detectable``: the rates of false and of true findings."""


def wilson(count: Count, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion, without continuity correction, as two fractions in 0..1.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    z = _quantile(confidence)
    n, p = count.total, count.hits / count.total
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if count.hits == 0 else max(0.0, middle - half)
    high = 1.0 if count.hits == count.total else min(1.0, middle + half)
    return low, high


def binomial_tail(hits: int, total: int, p: float) -> float:
    """P(X <= hits) of a binomial X, to about ten significant digits even for very small values.

    The probability of ``hits`` is computed from logarithms of factorials, the others from ratios of neighbours.
    """
    if hits < 0 or hits >= total or p in (0.0, 1.0):
        return float(hits >= total or (hits >= 0 and p == 0.0))
    if hits > total * p:
        return 1.0 - binomial_tail(total - hits - 1, total, 1 - p)
    log = math.lgamma(total + 1) - math.lgamma(hits + 1) - math.lgamma(total - hits + 1)
    ratio, term, terms = (1 - p) / p, 1.0, 1.0
    for i in range(hits, 0, -1):
        term *= ratio * i / (total - i + 1)
        terms += term
        if term < 1e-17 * terms:
            break
    return min(1.0, math.exp(log + hits * math.log(p) + (total - hits) * math.log1p(-p)) * terms)


def hypergeometric_tail(hits: int, drawn: int, marked: int, total: int) -> float:
    """P(X <= hits) for the marked items among ``drawn`` of ``total`` items, ``marked`` of which are marked.

    Computed as ``binomial_tail`` is, to about nine significant digits.
    """
    least, most = max(0, drawn + marked - total), min(drawn, marked)
    if hits < least or hits >= most:
        return float(hits >= most)
    if hits * total > drawn * marked:
        return 1.0 - hypergeometric_tail(drawn - hits - 1, drawn, total - marked, total)
    ways = ((marked, hits, 1), (total - marked, drawn - hits, 1), (total, drawn, -1))
    log = sum(sign * (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) for n, k, sign in ways)
    term, terms = 1.0, 1.0
    for i in range(hits, least, -1):
        term *= i * (total - marked - drawn + i) / ((marked - i + 1) * (drawn - i + 1))
        terms += term
        if term < 1e-17 * terms:
            break
    return min(1.0, math.exp(log) * terms)


def sampled(part: Count, marked: int, total: int) -> float:
    """p-value, two-sided, of a count on a part of ``total`` images if ``marked`` of all of them are hits.

    How probable a random part of that size is whose count is at least as far from what is expected, twice the smaller
    tail. 1 or 0 if the part is the whole.
    """
    below = hypergeometric_tail(part.hits, part.total, marked, total)
    above = hypergeometric_tail(part.total - part.hits, part.total, total - marked, total)
    return min(1.0, 2 * min(below, above))


def whole_interval(part: Count, total: int, confidence: float = 0.95) -> tuple[int, int]:
    """The fewest and the most hits of all ``total`` images with which a random part may have this count.

    They are those whose p-value of ``sampled`` is at least ``1 - confidence``; for the whole set, its own count. The
    inversion of an exact test for a finite population: it covers at least ``confidence``.
    """
    alpha, least, most = 1 - confidence, part.hits, total - (part.total - part.hits)
    middle = min(max(round(part.ratio * total), least), most)

    def edge(inside: int, outside: int) -> int:
        while abs(outside - inside) > 1:
            between = (inside + outside) // 2
            inside, outside = (between, outside) if sampled(part, between, total) >= alpha else (inside, between)
        return inside

    return edge(middle, least - 1), edge(middle, most + 1)


def score_p(share: float, total: int, assumed: float) -> float:
    """p-value, two-sided, of Wilson's score test that the proportion is ``assumed``: below 0.05 outside ``wilson``."""
    spread = math.sqrt(assumed * (1 - assumed) / total)
    if not spread:
        return float(share == assumed)
    return math.erfc(abs(share - assumed) / spread / math.sqrt(2))


def mcnemar(fixed: int, broken: int) -> float:
    """p-value of McNemar's exact test, two-sided: how probable a split of the changed images at least as uneven is.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12, 1947.
    """
    return min(1.0, 2 * binomial_tail(min(fixed, broken), fixed + broken, 0.5))


def paired_interval(fixed: int, broken: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Tango's score interval for the change of an error rate on the same images: (broken - fixed) / total.

    Two fractions in -1..1. It inverts the score test, so its coverage is right where that of Wald's interval is not:
    for few images, few changes or none. T. Tango, Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design, Statistics in Medicine 17, 1998.
    """
    z, change = _quantile(confidence), (broken - fixed) / total
    low = _cross(fixed, broken, total, z, (-1.0, change))
    return low, _cross(fixed, broken, total, -z, (change, 1.0))


def _cross(fixed: int, broken: int, total: int, level: float, bracket: tuple[float, float]) -> float:
    """The assumed change at which Tango's statistic, which falls with it, crosses ``level``; found by bisection."""
    low, high = bracket
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tango(fixed, broken, total, middle) > level else (low, middle)
    return (low + high) / 2


def _tango(fixed: int, broken: int, total: int, change: float) -> float:
    """Tango's score statistic for an assumed change; the rate of fixed images is estimated under that change."""
    a = 2 * total
    b = -broken - fixed + (2 * total - broken + fixed) * change
    c = -fixed * change * (1 - change)
    rate = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = total * (2 * rate + change * (1 - change))
    distance = broken - fixed - total * change
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)


def detectable(discordant: int, total: int) -> float | None:
    """The smallest change of an error rate that McNemar's exact test detects, in 0..1; None if it can detect none.

    It is computed for ``discordant`` of ``total`` images changed, in either direction: the smallest true imbalance for
    which p <= ``ALPHA`` with probability ``POWER``. With fewer than 6 changed images no imbalance is significant.
    """
    splits = range(discordant // 2 + 1)
    reject = bisect_right(splits, ALPHA, key=lambda k: mcnemar(k, discordant - k)) - 1
    if reject < 0:
        return None
    low, high = 0.5, 1.0
    while high - low > 1e-12:
        p = (low + high) / 2
        power = binomial_tail(reject, discordant, p) + binomial_tail(reject, discordant, 1 - p)
        low, high = (low, p) if power >= POWER else (p, high)
    return (2 * high - 1) * discordant / total


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p-values of several tests, in the given order: they bound the probability of any false finding.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    adjusted, highest = [0.0] * len(values), 0.0
    for place, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - place) * values[i]))
        adjusted[i] = highest
    return adjusted


def mean_interval(differences: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """The score interval for the mean of paired differences in -1..1, as two fractions, from (n,) float.

    Its variance is taken about the assumed mean, as Tango's. It is Wald's interval, a little wider for few images; for
    n up to the square of the normal quantile (3.84 at 95 %) it is -1..1.
    """
    n, z = len(differences), _quantile(confidence)
    if n <= z * z:
        return -1.0, 1.0
    half = z * float(differences.std()) / math.sqrt(n - z * z)
    middle = float(differences.mean())
    return max(-1.0, middle - half), min(1.0, middle + half)


def sign_flips(differences: NDArray[np.int64]) -> float:
    """The exact two-sided p-value of a sum of integers under random signs: R. A. Fisher's randomisation test.

    (n,) int -> 0..1. If every difference is -1, 0 or 1 it equals McNemar's exact test, so it extends that test to
    groups of runs. The distribution of the sum is a convolution of scaled binomials, not a simulation.
    """
    import numpy as np

    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    pmf, total = np.ones(1), 0
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        one = np.zeros(size * count + 1)
        logs = np.array([math.lgamma(i + 1) for i in range(count + 1)])
        one[::size] = np.exp(logs[-1] - logs - logs[::-1] - count * math.log(2))
        pmf = _convolved(pmf, one)
        total += size * count
    # If the absolute differences with a plus sign add up to s, the sum is 2 s - total, symmetric about zero.
    reached = (total - abs(int(differences.sum()))) // 2
    return min(1.0, 2 * float(pmf[: reached + 1].sum()))


def _convolved(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """The distribution of a sum of two variables. Zeros of one are skipped, so it is fast enough for 50,000 images."""
    import numpy as np

    out = np.zeros(len(a) + len(b) - 1)
    small, large = sorted((a, b), key=np.count_nonzero)
    for i in np.flatnonzero(small):
        out[i : i + len(large)] += small[i] * large
    return out


def permuted(a: Sequence[float], b: Sequence[float]) -> tuple[float, int]:
    """The exact p-value of a permutation test for the means of two groups of runs, and the number of permutations.

    Two-sided: the share of all ways to split the runs into two groups whose means differ at least as much. With 3 and 3
    runs there are 20 ways, so no p-value is below 0.1.
    """
    runs = [*a, *b]
    means = []
    for chosen in combinations(range(len(runs)), len(a)):
        inside = sum(runs[i] for i in chosen)
        means.append(abs(inside / len(a) - (sum(runs) - inside) / len(b)))
    least = means[0] * (1 - 1e-12) - 1e-15
    return sum(m >= least for m in means) / len(means), len(means)


def predicted(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The interval in which one more value of the same normal distribution lies, from n >= 2 values: Student's t."""
    middle, spread, freedom = fmean(values), _spread(values), len(values) - 1
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        angle = (low + high) / 2
        low, high = (angle, high) if _student(angle, freedom) < confidence else (low, angle)
    half = math.sqrt(freedom) * math.tan(low) * spread
    return middle - half, middle + half


def predicted_p(values: Sequence[float], other: float) -> float:
    """The probability that one more value lies at least as far from the mean of n >= 2 values as ``other`` does."""
    off, spread, freedom = abs(other - fmean(values)), _spread(values), len(values) - 1
    return max(0.0, 1 - _student(math.atan2(off, spread * math.sqrt(freedom)), freedom))


def _spread(values: Sequence[float]) -> float:
    """The standard error of the difference of one more value from the mean of these."""
    return stdev(values) * math.sqrt(1 + 1 / len(values))


def _student(angle: float, freedom: int) -> float:
    """The probability that the absolute value of Student's t, with n degrees of freedom, is at most sqrt(n) tan(angle).

    A sum of n / 2 powers of the cosine: M. Abramowitz and I. Stegun, Handbook of mathematical functions, 26.7.3-4.
    """
    odd, squared = freedom % 2, math.cos(angle) ** 2
    term, total = math.cos(angle) if odd else 1.0, 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= squared * (k - 1) / k
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def _quantile(confidence: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + confidence) / 2)
