"""Plans a training before any work: the network with its options, the recipe at its scale, the samples."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, expected, unknown_name
from benchsuite.models.weights import fitted, trains
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Sample, Split, recipe_for, shuffled, spread
from benchsuite.specs.perturbation import perturbation_data
from benchsuite.specs.recipe import Changes, Grid, Level, Recipe, Schedule
from benchsuite.storage import keys
from benchsuite.storage.data_places import located

SCALES = ("full", "mini")
NOT_PUBLISHED = "no number in print"
"""The field ``expected`` of a grid's cell whose recipe was published nowhere."""


def scaled(recipe: Recipe, scale: str) -> Recipe:
    """The recipe at a scale: unchanged (``full``), or smaller, for two CPU cores (``mini``), named ``klachko-5@mini``.

    Raises ``BadParameter`` for an unknown scale, and for ``mini`` if the recipe does not declare it.
    """
    if scale not in SCALES:
        raise BadParameter(expected("--scale", f"one of {', '.join(SCALES)}", scale))
    if scale == "full":
        return recipe
    mini = recipe.mini
    if mini is None:
        raise BadParameter(expected("--scale", f"full, the only scale of {recipe.name}", scale))
    shorter = with_epochs(recipe, max(1, round(recipe.epochs / mini.shorter)))
    optimizer = dataclasses.replace(recipe.optimizer, learning_rate=recipe.optimizer.learning_rate * mini.rate)
    return dataclasses.replace(
        shorter,
        name=f"{recipe.name}@mini",
        batch_size=mini.batch_size or recipe.batch_size,
        count_batch=recipe.count_batch or recipe.batch_size,
        optimizer=optimizer,
        options=tuple((dict(recipe.options) | dict(mini.options)).items()),
        images=mini.images,
        passes=mini.passes,
        mini=None,
    )


def with_epochs(recipe: Recipe, epochs: int) -> Recipe:
    """The recipe with another number of epochs, which its name says: ``akamaster-20@epochs=3``.

    Milestones and a warm-up in epochs are scaled in proportion, so every phase of the schedule is still trained. Raises
    ``BadParameter`` for fewer than 1 epoch, and for milestones in iterations without a number of ``iterations``.
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
    """The schedule for another number of epochs; its milestones are in epochs, counted from 0."""
    schedule, ratio = recipe.schedule, epochs / recipe.epochs
    if schedule.unit == "iterations":
        if recipe.iterations is None:
            rule = "a number, as its milestones are in iterations"
            raise BadParameter(expected(f"iterations of the recipe {recipe.name}", rule, "none"))
        milestones = tuple(m / recipe.iterations * epochs for m in schedule.milestones)
    else:
        milestones = tuple((m - schedule.first) * ratio for m in schedule.milestones)
    warmup = schedule.warmup
    if warmup is not None and warmup.until_error is None:
        warmup = dataclasses.replace(warmup, epochs=warmup.epochs * ratio)
    return dataclasses.replace(schedule, milestones=milestones, unit="epochs", first=0, warmup=warmup)


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with changed fields; ``optimizer.FIELD`` and ``options.NAME`` change a part of a field."""
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
    """Every combination of levels with its recipe, named after the grid and the levels, the fewest epochs first.

    The published number of the recipe holds for that recipe only: a cell that differs from it has ``NOT_PUBLISHED``.
    """
    combinations = []
    for levels in itertools.product(*(levels for _, levels in grid.factors)):
        name = "-".join([grid.name, *(level.name for level in levels)])
        cell = dataclasses.replace(recipe, name=name, mini=grid.mini or recipe.mini)
        for level in levels:
            cell = changed(cell, level.changes)
        if trains(cell) != trains(recipe):
            cell = dataclasses.replace(cell, source=grid.source, expected=NOT_PUBLISHED)
        note = f"Begins from the recipe {recipe.name}. {grid.note}".strip()
        combinations.append((levels, dataclasses.replace(cell, cost="not estimated", note=note)))
    return sorted(combinations, key=lambda cell: cell[1].epochs)


PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """The options of ``train`` as the user typed them. ``heldout`` is the number of training images not trained on."""

    architecture: str
    recipe: str | None = None
    data: str | None = None
    scale: str = "full"
    epochs: int | None = None
    seed: int | None = None
    heldout: int = 0
    device: str = "auto"
    precision: str = "auto"
    compiled: bool = False
    fresh: bool = False
    results: Path = Path("results")


@dataclass(frozen=True, slots=True)
class Job:
    """A planned training. Its id is a digest of ``identity``; ``learned`` and ``heldout`` are samples of ``train``."""

    run_id: str
    identity: dict[str, Any]
    architecture: Architecture
    owner: str
    recipe: Recipe
    scale: str
    train: Split
    test: Split
    learned: tuple[Sample, ...]
    heldout: tuple[Sample, ...]

    @property
    def what(self) -> str:
        """The training as text: network and recipe."""
        return f"{self.architecture.name} by {self.recipe.name}"

    @property
    def digest(self) -> str:
        """The digest of ``identity``, which a checkpoint carries."""
        return keys.digest(self.identity)


def plan(request: TrainRequest, catalog: Catalog) -> Job:
    """The training of a request. Raises a ``BenchsuiteError`` for unknown names and for values that do not fit."""
    if request.precision not in PRECISIONS:
        raise BadParameter(expected("--precision", f"one of {', '.join(PRECISIONS)}", request.precision))
    return job(request, find_recipe(request, catalog), catalog)


def job(request: TrainRequest, declared: Recipe, catalog: Catalog, opened: tuple[Split, Split] | None = None) -> Job:
    """The training of a declared recipe, changed by ``--scale``, ``--epochs`` and ``--seed``.

    ``opened`` are the training and the test split, if they are open already.
    """
    recipe = scaled(declared, request.scale)
    recipe = with_epochs(recipe, request.epochs) if request.epochs is not None else recipe
    recipe = dataclasses.replace(recipe, seed=request.seed) if request.seed is not None else recipe
    architecture = catalog.architecture(request.architecture, recipe.options)
    train, test = opened or open_splits(request, recipe, catalog)
    if not recipe.architecture:
        recipe = fitted(recipe, architecture)
    learned, heldout = _split(train.samples, request.heldout)
    learned = spread(learned, recipe.images) if recipe.images and recipe.images < len(learned) else learned
    learned = shuffled(learned) if recipe.labels == "shuffled" else learned
    owner = catalog.maker(architecture)
    identity = {
        "scores": keys.SCORES,
        "architecture": architecture.name,
        "owner": owner,
        "recipe": trains(recipe),
        "learned": keys.samples_digest(learned, real=False),
        "heldout": keys.samples_digest(heldout, real=False),
        "test": keys.samples_digest(test.samples, real=False),
        "precision": request.precision,
        "compiled": request.compiled,
    }
    if recipe.watched:
        identity["watched"] = [recipe.watched_images, *map(perturbation_data, recipe.watched)]
    run_id = keys.run_id(architecture.name, recipe.name, test.name, identity)
    return Job(run_id, identity, architecture, owner, recipe, request.scale, train, test, learned, heldout)


def open_splits(request: TrainRequest, recipe: Recipe, catalog: Catalog) -> tuple[Split, Split]:
    """The training and the test split. Raises ``BadParameter`` for another data set than the recipe's."""
    data = request.data or recipe.dataset
    name = data.partition(":")[0]
    if name != recipe.dataset:
        catalog.find("dataset", name)
        raise BadParameter(expected("--data", f"{recipe.dataset}, the data set of the recipe {recipe.name}", data))
    data = located(data, catalog)
    return catalog.open_dataset(data, "train")[1], catalog.open_dataset(data)[1]


def find_recipe(request: TrainRequest, catalog: Catalog) -> Recipe:
    """The recipe that ``--recipe`` names; without it, the data set's recipe for any network.

    Raises ``UnknownName`` with the nearest name, and ``BadParameter`` for a recipe of another network, or if no recipe
    is named and the data set has none.
    """
    head = request.architecture.partition(":")[0]
    bare = head if isinstance(catalog.architectures.get(head), Architecture) else request.architecture
    own = {r.name: r for r in catalog.architecture(bare).recipes}
    every = [recipe for d in catalog.datasets.values() for recipe in (d.recipe, d.residual_recipe)]
    own |= {recipe.name: recipe for recipe in every if recipe is not None}
    if request.recipe is None:
        dataset = catalog.find("dataset", request.data.partition(":")[0]) if request.data else None
        usual = recipe_for(dataset, catalog.architecture(bare)) if dataset else None
        if usual is None:
            raise BadParameter(expected("--recipe", f"one of {', '.join(own) or 'none'}", "none", bare))
        return own[usual.name]
    if request.recipe in own:
        return own[request.recipe]
    for other in catalog.architectures.values():
        if isinstance(other, Architecture) and request.recipe in {r.name for r in other.recipes}:
            got = f"{request.recipe}, which is one of {other.name}"
            raise BadParameter(expected("--recipe", f"one of {bare}", got))
    raise unknown_name(f"recipe of {bare}", request.recipe, own)


def _split(samples: tuple[Sample, ...], count: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """The samples to train on, and ``count`` held-out ones: those whose ids have the lowest SHA-256 digests."""
    if not 0 <= count < len(samples):
        raise BadParameter(expected("--held-out", f"from 0 to {len(samples) - 1}", count))
    chosen = set(sorted((s.id for s in samples), key=lambda name: hashlib.sha256(name.encode()).digest())[:count])
    return tuple(s for s in samples if s.id not in chosen), tuple(s for s in samples if s.id in chosen)
