"""Tests of tallies, compared with programs replayed batch by batch and with derived figures."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import accounting as replay
from scipy.stats import binom

from benchsuite import BadParameter
from benchsuite.stats import batch_averaging
from benchsuite.stats.batch_averaging import KEPT, Tally

LINEAR = [
    batch_averaging.EXACT,
    batch_averaging.BATCH_MEAN,
    batch_averaging.NOMINAL,
    batch_averaging.FULL_BATCHES,
    batch_averaging.SMOOTHED,
    batch_averaging.SMOOTHED_RESET,
    batch_averaging.TWO_BATCHES,
    batch_averaging.padded(8),
]
EVERY = [*LINEAR, batch_averaging.TRUNCATED]
BITS = st.integers(1, 40).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 1), min_size=n, max_size=n), min_size=1, max_size=6)
)


def percents(tally: Tally, passes: list[list[int]], batch_size: int) -> list[float]:
    return [float(100 * ratio) for ratio in batch_averaging.ratios(tally, np.array(passes, dtype=bool), batch_size)]


@given(BITS, st.integers(1, 45))
@settings(deadline=None)
def test_every_tally_equals_its_program_replayed(passes: list[list[int]], batch_size: int) -> None:
    replayed = {
        batch_averaging.EXACT: replay.akamaster(passes, batch_size),
        batch_averaging.BATCH_MEAN: replay.lbcnn(passes, batch_size),
        batch_averaging.NOMINAL: replay.klachko(passes, batch_size),
        batch_averaging.TRUNCATED: replay.klachko(passes, batch_size, integers=True),
        batch_averaging.FULL_BATCHES: replay.pnn(passes, batch_size, smoothing=False),
        batch_averaging.SMOOTHED: replay.pnn(passes, batch_size),
        batch_averaging.SMOOTHED_RESET: replay.pnn(passes, batch_size, working_reset=True),
        batch_averaging.TWO_BATCHES: replay.readme(passes, batch_size),
    }
    for tally, (history, _) in replayed.items():
        assert percents(tally, passes, batch_size) == pytest.approx(history, abs=1e-9), tally.name


@given(BITS, st.integers(1, 90))
@settings(deadline=None)
def test_a_padded_split_equals_the_mean_over_processes(passes: list[list[int]], world: int) -> None:
    exact = [
        100 * ratio for ratio in batch_averaging.ratios(batch_averaging.padded(world), np.array(passes, dtype=bool), 7)
    ]
    assert exact == [replay.padded(one, world) for one in passes]


@pytest.mark.parametrize(("n", "world"), [(10, 1), (10, 3), (10, 10), (10, 64), (3, 8), (1, 5), (26032, 48)])
def test_the_padding_is_that_of_torchs_sampler(n: int, world: int) -> None:
    from torch.utils.data import DistributedSampler

    times = np.zeros(n, dtype=np.int64)
    for rank in range(world):
        np.add.at(times, list(DistributedSampler(range(n), world, rank, shuffle=False)), 1)
    weights, whole = batch_averaging.padded(world).weights(n, 10)
    assert weights.tolist() == times.tolist()
    assert whole == times.sum()


def test_padding_is_off_by_its_share_times_the_lead_of_the_first_images() -> None:
    correct = np.random.default_rng(3).random((1, 10_000)) < 0.8
    repeated = -10_000 % 64
    assert repeated == 48
    exact, first = Fraction(int(correct.sum()), 10_000), Fraction(int(correct[0, :repeated].sum()), repeated)
    [found] = batch_averaging.ratios(batch_averaging.padded(64), correct, 1)
    assert found - exact == Fraction(repeated, 10_000 + repeated) * (first - exact)


def test_ratios_of_integers_are_exact() -> None:
    correct = np.random.default_rng(1).random((3, 1003)) < 0.9
    hits = [int(row.sum()) for row in correct]
    assert batch_averaging.ratios(batch_averaging.EXACT, correct, 64) == [Fraction(h, 1003) for h in hits]
    assert batch_averaging.ratios(batch_averaging.NOMINAL, correct, 64) == [Fraction(h, 16 * 64) for h in hits]
    parts = [[row[start : start + 64] for start in range(0, 1003, 64)] for row in correct]
    means = [sum(Fraction(int(part.sum()), len(part)) for part in row) / 16 for row in parts]
    assert batch_averaging.ratios(batch_averaging.BATCH_MEAN, correct, 64) == means
    cut = [sum(Fraction(int(100 * part.sum()) // 64, 100) for part in row) / 16 for row in parts]
    assert batch_averaging.ratios(batch_averaging.TRUNCATED, correct, 64) == cut


@pytest.mark.parametrize("tally", LINEAR, ids=lambda t: t.name)
@pytest.mark.parametrize("batch_size", [1, 7, 10, 64, 300])
def test_the_number_of_a_pass_is_the_sum_of_the_weights_of_its_hits(tally: Tally, batch_size: int) -> None:
    one = np.random.default_rng(batch_size).random((1, 200)) < 0.7
    weights, whole = tally.weights(200, batch_size)
    assert weights.shape == (200,)
    total = math.fsum(weight for weight, hit in zip(weights.tolist(), one[0], strict=True) if hit)
    assert float(batch_averaging.ratios(tally, one, batch_size)[0]) == pytest.approx(total / whole, abs=1e-12)


@pytest.mark.parametrize("batch_size", [5, 10, 16, 20])
def test_an_even_split_is_counted_exactly_by_all_that_neither_smooth_nor_cut(batch_size: int) -> None:
    correct = np.random.default_rng(2).random((2, 10_000)) < 0.855
    exact = batch_averaging.ratios(batch_averaging.EXACT, correct, batch_size)
    for tally in (
        batch_averaging.BATCH_MEAN,
        batch_averaging.NOMINAL,
        batch_averaging.FULL_BATCHES,
        batch_averaging.padded(8),
    ):
        assert batch_averaging.ratios(tally, correct, batch_size) == exact


def test_a_nominal_divisor_of_64_reads_90_as_89_57() -> None:
    """10,000 images are 157 batches of 64: 10,000 / 64 / 157 = 0.99522."""
    correct = np.arange(10_000)[None, :] < 9_000
    [found] = batch_averaging.ratios(batch_averaging.NOMINAL, correct, 64)
    assert found == Fraction(9, 10) * Fraction(10_000, 64 * 157)
    assert float(100 * found) == pytest.approx(89.57, abs=0.005)


def test_svhn_in_batches_of_10_ends_with_a_batch_of_2() -> None:
    """26,032 images: the two images of the last batch weigh five times as much as others."""
    weights, whole = batch_averaging.BATCH_MEAN.weights(26_032, 10)
    assert weights[:26_030].tolist() == [1] * 26_030
    assert weights[26_030:].tolist() == [5, 5]
    assert whole == weights.sum() == 2604 * 10


def test_batches_that_are_not_full_are_16_of_the_10000_images_at_64() -> None:
    weights, whole = batch_averaging.FULL_BATCHES.weights(10_000, 64)
    assert (weights == 0).sum() == 16
    assert whole == 9_984


@pytest.mark.parametrize(
    ("batch_size", "rate", "bias"), [(10, 0.855, 0.0), (20, 0.855, 0.0), (16, 0.855, -0.41), (16, 0.726, -0.37)]
)
def test_cutting_percentages_is_biased_as_derived(batch_size: int, rate: float, bias: float) -> None:
    """The mean of floor(100 c / B) - 100 c / B over binomial c; the weights of one batch by its share of a split."""
    shares = binom.pmf(np.arange(batch_size + 1), batch_size, rate)
    cut = [
        float(
            100
            * batch_averaging.ratios(batch_averaging.TRUNCATED, np.arange(batch_size)[None, :] < hits, batch_size)[0]
        )
        for hits in range(batch_size + 1)
    ]
    assert shares @ cut - 100 * rate == pytest.approx(bias, abs=0.005)


def test_cutting_costs_about_half_a_point_at_64() -> None:
    correct = np.random.default_rng(4).random((40, 9_984)) < 0.855
    exact = [float(100 * r) for r in batch_averaging.ratios(batch_averaging.EXACT, correct, 64)]
    cut = percents(batch_averaging.TRUNCATED, correct.tolist(), 64)
    assert np.mean(np.subtract(cut, exact)) == pytest.approx(-0.5, abs=0.03)


def test_the_last_ten_batches_have_97_percent_of_a_smoothed_number() -> None:
    weights, _ = batch_averaging.SMOOTHED.weights(10_000, 10)
    assert 100 * weights[-100:].sum() == pytest.approx(97.2, abs=0.05)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert weights[-1] == pytest.approx(0.03)
    assert weights[-11] == pytest.approx(0.021)


def test_smoothing_counts_as_much_as_57_images() -> None:
    """1 / (0.09 / 0.51) = 17 / 3 = 5.67 batches; 57 images of which 85.5 % are right: an error of 4.7 points."""
    assert batch_averaging.effective_batches() == Fraction(17, 3) == 1 / (Fraction(9, 100) / Fraction(51, 100))
    assert batch_averaging.effective_images(batch_averaging.SMOOTHED, 10_000, 10) == pytest.approx(56.67, abs=0.005)
    assert 100 * batch_averaging.standard_error(batch_averaging.SMOOTHED, 0.855, 10_000, 10) == pytest.approx(
        4.7, abs=0.05
    )
    assert batch_averaging.effective_images(batch_averaging.EXACT, 10_000, 10) == pytest.approx(10_000)
    assert batch_averaging.effective_images(batch_averaging.FULL_BATCHES, 9, 10) == 0.0


@pytest.mark.parametrize("tally", LINEAR, ids=lambda t: t.name)
def test_the_standard_error_is_that_of_all_outcomes(tally: Tally) -> None:
    """All 2^9 ways in which nine images can be right, each with its probability."""
    rate, outcomes = 0.7, np.array(list(itertools.product([0, 1], repeat=9)), dtype=bool)
    chance = (rate**outcomes * (1 - rate) ** ~outcomes).prod(axis=1)
    values = np.array([float(batch_averaging.ratios(tally, one[None, :], 4)[0]) for one in outcomes])
    variance = chance @ values**2 - (chance @ values) ** 2
    assert batch_averaging.standard_error(tally, rate, 9, 4) == pytest.approx(math.sqrt(variance), abs=1e-12)


def test_what_is_carried_over_cannot_be_seen_after_1000_batches_but_after_5() -> None:
    correct = np.random.default_rng(5).random((4, 10_000)) < 0.855
    with_carry, without = (
        percents(t, correct.tolist(), 10) for t in (batch_averaging.SMOOTHED, batch_averaging.SMOOTHED_RESET)
    )
    assert with_carry == pytest.approx(without, abs=1e-12)
    few = np.ones((3, 50), dtype=bool)
    kept = KEPT**5
    assert [float(1 - kept)] * 3 == pytest.approx(
        [float(r) for r in batch_averaging.ratios(batch_averaging.SMOOTHED_RESET, few, 10)]
    )
    sums = [1 - kept, 1 - kept**2, 1 - kept**3]
    assert [float(r) for r in batch_averaging.ratios(batch_averaging.SMOOTHED, few, 10)] == pytest.approx(
        [float(s) for s in sums]
    )


def test_the_readme_and_the_code_of_smoothing_differ() -> None:
    """Three batches of one: the README weighs the last two 0.7 and 0.3, the code all three 0.147, 0.21 and 0.3."""
    for image, (code, words) in enumerate([(0.147, 0.0), (0.21, 0.7), (0.3, 0.3)]):
        hit = np.arange(3)[None, :] == image
        assert float(batch_averaging.ratios(batch_averaging.SMOOTHED, hit, 1)[0]) == pytest.approx(code)
        assert float(batch_averaging.ratios(batch_averaging.TWO_BATCHES, hit, 1)[0]) == pytest.approx(words)


def test_without_a_full_batch_a_monitor_prints_its_first_zero() -> None:
    right = np.ones((2, 9), dtype=bool)
    for tally in (
        batch_averaging.FULL_BATCHES,
        batch_averaging.SMOOTHED,
        batch_averaging.SMOOTHED_RESET,
        batch_averaging.TWO_BATCHES,
    ):
        assert batch_averaging.ratios(tally, right, 10) == [0, 0]
    assert replay.pnn(right.tolist(), 10)[0] == [0, 0]


def test_a_passes_number_does_not_depend_on_how_the_bits_lie_in_memory() -> None:
    correct = np.random.default_rng(6).random((5, 103)) < 0.6
    for tally in EVERY:
        plain, turned = (batch_averaging.ratios(tally, bits, 10) for bits in (correct, np.asfortranarray(correct)))
        assert [float(a) for a in plain] == pytest.approx([float(b) for b in turned], abs=1e-12)


def test_no_processes_are_refused() -> None:
    with pytest.raises(BadParameter, match="Expected the number of processes to be at least 1, got 0"):
        batch_averaging.padded(0)
