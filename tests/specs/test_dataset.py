"""Tests of choosing samples at even distances."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.specs.dataset import spread


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 60)))
def test_a_limit_takes_that_many_in_order_and_evenly(n: int, limit: int | None) -> None:
    items = tuple(range(n))
    taken = spread(items, limit)
    assert len(taken) == (n if limit is None else min(n, limit))
    assert list(taken) == sorted(set(taken))
    gaps = [b - a for a, b in pairwise(taken)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(("limit", "taken"), [(1, (0,)), (2, (0, 5)), (3, (0, 3, 6)), (10, tuple(range(10)))])
def test_a_limit_of_ten_by_hand(limit: int, taken: tuple[int, ...]) -> None:
    assert spread(tuple(range(10)), limit) == taken
