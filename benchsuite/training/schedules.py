"""The learning rate and the size of the images at each step. Uses neither networks nor files."""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchsuite.specs.recipe import Recipe, Schedule, Warmup

RECENT = 50
"""The last so many steps give the training error that ends a warm-up with ``until_error``."""

RISE = 0.2
_FIRST, _LAST = 1 / 25, 1 / 250_000
_MOMENTA = (0.95, 0.85)


@dataclass(frozen=True, slots=True)
class Clock:
    """Position in a training: ``step`` of ``steps``, from 0; an epoch has ``per_epoch`` steps."""

    step: int
    steps: int
    per_epoch: int


def length(epochs: int, iterations: int | None, per_epoch: int) -> int:
    """Steps of a training: all epochs, or ``iterations`` if that is fewer; at least 1."""
    return max(1, per_epoch * epochs if iterations is None else min(iterations, per_epoch * epochs))


def batches_per_epoch(images: int, batch_size: int, partial: bool) -> int:
    """Steps in an epoch; a smaller last batch counts if ``partial``. At least 1, also for fewer images than a batch."""
    whole = images // batch_size
    return max(1, whole + (partial and images % batch_size > 0))


def rate(schedule: Schedule, clock: Clock, *, warming: bool = False) -> float:
    """The factor on the learning rate at a step. ``warming``: a warm-up with ``until_error`` has not ended yet."""
    if schedule.warmup is not None and (warming or clock.step < schedule.warmup.epochs * clock.per_epoch):
        return schedule.warmup.factor
    if schedule.kind == "one-cycle":
        return _one_cycle(clock, (_FIRST, 1.0, _LAST))
    reached = [
        f for m, f in zip(schedule.milestones, schedule.factors, strict=True) if clock.step >= _at(schedule, m, clock)
    ]
    return reached[-1] if reached else 1.0


def momentum(schedule: Schedule, clock: Clock) -> float | None:
    """The momentum (or first beta) at a step; None if the schedule does not change it."""
    high, low = _MOMENTA
    return _one_cycle(clock, (high, low, high)) if schedule.kind == "one-cycle" else None


def waits(warmup: Warmup | None) -> bool:
    """Whether there is a warm-up that lasts until a training error is reached."""
    return warmup is not None and warmup.until_error is not None


def warmed(warmup: Warmup, wrong: int, images: int) -> bool:
    """Whether the error over the most recent steps is low enough to end the warm-up."""
    return warmup.until_error is not None and wrong <= warmup.until_error * images


def _at(schedule: Schedule, milestone: float, clock: Clock) -> float:
    """The step at which a milestone is reached."""
    return milestone if schedule.unit == "iterations" else (milestone - schedule.first) * clock.per_epoch


def _one_cycle(clock: Clock, values: tuple[float, float, float]) -> float:
    """A cosine from the first value to the second over the first fifth of the steps, then one to the third."""
    first, top, last = values
    turn, end = RISE * clock.steps - 1, clock.steps - 1
    if clock.step <= turn:
        return _between(first, top, clock.step / turn if turn > 0 else 1.0)
    return _between(top, last, (clock.step - turn) / (end - turn) if end > turn else 1.0)


def _between(start: float, stop: float, part: float) -> float:
    return stop + (start - stop) / 2 * (1 + math.cos(math.pi * part))


def sizes(recipe: Recipe) -> tuple[int, ...]:
    """All sizes of images that a recipe trains on, in pixels, in ascending order."""
    return tuple(sorted({*recipe.first_sizes, *_usual_sizes(recipe)}))


def size_at(recipe: Recipe, step: int, steps: int) -> int:
    """The image size at a step, from 0: ``first_sizes`` in turn for 40 % of the steps, then the usual ones in turn."""
    turns = recipe.first_sizes if recipe.first_sizes and step < 0.4 * steps else _usual_sizes(recipe)
    return turns[step % len(turns)]


def images_at(recipe: Recipe, batch: int, size: int) -> int:
    """How many images of side ``size`` have the area of ``batch`` usual crops; at least 4, at most ``batch``."""
    return min(batch, max(4, round(batch * (recipe.preprocess.crop / size) ** 2)))


def _usual_sizes(recipe: Recipe) -> tuple[int, ...]:
    return recipe.sizes or (recipe.preprocess.crop,)
