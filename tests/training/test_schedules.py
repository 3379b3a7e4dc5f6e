"""Tests of learning rates, compared with torch's schedulers and with arithmetic by hand."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import Schedule, Warmup, steps
from benchsuite.builtin.datasets.digits import DIGITS
from benchsuite.training import schedules
from benchsuite.training.schedules import Clock, batches_per_epoch, length, momentum, rate, warmed


def rates(schedule: Schedule, epochs: int, per_epoch: int) -> list[float]:
    total = epochs * per_epoch
    return [rate(schedule, Clock(i, total, per_epoch)) for i in range(total)]


def of_torch(make, total: int, every: int = 1, **fields) -> tuple[list[float], list[float]]:
    """Learning rates and first betas of a torch scheduler that is stepped at every ``every``-th step."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([weight], 1.0)
    found, betas = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimiser, **fields)
        for i in range(total):
            found.append(optimiser.param_groups[0]["lr"])
            betas.append(optimiser.param_groups[0]["betas"][0])
            if (i + 1) % every == 0 and i + 1 < total:
                scheduler.step()
    return found, betas


@given(st.sets(st.integers(1, 12), max_size=4), st.integers(1, 7), st.sampled_from([0.1, 0.2]))
def test_milestones_in_epochs_are_those_of_multi_step_lr(milestones: set[int], per_epoch: int, factor: float) -> None:
    made = rates(steps(tuple(sorted(milestones)), factor), 12, per_epoch)
    make = torch.optim.lr_scheduler.MultiStepLR
    theirs, _ = of_torch(make, 12 * per_epoch, per_epoch, milestones=sorted(milestones), gamma=factor)
    assert made == pytest.approx(theirs)


@given(st.integers(6, 300))
def test_one_cycle_is_torchs(total: int) -> None:
    schedule = Schedule("one-cycle")
    make = torch.optim.lr_scheduler.OneCycleLR
    theirs, betas = of_torch(make, total, max_lr=1.0, total_steps=total, pct_start=0.2)
    clocks = [Clock(i, total, 7) for i in range(total)]
    assert [rate(schedule, c) for c in clocks] == pytest.approx(theirs)
    assert [momentum(schedule, c) for c in clocks] == pytest.approx(betas)


@pytest.mark.parametrize("total", [1, 2, 5])
def test_one_cycle_of_a_few_steps_is_finite_and_ends_low(total: int) -> None:
    made = rates(Schedule("one-cycle"), total, 1)
    assert all(0 < r <= 1 for r in made)
    assert total == 1 or made[-1] == pytest.approx(1 / 250_000)


def test_the_sixtieth_epoch_is_the_first_slow_one_when_epochs_are_counted_from_one() -> None:
    from_one, from_nought = steps((60,), 0.2, first=1), steps((60,), 0.2)
    assert [rate(from_one, Clock(i, 1000, 10)) for i in (589, 590)] == [1.0, 0.2]
    assert [rate(from_nought, Clock(i, 1000, 10)) for i in (599, 600)] == [1.0, 0.2]


def test_a_milestone_in_iterations_knows_nothing_of_epochs() -> None:
    schedule = steps((32_000, 48_000), 0.1, unit="iterations")
    made = [rate(schedule, Clock(i, 64_000, 391)) for i in (0, 31_999, 32_000, 47_999, 48_000, 63_999)]
    assert made == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_factors_are_multiples_of_the_first_rate() -> None:
    schedule = Schedule("steps", (81, 91, 101), (0.1, 10**-1.5, 0.01), first=1)
    assert [rate(schedule, Clock(e, 200, 1)) for e in (79, 80, 90, 100)] == [1, 0.1, 10**-1.5, 0.01]


def test_a_constant_schedule_moves_neither_rate_nor_momentum() -> None:
    assert set(rates(Schedule(), 3, 5)) == {1.0}
    assert momentum(Schedule(), Clock(1, 3, 5)) is None


def test_a_warm_up_of_an_epoch_ends_with_it() -> None:
    schedule = dataclasses.replace(steps((2,), 0.1), warmup=Warmup(0.1, epochs=1))
    assert rates(schedule, 3, 2) == [0.1, 0.1, 1.0, 1.0, 0.1, 0.1]


def test_a_warm_up_that_waits_for_an_error_lasts_until_it_is_told() -> None:
    schedule = Schedule(warmup=Warmup(0.1, until_error=0.8))
    clock = Clock(400, 64_000, 391)
    assert rate(schedule, clock, warming=True) == 0.1
    assert rate(schedule, clock, warming=False) == 1.0
    assert not warmed(Warmup(0.1, until_error=0.8), 81, 100)
    assert warmed(Warmup(0.1, until_error=0.8), 80, 100)
    assert not warmed(Warmup(0.1, epochs=1), 0, 100)


@pytest.mark.parametrize(
    ("images", "batch", "partial", "expected"),
    [(50_000, 128, True, 391), (50_000, 128, False, 390), (50_000, 10, True, 5000), (7, 7, True, 1), (5, 7, False, 1)],
)
def test_steps_of_an_epoch(images: int, batch: int, partial: bool, expected: int) -> None:
    assert batches_per_epoch(images, batch, partial) == expected


def test_iterations_end_a_training_within_its_epochs() -> None:
    assert length(164, 64_000, 391) == 64_000
    assert length(164, None, 391) == 64_124
    assert length(2, 64_000, 391) == 782


def test_small_images_come_first_and_larger_ones_are_fewer_a_batch() -> None:
    recipe = DIGITS.recipe
    assert recipe is not None
    assert schedules.sizes(recipe) == (32, 37, 55, 69)
    assert [schedules.size_at(recipe, step, 10) for step in range(10)] == [32, 37, 32, 37, 32, 37, 55, 69, 32, 37]
    assert [schedules.images_at(recipe, 32, size) for size in (24, 32, 37, 55, 69, 400)] == [32, 32, 24, 11, 7, 4]
    plain = dataclasses.replace(recipe, sizes=(), first_sizes=())
    assert (schedules.sizes(plain), schedules.size_at(plain, 3, 10)) == ((32,), 32)
