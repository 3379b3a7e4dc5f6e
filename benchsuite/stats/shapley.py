"""Shapley values: the share of each of several factors in a change, averaged over all orders of changing them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Share:
    """The effect of a factor in errors: the mean over all orders, and the least and the most in any order."""

    mean: Fraction
    least: int
    most: int


def shapley(errors: Mapping[frozenset[str], int]) -> tuple[dict[str, Share], int]:
    """The Shapley value of each factor: its effect averaged over the orders in which the factors can be changed.

    ``errors`` has an entry for each set of changed factors that can be measured, including the empty and the full set.
    An order counts if every set along it can be measured. The shares add up to the whole change exactly. Returns them
    and the number of orders.
    L. S. Shapley, A value for n-person games, 1953; with restricted orders: U. Faigle and W. Kern, 1992.
    """
    everything = max(errors, key=len)
    begun = _orders(errors, sorted(errors, key=len), lambda s, f: s - {f})
    ended = _orders(errors, sorted(errors, key=len, reverse=True), lambda s, f: s | {f})
    orders = begun[everything]
    shares = {}
    for factor in sorted(everything):
        steps = [
            (begun[s] * ended[s | {factor}], errors[s | {factor}] - errors[s])
            for s in errors
            if factor not in s and begun[s] and ended.get(s | {factor})
        ]
        total = sum(ways * effect for ways, effect in steps)
        effects = [effect for _, effect in steps]
        shares[factor] = Share(Fraction(total, orders), min(effects), max(effects))
    return shares, orders


def _orders(
    errors: Collection[frozenset[str]],
    sets: Sequence[frozenset[str]],
    before: Callable[[frozenset[str], str], frozenset[str]],
) -> dict[frozenset[str], int]:
    """The number of orders in which each set is reached from the first of ``sets``, one factor at a time."""
    everything = frozenset().union(*errors)
    ways = {sets[0]: 1}
    for s in sets[1:]:
        neighbours = {before(s, factor) for factor in everything} - {s}
        ways[s] = sum(ways.get(other, 0) for other in neighbours)
    return ways
