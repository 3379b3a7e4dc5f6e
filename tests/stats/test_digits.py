"""Tests of numbers as text: rounded once, half away from zero, when they are written."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from benchsuite.stats.digits import decimals, percent, places, with_interval
from benchsuite.stats.metrics import Count


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_percentage_is_rounded_once_half_up_as_decimal_does(pair):
    hits, n = pair
    exact = Decimal(100 * hits) / Decimal(n) if (100 * hits * 10**12) % n == 0 else None
    written = percent(Count(hits, n))
    assert abs(Fraction(written) - Fraction(100 * hits, n)) <= Fraction(1, 2 * 10 ** places(n))
    if exact is not None:
        assert Decimal(written) == exact.quantize(Decimal(1).scaleb(-places(n)), ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("hits", "n", "written"),
    [
        (1, 800, "0.13"),  # 0.125: half goes away from zero, where half-to-even would give 0.12
        (3, 800, "0.38"),  # 0.375
        (1, 20_000, "0.005"),
        (1, 32_000, "0.003"),  # 0.003125
        (58, 500, "11.60"),
        (0, 360, "0.00"),
        (1, 1, "100.00"),
        (2, 3, "66.67"),
        (11935, 50_000, "23.870"),
        (1, 50_000, "0.002"),
        (1, 10_000, "0.01"),
    ],
)
def test_percentages_by_hand(hits, n, written):
    assert percent(Count(hits, n)) == written


@pytest.mark.parametrize("n", [1, 2, 99, 100, 101, 500, 9999, 10_000, 10_001, 50_000, 100_000, 100_001])
def test_one_image_more_is_always_visible(n):
    step = Fraction(100, n)
    assert Fraction(1, 10 ** places(n)) <= step
    written = {percent(Count(hits, n)) for hits in range(min(n, 60) + 1)}
    assert len(written) == min(n, 60) + 1


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (Fraction(-1, 8), 2, "-0.13"),
        (Fraction(1, 8), 2, "0.13"),
        (Fraction(-1, 1000), 2, "0.00"),
        (Fraction(5, 100), 1, "0.1"),
        (Fraction(12345, 100), 1, "123.5"),
    ],
)
def test_numbers_with_a_sign(value, digits, written):
    assert decimals(value, digits) == written


def test_the_interval_is_that_of_scipy():
    low, high = binomtest(58, 500).proportion_ci(0.95, method="wilson")
    assert with_interval(Count(58, 500)) == f"11.60 [{100 * low:.2f}, {100 * high:.2f}]"
