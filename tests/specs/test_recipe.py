"""Tests of recipes and their variants: other epochs, the small scale, the cells of a grid."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import toy_training
from benchsuite.protocols.frequency import high_pass, low_pass

from benchsuite import (
    Augmentation,
    BadParameter,
    Grid,
    Level,
    Mini,
    Optimizer,
    Schedule,
    Warmup,
    load_plugins,
    steps,
)
from benchsuite.models.weights import trains
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.perturbation import perturbation_data
from benchsuite.specs.recipe import Recipe, __name__, recipe_data
from benchsuite.stats import accounting
from benchsuite.storage import keys
from benchsuite.training.job import TrainRequest, cells, changed, plan, scaled, with_epochs

KINDS = [Optimizer, Warmup, Schedule, Augmentation, Mini, Level, Grid]
ALL = [
    (a, recipe)
    for a in load_plugins(entry_points=False).architectures.values()
    if isinstance(a, Architecture)
    for recipe in a.recipes
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_of_a_recipe_is_frozen_and_says_what_it_is(kind: type) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__module__ == __name__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


def test_steps_multiply_the_first_learning_rate() -> None:
    schedule = steps((60, 90, 120), 0.2, first=1)
    assert schedule.factors == pytest.approx((0.2, 0.04, 0.008))
    assert (schedule.kind, schedule.milestones, schedule.first) == ("steps", (60, 90, 120), 1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Optimizer("sdg", 0.1), "got sdg"),
        (lambda: Schedule("steps", (1, 2), (0.1,)), "2 and 1"),
        (lambda: Schedule("constant", (1,), (0.1,)), "for a schedule in steps"),
        (lambda: Schedule("steps", (2, 1), (0.1, 0.01)), "in ascending order"),
    ],
)
def test_parts_that_cannot_be_are_refused(make, words) -> None:
    with pytest.raises(BadParameter, match=words):
        make()


def test_other_epochs_move_every_milestone_in_proportion_and_the_name_says_so() -> None:
    short = with_epochs(dataclasses.replace(toy_training.USUAL, epochs=200, schedule=steps((100, 150), 0.1)), 4)
    assert (short.epochs, short.schedule.milestones, short.schedule.factors) == (4, (2.0, 3.0), (0.1, 0.1 * 0.1))
    assert short.name == "usual@epochs=4"
    assert with_epochs(toy_training.USUAL, toy_training.USUAL.epochs) is toy_training.USUAL
    with pytest.raises(BadParameter, match="at least 1"):
        with_epochs(toy_training.USUAL, 0)


def test_epochs_counted_from_one_are_counted_from_nought_in_a_variant() -> None:
    recipe = dataclasses.replace(toy_training.USUAL, epochs=150, schedule=steps((61, 91), 0.2, first=1))
    assert with_epochs(recipe, 15).schedule.milestones == (6.0, 9.0)
    assert with_epochs(recipe, 15).schedule.first == 0


def test_milestones_in_iterations_become_epochs_and_a_warm_up_shrinks_unless_it_waits_for_an_error() -> None:
    warm = dataclasses.replace(steps((32_000, 48_000), 0.1, unit="iterations"), warmup=Warmup(0.1, epochs=2))
    recipe = dataclasses.replace(toy_training.USUAL, epochs=164, iterations=64_000, schedule=warm)
    short = with_epochs(recipe, 4)
    assert (short.iterations, short.schedule.unit, short.schedule.milestones) == (None, "epochs", (2.0, 3.0))
    assert short.schedule.warmup == Warmup(0.1, epochs=2 * 4 / 164)
    waiting = dataclasses.replace(warm, warmup=Warmup(0.1, until_error=0.8))
    assert with_epochs(dataclasses.replace(recipe, schedule=waiting), 4).schedule.warmup == Warmup(0.1, until_error=0.8)
    with pytest.raises(BadParameter, match="iterations"):
        with_epochs(dataclasses.replace(recipe, iterations=None), 4)


def test_the_small_scale_says_so_in_its_name_and_still_counts_in_the_batches_of_the_source() -> None:
    mini = scaled(toy_training.USUAL, "mini")
    assert mini.name == "usual@mini"
    assert (mini.epochs, mini.batch_size, mini.images, mini.count_batch) == (2, 16, 40, 10)
    assert mini.optimizer.learning_rate == pytest.approx(0.1)
    assert dict(mini.options) == {"width": 2}
    assert mini.schedule.milestones == (1.0, 1.5)
    assert with_epochs(mini, 1).name == "usual@mini,epochs=1"
    assert scaled(toy_training.USUAL, "full") is toy_training.USUAL


def test_a_scale_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadParameter, match="one of full, mini, got tiny"):
        scaled(toy_training.USUAL, "tiny")
    with pytest.raises(BadParameter, match="the only scale of usual"):
        scaled(dataclasses.replace(toy_training.USUAL, mini=None), "mini")


def test_a_change_reaches_fields_options_and_the_optimiser() -> None:
    made = changed(toy_training.USUAL, (("epochs", 9), ("options.drop", 0.5), ("optimizer.learning_rate", 1.0)))
    assert (made.epochs, dict(made.options), made.optimizer.learning_rate) == (9, {"width": 6, "drop": 0.5}, 1.0)
    assert made.optimizer.nesterov


def test_a_grid_is_every_combination_the_shortest_first() -> None:
    made = cells(toy_training.GRID, toy_training.USUAL)
    assert len(made) == 16
    assert len({recipe.name for _, recipe in made}) == 16
    assert [recipe.epochs for _, recipe in made] == [1] * 8 + [2] * 8
    levels, recipe = made[0]
    assert [level.name for level in levels] == ["sgd", "1", "0.5", "noise"]
    assert recipe.name == "toy-grid-sgd-1-0.5-noise"
    assert dict(recipe.options) == {"width": 6, "drop": 0.5}


def test_a_cell_of_a_grid_claims_no_number_but_where_it_is_the_recipe_itself() -> None:
    """The published number belongs to the recipe itself, not to other cells; it is not part of the training's key."""
    for architecture in {a.name: a for a, _ in ALL}.values():
        for grid in architecture.grids:
            recipe = {r.name: r for r in architecture.recipes}[grid.recipe]
            made = [cell for _, cell in cells(grid, recipe)]
            same = [cell for cell in made if trains(cell) == trains(recipe)]
            assert [(c.expected, c.source) for c in same] == [(recipe.expected, recipe.source)]
            others = [cell for cell in made if cell not in same]
            assert {cell.expected for cell in others} == {"no number in print"}
            assert {cell.source for cell in others} == {grid.source}
            assert all(f"from the recipe {recipe.name}. {grid.note}" in cell.note for cell in made)
            assert all(cell.cost != recipe.cost for cell in made), "its epochs may be others"
            assert "no number" in scaled(others[0], "mini").expected
    assert sum(len(a.grids) for a, _ in ALL), "there is a grid to look at"


@pytest.mark.parametrize(("architecture", "recipe"), ALL, ids=lambda v: v.name)
def test_every_recipe_of_a_built_in_network_can_be_built_at_every_scale(
    architecture: Architecture, recipe: Recipe
) -> None:
    catalog = load_plugins(entry_points=False)
    for scale in ("full", "mini"):
        variant = scaled(recipe, scale)
        assert catalog.architecture(architecture.name, variant.options).recipes == architecture.recipes
    assert recipe.architecture == architecture.name
    assert accounting.find(recipe.accounting).name == recipe.accounting
    assert {grid.recipe for grid in architecture.grids} <= {r.name for r in architecture.recipes}
    assert recipe.source
    assert recipe.expected
    assert recipe.cost


LOW, HIGH = low_pass(), high_pass()
LATER: dict[str, Any] = {"passes": 2, "labels": "shuffled", "perturbation": LOW, "mixup": 0.5}
LATER["resting"] = 0.5
WATCHING: dict[str, Any] = {"watched": (LOW, HIGH), "watched_images": 7}


def test_fields_that_came_later_leave_the_keys_of_recipes_without_them_as_they_were() -> None:
    """The digests are those of the version before these fields existed."""
    assert keys.digest(trains(toy_training.USUAL)).startswith("17247b518a219192")
    assert keys.digest(trains(toy_training.ADAM)).startswith("7b022dbf8fbbe171")
    assert plan(TrainRequest("tiny", "usual"), toy_training.catalog()).run_id == "tiny_width_6-usual-dots-6d4acd4334f4"
    fields = {f.name for f in dataclasses.fields(Recipe)}
    assert set(recipe_data(toy_training.USUAL)) == fields - {*LATER, *WATCHING}
    assert set(recipe_data(toy_training.USUAL)["mini"]) == {f.name for f in dataclasses.fields(Mini)} - {"passes"}


@pytest.mark.parametrize("name", LATER)
def test_each_later_field_changes_the_key_of_the_weights(name: str) -> None:
    made = dataclasses.replace(toy_training.USUAL, **{name: LATER[name]})
    assert trains(made) != trains(toy_training.USUAL)
    assert set(trains(made)) == {*trains(toy_training.USUAL), name}


def test_two_perturbations_are_two_keys() -> None:
    low, high = (dataclasses.replace(toy_training.USUAL, perturbation=one) for one in (LOW, HIGH))
    assert keys.digest(trains(low)) != keys.digest(trains(high))


def test_what_is_watched_changes_no_weights_but_the_training_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def identity(recipe: Recipe) -> dict[str, Any]:
        network = dataclasses.replace(toy_training.ARCHITECTURE, recipes=(recipe,), grids=())
        monkeypatch.setattr(toy_training, "ARCHITECTURE", network)
        return plan(TrainRequest("tiny", "usual"), toy_training.catalog()).identity

    watching = dataclasses.replace(toy_training.USUAL, **WATCHING)
    assert trains(watching) == trains(toy_training.USUAL)
    plain, other = identity(toy_training.USUAL), identity(watching)
    assert other == {**plain, "watched": [7, perturbation_data(LOW), perturbation_data(HIGH)]}


def test_a_recipe_is_kept_as_plain_data() -> None:
    made = dataclasses.replace(toy_training.USUAL, **LATER, **WATCHING)
    data = json.loads(json.dumps(recipe_data(made)))
    assert set(data) == {f.name for f in dataclasses.fields(Recipe)}
    assert data["perturbation"] == perturbation_data(LOW)
    assert data["watched"] == [perturbation_data(LOW), perturbation_data(HIGH)]
    assert (data["labels"], data["mixup"], data["passes"], data["watched_images"]) == ("shuffled", 0.5, 2, 7)


def test_passes_of_the_small_scale_are_those_of_its_recipe() -> None:
    mini = dataclasses.replace(toy_training.USUAL, mini=Mini(2, passes=3))
    assert scaled(mini, "mini").passes == 3
    assert recipe_data(mini)["mini"]["passes"] == 3
    assert mini.passes == scaled(toy_training.USUAL, "mini").passes == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"labels": "random"}, "labels of the recipe usual to be one of true, shuffled, got random"),
        ({"mixup": 0.0}, "mixup of the recipe usual to be above 0, got 0.0"),
        ({"mixup": float("nan")}, "mixup of the recipe usual to be above 0, got nan"),
        ({"resting": -0.1}, "resting of the recipe usual to be from 0 to below 1, got -0.1"),
        ({"resting": 1.0}, "resting of the recipe usual to be from 0 to below 1, got 1.0"),
        ({"resting": float("nan")}, "resting of the recipe usual to be from 0 to below 1, got nan"),
        ({"passes": 0}, "passes of the recipe usual to be at least 1, got 0"),
        ({"watched_images": 0}, "watched_images of the recipe usual to be at least 1, got 0"),
        ({"perturbation": low_pass(on="image")}, "on of lowpass in the recipe usual to be crop"),
        ({"watched": (LOW, high_pass(on="image"))}, "on of highpass in the recipe usual to be crop"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(BadParameter, match=words):
        dataclasses.replace(toy_training.USUAL, **fields)
