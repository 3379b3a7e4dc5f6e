"""Tests of probabilities, compared with all orders and outcomes of small passes and with the figures of the dispute."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from reference import accounting as replay

from benchsuite.stats import batch_averaging, resampling
from benchsuite.stats.accounting import BEST, BEST_LATE, LAST, LOWEST
from benchsuite.stats.batch_averaging import Tally

LINEAR = [
    batch_averaging.EXACT,
    batch_averaging.BATCH_MEAN,
    batch_averaging.NOMINAL,
    batch_averaging.FULL_BATCHES,
    batch_averaging.SMOOTHED,
    batch_averaging.SMOOTHED_RESET,
    batch_averaging.TWO_BATCHES,
    batch_averaging.padded(4),
]
EVERY = [*LINEAR, batch_averaging.TRUNCATED]
PASSES = np.array([[1, 0, 1, 1, 0, 0, 1], [1, 1, 1, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1, 0]], dtype=bool)
"""Three epochs of seven images; batches of 3 leave one over."""
DRAWN = [0.304, 0.8612, 0.3049, 0.8658, 0.299632, 0.85336, 0.295472, 0.848336, 0.24, 0.5276, 0.628524]
DRAWN += [0.27, 0.4723, 0.641427]
"""The numbers of two draws: exact and truncated, independent errors; smoothed, other orders."""


def in_all_orders(tally: Tally) -> NDArray[np.float64]:
    """The numbers of the three epochs for each of the 5,040 orders: (5040, 3)."""
    orders = itertools.permutations(range(7))
    return np.array([[float(r) for r in batch_averaging.ratios(tally, PASSES[:, list(order)], 3)] for order in orders])


@pytest.mark.parametrize("tally", LINEAR, ids=lambda t: t.name)
def test_mean_and_spread_are_those_of_all_orders(tally: Tally) -> None:
    last = in_all_orders(tally)[:, -1]
    assert resampling.of_all_orders(tally, PASSES, 3) == pytest.approx((last.mean(), last.std()), abs=1e-12)


@pytest.mark.parametrize("tally", EVERY, ids=lambda t: t.name)
def test_random_orders_are_a_sample_of_all_orders_kept_for_all_epochs(tally: Tally) -> None:
    every = in_all_orders(tally)
    drawn = resampling.reordered(tally, PASSES, 3, draws=3000, seed=1)
    known = {tuple(np.round(row, 9)) for row in every}
    assert {tuple(np.round(row, 9)) for row in drawn} <= known
    error = every.std(axis=0) / math.sqrt(3000)
    assert (np.abs(drawn.mean(axis=0) - every.mean(axis=0)) <= 5 * error + 1e-12).all()
    assert drawn.std(axis=0) == pytest.approx(every.std(axis=0), rel=0.1, abs=1e-12)
    best, of_all = drawn.max(axis=1), every.max(axis=1)
    assert abs(best.mean() - of_all.mean()) <= 5 * of_all.std() / math.sqrt(3000) + 1e-12


def test_equal_epochs_stay_equal_in_every_order() -> None:
    correct = np.repeat(np.random.default_rng(1).random((1, 2000)) < 0.8, 3, axis=0)
    for tally in (batch_averaging.SMOOTHED_RESET, batch_averaging.TRUNCATED):
        drawn = resampling.reordered(tally, correct, 16, draws=20, seed=2)
        assert (drawn == drawn[:, :1]).all()
        assert len(set(drawn[:, 0].tolist())) > 5


@pytest.mark.parametrize("tally", EVERY, ids=lambda t: t.name)
@pytest.mark.parametrize("batch_size", [3, 20])
def test_independent_errors_have_the_mean_and_spread_of_all_outcomes(tally: Tally, batch_size: int) -> None:
    """All 2^7 outcomes of a pass, each with its probability; two epochs of different rates."""
    outcomes = np.array(list(itertools.product([0, 1], repeat=7)), dtype=bool)
    drawn = resampling.independent(tally, np.array([0.3, 0.8]), 7, batch_size, draws=4000, seed=3)
    assert drawn.shape == (4000, 2)
    single = np.array([float(batch_averaging.ratios(tally, one[None, :], batch_size)[0]) for one in outcomes])
    mean, variance = 0.0, 0.0
    kept = 0.7 ** (7 // batch_size) if tally.carries else 0.0
    for epoch, rate in enumerate((0.3, 0.8)):
        chance = (rate**outcomes * (1 - rate) ** ~outcomes).prod(axis=1)
        mean = chance @ single + kept * mean
        variance = chance @ single**2 - (chance @ single) ** 2 + kept**2 * variance
        assert abs(drawn[:, epoch].mean() - mean) <= 5 * math.sqrt(variance / 4000) + 1e-12
        assert drawn[:, epoch].std() == pytest.approx(math.sqrt(max(0, variance)), rel=0.1, abs=1e-12)


@pytest.mark.parametrize("tally", EVERY, ids=lambda t: t.name)
@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_network_that_is_always_right_or_wrong_has_no_chances(tally: Tally, rate: float) -> None:
    [certain] = batch_averaging.ratios(tally, np.full((1, 1000), bool(rate)), 16)
    drawn = resampling.independent(tally, np.array([rate]), 1000, 16, draws=10, seed=0)
    assert drawn == pytest.approx(float(certain), abs=1e-12)


def test_draws_are_those_of_images_drawn_one_by_one() -> None:
    """The reference draws every image of every epoch and replays the programs."""
    rng = np.random.default_rng(8)
    ways = {
        batch_averaging.SMOOTHED: lambda one: replay.pnn(one, 16)[0][-1],
        batch_averaging.TRUNCATED: lambda one: replay.klachko(one, 16, integers=True)[0][-1],
    }
    for tally, way in ways.items():
        slow = np.array([way([(rng.random(500) < 0.8).astype(int).tolist()]) for _ in range(400)])
        fast = 100 * resampling.independent(tally, np.array([0.8]), 500, 16, draws=4000, seed=4)[:, 0]
        assert abs(slow.mean() - fast.mean()) < 5 * slow.std() / 20
        assert np.quantile(slow, [0.1, 0.5, 0.9]) == pytest.approx(
            np.quantile(fast, [0.1, 0.5, 0.9]), abs=slow.std() / 3
        )


def test_the_spread_of_independent_errors_is_the_closed_form() -> None:
    for tally in LINEAR:
        drawn = resampling.independent(tally, np.array([0.855]), 10_000, 64, draws=4000, seed=5)
        assert drawn.std() == pytest.approx(batch_averaging.standard_error(tally, 0.855, 10_000, 64), rel=0.06)


def test_the_best_of_80_epochs_is_what_the_dispute_needs() -> None:
    """85.5 % right, batches of 10, 10,000 images: exact best-of-80 86.33; smoothed 84.7 once, 93.5 best of 20, 95.0
    best of 80. Those figures are of one small simulation each, ours are means of many; 90.53 needs no other cause."""
    rates = np.full(80, 0.855)
    exact = 100 * resampling.independent(batch_averaging.EXACT, rates, 10_000, 10, draws=1000, seed=6)
    smoothed = 100 * resampling.independent(batch_averaging.SMOOTHED, rates, 10_000, 10, draws=1000, seed=6)
    assert exact.max(axis=1).mean() == pytest.approx(86.33, abs=0.05)
    assert smoothed[:, 0].mean() == pytest.approx(84.7, abs=smoothed.std() / 4)
    assert smoothed[:, :20].max(axis=1).mean() == pytest.approx(93.5, abs=0.25)
    assert smoothed.max(axis=1).mean() == pytest.approx(95.0, abs=0.25)
    assert (smoothed.max(axis=1) >= 90.53).mean() > 0.999
    assert (exact.max(axis=1) < 90.53).all()


def test_epochs_that_err_on_the_same_images_gain_less_than_independent_ones() -> None:
    rng = np.random.default_rng(9)
    hard = rng.random(10_000) < 0.15
    correct = ~(hard ^ (rng.random((40, 10_000)) < 0.01))
    shared = resampling.reordered(batch_averaging.SMOOTHED, correct, 10, draws=200, seed=7).max(axis=1)
    rates = correct.mean(axis=1)
    free = resampling.independent(batch_averaging.SMOOTHED, rates, 10_000, 10, draws=200, seed=7).max(axis=1)
    assert shared.mean() < free.mean() - 0.02


def test_draws_are_those_of_every_version_of_numpy() -> None:
    """Made once with NumPy 2.4 and the same with 2.5, whose default generator draws others."""
    rates = np.array([0.3, 0.859])
    exact = resampling.independent(batch_averaging.EXACT, rates, 10_000, 16, draws=2, seed=5)
    truncated = resampling.independent(batch_averaging.TRUNCATED, rates, 10_000, 16, draws=2, seed=5)
    order = resampling.reordered(batch_averaging.SMOOTHED, PASSES, 3, draws=2, seed=5)
    assert np.round([*exact.ravel(), *truncated.ravel(), *order.ravel()], 9).tolist() == DRAWN


def test_a_seed_gives_the_same_draws_and_another_seed_others() -> None:
    rates = np.full(3, 0.8)
    for tally in (batch_averaging.SMOOTHED, batch_averaging.TRUNCATED):
        first, again, other = (resampling.independent(tally, rates, 200, 16, draws=9, seed=s) for s in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()
        first, again, other = (resampling.reordered(tally, PASSES, 3, draws=9, seed=s) for s in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()


def test_a_choice_is_made_in_each_draw() -> None:
    values = np.array([[0.1, 0.5, *[0.0] * 9, 0.2, 0.3], [0.9, 0.5, *[0.4] * 9, 0.6, 0.7]])
    assert resampling.chosen(LAST, values).tolist() == [0.3, 0.7]
    assert resampling.chosen(BEST, values).tolist() == [0.5, 0.9]
    assert resampling.chosen(BEST_LATE, values).tolist() == [0.3, 0.7]
    assert resampling.chosen(LOWEST, values).tolist() == [0.0, 0.4]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.3, 0.17, 0.01, 1e-4])
def test_even_odds_come_with_the_first_number_of_epochs_that_reaches_half(share: float) -> None:
    epochs = resampling.epochs_for_even_odds(share)
    assert epochs is not None
    assert 1 - (1 - share) ** epochs >= 0.5 - 1e-12
    assert epochs == 1 or 1 - (1 - share) ** (epochs - 1) < 0.5


def test_what_no_epoch_reaches_has_no_even_odds() -> None:
    assert resampling.epochs_for_even_odds(0.0) is None
