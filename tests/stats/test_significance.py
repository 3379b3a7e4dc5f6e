"""Tests of intervals and exact tests, compared with scipy, statsmodels and pure Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import paired as twin
from scipy.stats import binom, binomtest, hypergeom, norm
from scipy.stats import t as student
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import (
    binomial_tail,
    detectable,
    holm,
    hypergeometric_tail,
    mcnemar,
    mean_interval,
    paired_interval,
    permuted,
    predicted,
    predicted_p,
    sampled,
    score_p,
    sign_flips,
    whole_interval,
    wilson,
)

TOTALS = [1, 2, 3, 7, 10, 29, 100, 360, 500, 9_999, 10_000, 50_000]
PAIRS = [(0, 0), (1, 0), (0, 5), (6, 0), (3, 9), (9, 3), (100, 150), (900, 870), (3000, 2500), (20_000, 25_000)]


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


@given(st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(-1, n), st.just(n))), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_a_binomial_tail_equals_scipys(drawn: tuple[int, int], p: float) -> None:
    hits, total = drawn
    wanted = binom.cdf(hits, total, p)
    assert binomial_tail(hits, total, p) == pytest.approx(wanted, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_binomial_tail_is_certain_at_the_ends(p: float) -> None:
    assert [binomial_tail(k, 3, p) for k in (-1, 0, 2, 3)] == [binom.cdf(k, 3, p) for k in (-1, 0, 2, 3)]


@pytest.mark.parametrize(("fixed", "broken"), PAIRS)
def test_mcnemar_equals_scipys_binomial_test_and_statsmodels(fixed: int, broken: int) -> None:
    p = mcnemar(fixed, broken)
    if fixed + broken:
        assert p == pytest.approx(binomtest(fixed, fixed + broken).pvalue, rel=1e-9)
    with np.errstate(all="ignore"):
        theirs = statsmodels_mcnemar([[7, fixed], [broken, 11]], exact=True).pvalue
    assert p == pytest.approx(min(1.0, theirs), rel=1e-9) or fixed + broken == 0
    assert p == mcnemar(broken, fixed)


def test_mcnemar_of_one_against_nine_by_hand() -> None:
    """Ten changed images, one of them one way: 2 * (1 + 10) / 1024."""
    assert mcnemar(1, 9) == pytest.approx(22 / 1024, rel=1e-12)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0


CASES = [(0, 1, 5), (2, 2, 7), (1, 7, 21), (0, 6, 30), (6, 16, 161), (12, 5, 360), (0, 0, 40), (5, 0, 5), (0, 5, 5)]
CASES += [(100, 150, 9_999), (3000, 2500, 50_000), (1, 0, 50_000)]


@pytest.mark.parametrize(("fixed", "broken", "total"), CASES)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_paired_interval_holds_the_changes_that_the_score_test_accepts(
    fixed: int, broken: int, total: int, confidence: float
) -> None:
    wanted = twin.score_interval(fixed, broken, total, confidence)
    assert paired_interval(fixed, broken, total, confidence) == pytest.approx(wanted, abs=2e-7)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))))
@settings(max_examples=200, deadline=None)
def test_the_paired_interval_holds_the_change_and_turns_round_with_it(drawn: tuple[int, int, int]) -> None:
    fixed, broken, total = drawn[0], min(drawn[1], drawn[2] - drawn[0]), drawn[2]
    low, high = paired_interval(fixed, broken, total)
    assert -1 <= low <= (broken - fixed) / total <= high <= 1
    assert paired_interval(broken, fixed, total) == pytest.approx((-high, -low), abs=1e-9)
    assert (low <= 0 <= high) or mcnemar(fixed, broken) < 0.2


def test_no_change_at_all_still_has_an_interval() -> None:
    """Without a changed image the score of a change d > 0 is -n d / sqrt(n d (1 - d)): d = z^2 / (n + z^2)."""
    edge = 1.959964**2 / (360 + 1.959964**2)
    assert paired_interval(0, 0, 360) == pytest.approx((-edge, edge), abs=1e-8)


@pytest.mark.parametrize(
    ("n", "fix", "break_"), [(360, 0.05, 0.03), (360, 0.02, 0.02), (1000, 0.10, 0.08), (200, 0.15, 0.02)]
)
def test_the_paired_interval_covers_the_true_change_as_often_as_it_says(n: int, fix: float, break_: float) -> None:
    draws = np.random.default_rng(0).multinomial(n, [fix, break_, 1 - fix - break_], size=40_000)
    pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    intervals = np.array([paired_interval(int(f), int(b), n) for f, b in pairs])
    covered = (intervals[:, 0] <= break_ - fix) & (break_ - fix <= intervals[:, 1])
    assert counts[covered].sum() / counts.sum() == pytest.approx(0.95, abs=0.01)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    """Two groups of three runs: an image adds -3..3 thirds."""
    rng = np.random.default_rng(0)
    values, chances = np.arange(-3, 4) / 3, np.array([0.02, 0.03, 0.07, 0.80, 0.05, 0.02, 0.01])
    draws = rng.choice(values, p=chances, size=(20_000, 300))
    bounds = np.array([mean_interval(row) for row in draws])
    covered = (bounds[:, 0] <= values @ chances) & (values @ chances <= bounds[:, 1])
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_the_interval_of_a_mean_by_hand() -> None:
    """Four ones in 100: mean 0.04, half = z * sqrt(0.04 * 0.96 / (100 - z^2)) = 0.039167."""
    differences = np.zeros(100)
    differences[:4] = 1
    assert mean_interval(differences) == pytest.approx((0.04 - 0.039167, 0.04 + 0.039167), abs=1e-6)
    assert mean_interval(np.ones(3)) == (-1.0, 1.0)


@pytest.mark.parametrize("discordant", [6, 7, 8, 17, 50, 333])
def test_the_detectable_change_has_a_power_of_80_per_cent_and_nothing_smaller_has(discordant: int) -> None:
    total = 3 * discordant
    change = detectable(discordant, total)
    assert change is not None
    rejected = [k for k in range(discordant + 1) if binomtest(k, discordant).pvalue <= 0.05]

    def power(d: float) -> float:
        return float(binom.pmf(rejected, discordant, (1 + d * total / discordant) / 2).sum())

    assert power(change) == pytest.approx(0.8, abs=1e-6)
    assert power(change * 0.999) < 0.8


@pytest.mark.parametrize("discordant", range(6))
def test_fewer_than_six_changed_images_show_nothing(discordant: int) -> None:
    assert detectable(discordant, 1000) is None
    assert min((mcnemar(k, discordant - k) for k in range(discordant + 1)), default=1) > 0.05


@pytest.mark.parametrize("n", [1, 8, 1000])
def test_holm_equals_statsmodels(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.random(n) ** 4, np.round(rng.random(n) ** 2, 1)):
        assert holm(values.tolist()) == pytest.approx(multipletests(values, method="holm")[1].tolist(), abs=1e-15)
    assert holm([]) == []


def test_holm_by_hand() -> None:
    """Three tests: 3 * 0.01, then 2 * 0.02, then 0.03, which may not fall below the one before."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_random_signs_are_counted_exactly(differences: list[int]) -> None:
    assert sign_flips(np.array(differences)) == pytest.approx(float(twin.sign_flips(differences)), abs=1e-12)


@pytest.mark.parametrize(("fixed", "broken"), PAIRS)
def test_random_signs_of_ones_are_mcnemars_test(fixed: int, broken: int) -> None:
    differences = np.repeat([-1, 1, 0], [fixed, broken, 10])
    assert sign_flips(differences) == pytest.approx(mcnemar(fixed, broken), rel=1e-8, abs=1e-300)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.lists(st.integers(0, 9), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_groups_of_runs_are_shared_out_in_every_way(a: list[int], b: list[int]) -> None:
    p, ways = permuted(a, b)
    assert p == pytest.approx(float(twin.permuted(a, b)), abs=1e-12)
    assert ways == math.comb(len(a) + len(b), len(a))


def test_three_against_three_runs_cannot_be_below_a_tenth() -> None:
    assert permuted([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]) == (pytest.approx(0.1), 20)


def test_an_interval_without_zero_goes_with_a_significant_test() -> None:
    for fixed, broken in ((5, 20), (40, 70), (300, 380)):
        low, _ = paired_interval(fixed, broken, 5000)
        assert low > 0
        assert mcnemar(fixed, broken) < 0.05


PARTS = st.integers(1, 60).flatmap(
    lambda total: st.integers(1, total).flatmap(
        lambda drawn: st.tuples(st.integers(0, drawn), st.just(drawn), st.integers(0, total), st.just(total))
    )
)


@given(PARTS)
def test_the_hypergeometric_tail_equals_scipys(drawn: tuple[int, int, int, int]) -> None:
    hits, count, marked, total = drawn
    expected = hypergeom.cdf(hits, total, marked, count)
    assert hypergeometric_tail(hits, count, marked, total) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("hits", "count", "marked", "total"), [(180, 1000, 827, 10_000), (250, 1000, 12_350, 50_000)])
def test_the_hypergeometric_tail_is_right_for_many_images(hits: int, count: int, marked: int, total: int) -> None:
    expected = hypergeom.cdf(hits, total, marked, count)
    assert hypergeometric_tail(hits, count, marked, total) == pytest.approx(expected, rel=1e-7)
    rare = hypergeometric_tail(10, count, marked, total)
    assert rare == pytest.approx(hypergeom.cdf(10, total, marked, count), rel=1e-6)


@given(PARTS)
def test_the_interval_of_a_part_holds_exactly_the_counts_that_its_test_accepts(
    drawn: tuple[int, int, int, int],
) -> None:
    hits, count, _, total = drawn
    part = Count(hits, count)
    low, high = whole_interval(part, total)
    accepted = [marked for marked in range(total + 1) if sampled(part, marked, total) >= 0.05]
    assert accepted == list(range(low, high + 1))
    assert low <= hits + round((total - count) * hits / count) <= high


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_part_that_is_the_whole_allows_its_own_count_only(drawn: tuple[int, int]) -> None:
    hits, total = drawn
    assert whole_interval(Count(hits, total), total) == (hits, hits)
    assert sampled(Count(hits, total), hits, total) == 1.0


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.999))
def test_the_score_test_accepts_what_lies_in_wilsons_interval(drawn: tuple[int, int], assumed: float) -> None:
    hits, total = drawn
    low, high = wilson(Count(hits, total))
    if min(abs(assumed - low), abs(assumed - high)) > 1e-9:
        assert (score_p(hits / total, total, assumed) > 0.05) == (low < assumed < high)


def test_very_small_probabilities_are_not_rounded_to_zero() -> None:
    assert score_p(0.0167, 360, 0.3) == pytest.approx(2 * norm.sf((0.3 - 0.0167) / math.sqrt(0.21 / 360)), rel=1e-9)
    assert sampled(Count(400, 1000), 1000, 10_000) == pytest.approx(2 * hypergeom.sf(399, 10_000, 1000, 1000), rel=1e-6)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 9, 20, 101])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_one_more_value_lies_in_scipys_interval(count: int, confidence: float) -> None:
    values = np.random.default_rng(count).normal(10, 3, count)
    scale = values.std(ddof=1) * math.sqrt(1 + 1 / count)
    low, high = student.interval(confidence, count - 1, values.mean(), scale)
    assert predicted(values.tolist(), confidence) == pytest.approx((low, high), rel=1e-9)
    assert predicted_p(values.tolist(), low) == pytest.approx(1 - confidence, abs=1e-9)
    assert predicted_p(values.tolist(), high) == pytest.approx(1 - confidence, abs=1e-9)


def test_equal_values_allow_no_other() -> None:
    assert predicted([7.0, 7.0, 7.0]) == (7.0, 7.0)
    assert (predicted_p([7.0, 7.0], 7.0), predicted_p([7.0, 7.0], 7.1)) == (1.0, 0.0)
