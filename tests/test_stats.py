"""Wilson's interval, against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from benchsuite.metrics import Count
from benchsuite.stats import wilson

TOTALS = [1, 2, 3, 7, 10, 29, 100, 360, 500, 9_999, 10_000, 50_000]


@pytest.mark.parametrize("total", TOTALS)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_wilson_equals_scipys_for_few_and_many(total: int, confidence: float) -> None:
    for hits in sorted({0, 1, total // 3, total // 2, total - 1, total} - {-1}):
        interval = binomtest(hits, total).proportion_ci(confidence, method="wilson")
        assert wilson(Count(hits, total), confidence) == pytest.approx((interval.low, interval.high), abs=1e-12)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=200, deadline=None)
def test_wilson_equals_scipys_and_holds_the_proportion(drawn: tuple[int, int]) -> None:
    hits, total = drawn
    interval = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    low, high = wilson(Count(hits, total))
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert 0 <= low <= hits / total <= high <= 1


def test_no_hits_begin_at_zero_and_all_hits_end_at_one_exactly() -> None:
    assert wilson(Count(0, 10))[0] == 0.0
    assert wilson(Count(10, 10))[1] == 1.0


def test_wilson_of_one_in_ten_by_hand() -> None:
    """With z = 1.959964: (0.1 + 0.192073 -+ 1.959964 * sqrt(0.009 + 0.0096036)) / 1.384146 = 0.017876 and 0.404150."""
    assert wilson(Count(1, 10)) == pytest.approx((0.017876, 0.404150), abs=1e-6)


def test_missing_is_the_mirror_image_of_hitting() -> None:
    low, high = wilson(Count(58, 500))
    assert wilson(Count(442, 500)) == pytest.approx((1 - high, 1 - low), abs=1e-15)
