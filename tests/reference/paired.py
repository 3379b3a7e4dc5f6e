"""Reference for the paired statistics: likelihoods maximised by a search, all signs and orders enumerated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm


def score(fixed: int, broken: int, total: int, change: float) -> float:
    """The score statistic of a change, with the rate of fixed images of greatest likelihood, found by a search."""
    same = total - fixed - broken

    def unlikely(rate: float) -> float:
        cells = ((fixed, rate), (broken, rate + change), (same, 1 - 2 * rate - change))
        return -sum(n * math.log(max(p, 1e-300)) for n, p in cells if n)

    low, high = max(0.0, -change), min(1.0, (1 - change) / 2)
    rate = minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-14}).x
    variance = (2 * rate + change - change**2) / total
    return ((broken - fixed) / total - change) / math.sqrt(max(variance, 1e-300))


def score_interval(fixed: int, broken: int, total: int, confidence: float) -> tuple[float, float]:
    """The interval of all changes whose score statistic is not significant."""
    z, change = norm.ppf((1 + confidence) / 2), (broken - fixed) / total
    edge = 1e-9

    def root(level: float, start: float, end: float) -> float:
        return brentq(lambda d: score(fixed, broken, total, d) - level, start, end, xtol=1e-12)

    low = -1.0 if fixed == total else root(z, -1 + edge, change)
    return low, 1.0 if broken == total else root(-z, change, 1 - edge)


def sign_flips(differences: Sequence[int]) -> Fraction:
    """The share of all combinations of signs whose sum is at least as far from zero as the observed one."""
    reached = abs(sum(differences))
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in _signs(len(differences))]
    return Fraction(sum(abs(s) >= reached for s in sums), len(sums))


def _signs(n: int) -> list[tuple[int, ...]]:
    return list(itertools.product((-1, 1), repeat=n))


def permuted(a: Sequence[float], b: Sequence[float]) -> Fraction:
    """The share of all orders of the runs in which the means of the first ``len(a)`` and the rest differ as much."""

    def apart(runs: Sequence[float]) -> float:
        first, rest = runs[: len(a)], runs[len(a) :]
        return abs(math.fsum(first) / len(first) - math.fsum(rest) / len(rest))

    orders = list(itertools.permutations([*a, *b]))
    return Fraction(sum(apart(order) >= apart([*a, *b]) - 1e-12 for order in orders), len(orders))


def shapley(errors: Mapping[frozenset[str], int], factors: Collection[str]) -> tuple[dict[str, list[int]], int]:
    """The effect of each factor in each order of which all sets are in ``errors``, and the number of those orders."""
    effects: dict[str, list[int]] = {factor: [] for factor in factors}
    orders = 0
    for order in itertools.permutations(sorted(factors)):
        sets = [frozenset(order[:k]) for k in range(len(order) + 1)]
        if all(s in errors for s in sets):
            orders += 1
            for factor, before, after in zip(order, sets, sets[1:], strict=False):
                effects[factor].append(errors[after] - errors[before])
    return effects, orders
