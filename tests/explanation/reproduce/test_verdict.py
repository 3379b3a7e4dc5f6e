"""Tests of the verdict on a measured figure: rounding of the printed digits, sampling of a part, near ties."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import t

from benchsuite.explanation.reproduce.verdict import judge, judge_seeds, judge_training, verdict
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson

WHOLE = st.integers(1, 60_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
PART = st.integers(2, 300).flatmap(
    lambda of: st.integers(1, of - 1).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n), st.just(of)))
)


def rounded(count: Count, digits: int, how: str = ROUND_HALF_UP) -> Decimal:
    """A percentage as a source prints it."""
    exact = Decimal(100 * count.hits) / Decimal(count.total)
    return exact.quantize(Decimal(1).scaleb(-digits), how)


@given(WHOLE, st.integers(0, 4), st.sampled_from([ROUND_HALF_UP, ROUND_HALF_DOWN]))
def test_the_whole_set_agrees_with_its_own_error_however_it_is_rounded(
    drawn: tuple[int, int], digits: int, how: str
) -> None:
    count = Count(*drawn)
    found = judge(rounded(count, digits, how), count, count.total)
    assert found.agrees
    assert found.p is None
    assert abs(found.off) <= Fraction(1, 2 * 10**digits)
    assert found.low == found.high == 100 * count.ratio


@given(WHOLE, WHOLE, st.integers(0, 3))
def test_the_whole_set_agrees_with_no_other_rounded_error(
    drawn: tuple[int, int], other: tuple[int, int], digits: int
) -> None:
    count, printed = Count(*drawn), rounded(Count(*other), digits)
    ties = {rounded(count, digits, how) for how in (ROUND_HALF_UP, ROUND_HALF_DOWN)}
    assert judge(printed, count, count.total).agrees == (printed in ties)


@pytest.mark.parametrize(
    ("printed", "wrong", "agrees"),
    [
        ("24.7", 12_325, True),  # 24.65 %, a tie
        ("24.7", 12_324, False),
        ("24.7", 12_375, True),
        ("24.7", 12_376, False),
        ("24.70", 12_352, True),  # 24.704 %
        ("24.70", 12_353, False),  # 24.706 %
        ("23.870", 11_935, True),
        ("23.871", 11_935, False),
        ("25", 12_300, True),
    ],
)
def test_the_printed_digits_decide_on_50000_images(printed: str, wrong: int, agrees: bool) -> None:
    assert judge(Decimal(printed), Count(wrong, 50_000), 50_000).agrees is agrees


@given(WHOLE, st.integers(0, 5), st.integers(0, 5))
def test_near_ties_may_go_either_way_but_no_further(drawn: tuple[int, int], moved: int, ties: int) -> None:
    count = Count(*drawn)
    assume(count.hits + moved <= count.total)
    exact = Decimal(100 * (count.hits + moved)) / Decimal(count.total)
    found = judge(exact.quantize(Decimal("1e-12")), count, count.total, ties)
    assert found.agrees == (moved <= ties)


@given(PART, st.integers(0, 3), st.integers(0, 300))
def test_a_part_agrees_if_a_count_behind_the_printed_digits_lies_in_its_interval(
    drawn: tuple[int, int, int], digits: int, marked: int
) -> None:
    hits, n, of = drawn
    assume(marked <= of)
    printed = rounded(Count(marked, of), digits)
    found = judge(printed, Count(hits, n), of)
    half = Fraction(1, 2 * 10**digits)
    behind = [m for m in range(of + 1) if abs(Fraction(100 * m, of) - Fraction(printed)) <= half]
    assert found.agrees == any(found.low <= Fraction(100 * m, of) <= found.high for m in behind)
    assert found.p is not None
    assert found.agrees == (found.p >= 0.05)
    assert found.low - Fraction(100, of) < 100 * Fraction(hits, n) < found.high + Fraction(100, of)


@given(PART, st.integers(0, 2))
def test_a_part_agrees_with_its_own_error_rounded(drawn: tuple[int, int, int], digits: int) -> None:
    count = Count(*drawn[:2])
    assert judge(rounded(count, digits), count, drawn[2]).agrees


@given(PART, st.integers(0, 300))
def test_more_printed_digits_never_make_a_figure_agree(drawn: tuple[int, int, int], marked: int) -> None:
    hits, n, of = drawn
    assume(marked <= of)
    agree = [judge(rounded(Count(marked, of), digits), Count(hits, n), of).agrees for digits in (0, 6)]
    assert agree[0] or not agree[1]


def test_a_figure_that_no_count_of_the_images_gives_is_not_reproduced_on_all_of_them() -> None:
    """Of 8 images 12.5 % is one error, and 12 % none and not one: another accounting printed it."""
    assert not judge(Decimal("12.0"), Count(1, 8), 8).agrees
    assert judge(Decimal("12.0"), Count(1, 4), 8).agrees


@given(WHOLE, st.integers(0, 9999))
def test_another_training_agrees_within_wilsons_interval_of_what_was_printed(
    drawn: tuple[int, int], hundredths: int
) -> None:
    count, printed = Count(*drawn), Decimal(hundredths).scaleb(-2)
    found = judge_training(printed, count.ratio, count.total)
    low, high = wilson(count)
    least, most = (float(printed) - 0.005) / 100, (float(printed) + 0.005) / 100
    near = min(abs(least - high), abs(most - low), abs(least), abs(most))
    if near > 1e-9 and least > 0:
        assert found.agrees == (least <= high and low <= most)
    assert found.off == 100 * count.ratio - Fraction(printed)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=8), st.integers(0, 9999))
def test_several_seeds_agree_within_students_interval_for_one_more(wrong: list[int], hundredths: int) -> None:
    printed, errors = Decimal(hundredths).scaleb(-2), [Fraction(count, 10_000) for count in wrong]
    found = judge_seeds(printed, errors)
    assert found.off == 100 * sum(errors, start=Fraction(0)) / len(errors) - Fraction(printed)
    rates = np.array([float(100 * error) for error in errors])
    if not rates.std():
        assert found.agrees == (abs(found.off) <= Fraction(1, 200))
        return
    scale = rates.std(ddof=1) * math.sqrt(1 + 1 / len(rates))
    low, high = t.interval(0.95, len(rates) - 1, rates.mean(), scale)
    assert (float(found.low), float(found.high)) == pytest.approx((max(low, 0), min(high, 100)))
    least, most = float(printed) - 0.005, float(printed) + 0.005
    if min(abs(least - high), abs(most - low)) > 1e-6:
        assert found.agrees == (least <= high and low <= most)


def test_seeds_widen_what_one_training_allows() -> None:
    """Trainings that differ by points make a figure agree that lies outside Wilson's interval of any of them."""
    errors, printed = [Fraction(wrong, 10_000) for wrong in (1900, 2100, 1800, 2000)], Decimal("22.1")
    assert judge_seeds(printed, errors).agrees
    assert not any(judge_training(printed, error, 10_000).agrees for error in errors)


def test_a_verdict_needs_a_measurement_of_the_same_thing() -> None:
    good, bad = (judge(Decimal(text), Count(1, 10), 10) for text in ("10.0", "20.0"))
    assert verdict([good], []) == "reproduced"
    assert verdict([bad], []) == "not reproduced"
    assert verdict([bad, good], []) == "reproduced"
    assert verdict([good], ["other weights"]) == "not comparable"
    assert verdict([], []) == "not comparable"
