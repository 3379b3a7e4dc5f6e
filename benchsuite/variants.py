"""Variants of a recipe: other epochs, the size for two CPU cores, and the cells of a grid. Each says so in its name."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.recipe import Changes, Grid, Level, Recipe, Schedule

SCALES = ("full", "mini")
UNPRINTED = "no number in print"
"""What is expected of a cell of a grid: its recipe was printed by nobody."""


def scaled(recipe: Recipe, scale: str) -> Recipe:
    """The recipe at a scale: itself (``full``), or what fits two CPU cores, named ``klachko-5@mini``.

    Raises ``BadParameter`` for a recipe that declares no such scale.
    """
    if scale not in SCALES:
        raise BadParameter(expected("--scale", f"one of {', '.join(SCALES)}", scale))
    if scale == "full":
        return recipe
    mini = recipe.mini
    if mini is None:
        raise BadParameter(expected("--scale", f"full, the only one of {recipe.name}", scale))
    shorter = lasting(recipe, max(1, round(recipe.epochs / mini.shorter)))
    optimizer = dataclasses.replace(recipe.optimizer, learning_rate=recipe.optimizer.learning_rate * mini.rate)
    return dataclasses.replace(
        shorter,
        name=f"{recipe.name}@mini",
        batch_size=mini.batch_size or recipe.batch_size,
        count_batch=recipe.count_batch or recipe.batch_size,
        optimizer=optimizer,
        options=tuple((dict(recipe.options) | dict(mini.options)).items()),
        images=mini.images,
        mini=None,
    )


def lasting(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with other epochs: milestones and warm-up move in proportion, so that every phase is passed through.

    The name says so: ``akamaster-20@epochs=3``.
    """
    if epochs < 1:
        raise BadParameter(expected("--epochs", "at least 1", epochs))
    if epochs == recipe.epochs:
        return recipe
    name, at, tail = recipe.name.partition("@")
    return dataclasses.replace(
        recipe,
        name=f"{name}@{tail}{',' if at else ''}epochs={epochs}",
        epochs=epochs,
        iterations=None,
        schedule=_stretched(recipe, epochs),
    )


def _stretched(recipe: Recipe, epochs: int) -> Schedule:
    """The schedule with its milestones in epochs of the new length, from 0."""
    schedule, ratio = recipe.schedule, epochs / recipe.epochs
    if schedule.unit == "iterations":
        if recipe.iterations is None:
            raise BadParameter(expected(f"the recipe {recipe.name}", "of a number of iterations", "only of epochs"))
        milestones = tuple(m / recipe.iterations * epochs for m in schedule.milestones)
    else:
        milestones = tuple((m - schedule.first) * ratio for m in schedule.milestones)
    warmup = schedule.warmup
    if warmup is not None and warmup.until_error is None:
        warmup = dataclasses.replace(warmup, epochs=warmup.epochs * ratio)
    return dataclasses.replace(schedule, milestones=milestones, unit="epochs", first=0, warmup=warmup)


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with other fields; ``optimizer.FIELD`` and ``options.NAME`` reach inside."""
    for path, value in changes:
        field, dot, inner = path.partition(".")
        new: Any = value
        if dot and field == "options":
            new = tuple((dict(recipe.options) | {inner: value}).items())
        elif dot:
            new = dataclasses.replace(getattr(recipe, field), **{inner: value})
        recipe = dataclasses.replace(recipe, **{field: new})
    return recipe


def cells(grid: Grid, recipe: Recipe) -> list[tuple[tuple[Level, ...], Recipe]]:
    """Every combination of levels with its recipe, named after the grid and the levels, the shortest first.

    What the recipe claims is a number of that recipe only: a cell that differs from it says that there is none.
    """
    made = []
    for levels in itertools.product(*(levels for _, levels in grid.factors)):
        name = "-".join([grid.name, *(level.name for level in levels)])
        cell = dataclasses.replace(recipe, name=name, mini=grid.mini or recipe.mini)
        for level in levels:
            cell = changed(cell, level.changes)
        if cell != dataclasses.replace(recipe, name=name, mini=cell.mini):
            cell = dataclasses.replace(cell, source=grid.source, expected=UNPRINTED)
        note = f"Begins from the recipe {recipe.name}. {grid.note}".strip()
        made.append((levels, dataclasses.replace(cell, cost="not estimated", note=note)))
    return sorted(made, key=lambda cell: cell[1].epochs)
