"""Tests of Shapley shares of factors in a change."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from reference import paired as twin

from benchsuite.stats.shapley import shapley


def test_shares_of_two_factors_by_hand() -> None:
    """From 10 errors, a first: -2, then b: -4; b first: -1, then a: -5. So a has -3.5 and b -2.5 of the -6."""
    errors = {frozenset(): 10, frozenset("a"): 8, frozenset("b"): 9, frozenset("ab"): 4}
    shares, orders = shapley(errors)
    assert orders == 2
    assert {name: (s.mean, s.least, s.most) for name, s in shares.items()} == {
        "a": (Fraction(-7, 2), -5, -2),
        "b": (Fraction(-5, 2), -4, -1),
    }


@given(st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_shares_are_averages_over_all_orders_that_can_be_measured(n: int, chance: object) -> None:
    factors = [f"f{i}" for i in range(n)]
    sets = [frozenset(c) for k in range(n + 1) for c in itertools.combinations(factors, k)]
    errors = {s: chance.randrange(1000) for s in sets}  # type: ignore[attr-defined]
    for k in range(1, n):  # every set of a chain stays, so that one order is always left
        for s in (s for s in sets if len(s) == k and s != frozenset(factors[:k])):
            if chance.random() < 0.4:  # type: ignore[attr-defined]
                del errors[s]
    shares, orders = shapley(errors)
    effects, wanted = twin.shapley(errors, factors)
    assert orders == wanted >= 1
    assert sum(s.mean for s in shares.values()) == errors[frozenset(factors)] - errors[frozenset()]
    for name, share in shares.items():
        assert share.mean == Fraction(sum(effects[name]), orders)
        assert (share.least, share.most) == (min(effects[name]), max(effects[name]))
