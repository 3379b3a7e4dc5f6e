"""Optimisers compared with references that move one scalar; frozen parameters do not change."""

from __future__ import annotations

import copy
import dataclasses
import math
from typing import Any

import pytest
import torch
from reference import optimizers as twins
from toy_training import USUAL

from benchsuite import BadParameter, Optimizer
from benchsuite.specs.recipe import OPTIMIZERS
from benchsuite.training.optimizers import clear_gradients, freeze, make, restore, set_rate

CASES = {
    "sgd": (Optimizer("sgd", 0.1), twins.sgd(0.1, 0, False, 0)),
    "momentum": (Optimizer("sgd", 0.1, 0.9, weight_decay=0.01), twins.sgd(0.1, 0.9, False, 0.01)),
    "nesterov": (Optimizer("sgd", 0.1, 0.9, True, weight_decay=0.01), twins.sgd(0.1, 0.9, True, 0.01)),
    "adam": (Optimizer("adam", 0.01, weight_decay=0.1), twins.adam(0.01, (0.9, 0.999), 0.1, False)),
    "betas": (Optimizer("adam", 0.01, betas=(0.5, 0.9)), twins.adam(0.01, (0.5, 0.9), 0, False)),
    "adamw": (Optimizer("adamw", 0.01, weight_decay=0.1), twins.adam(0.01, (0.9, 0.999), 0.1, True)),
    "rmsprop": (Optimizer("rmsprop", 0.01, 0.5, weight_decay=0.1), twins.rmsprop(0.01, 0.5, 0.1)),
    "adagrad": (Optimizer("adagrad", 0.1, weight_decay=0.1), twins.adagrad(0.1, 0.1)),
    "adadelta": (Optimizer("adadelta", 1.0, weight_decay=0.1), twins.adadelta(1.0, 0.1)),
}


class One(torch.nn.Module):
    """Two scalars: one that a reference optimiser moves too, and one that a recipe may freeze."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.5], dtype=torch.float64))
        self.fixed = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))


def loss(x: torch.Tensor) -> torch.Tensor:
    return (x**4 / 4 + torch.sin(3 * x)).sum()


def gradient(x: float) -> float:
    return x**3 + 3 * math.cos(3 * x)


@pytest.mark.parametrize("name", CASES)
def test_ten_steps_are_those_of_the_twin(name: str) -> None:
    how, twin = CASES[name]
    recipe = dataclasses.replace(USUAL, optimizer=how, frozen=("fixed",))
    module, value = One(), 1.5
    freeze(module, recipe)
    optimiser = make(module, recipe)
    for _ in range(10):
        clear_gradients(optimiser)
        loss(module.weight).backward()
        optimiser.step()
        value = twin(value, gradient(value))
        assert module.weight.item() == pytest.approx(value, rel=1e-9)
    assert module.fixed.item() == 2.0


def test_every_optimiser_of_a_recipe_has_a_twin() -> None:
    assert {how.name for how, _ in CASES.values()} == set(OPTIMIZERS)


def test_decay_shrinks_what_is_frozen_where_the_recipe_says_so() -> None:
    recipe = dataclasses.replace(
        USUAL, optimizer=Optimizer("sgd", 0.1, 0.9, weight_decay=0.5), frozen=("fixed",), decay="frozen too"
    )
    module, twin, value = One(), twins.sgd(0.1, 0.9, False, 0.5), 2.0
    assert freeze(module, recipe) == 1
    optimiser = make(module, recipe)
    for _ in range(5):
        clear_gradients(optimiser)
        loss(module.weight).backward()
        optimiser.step()
        value = twin(value, 0.0)
    assert module.fixed.item() == pytest.approx(value)


def test_a_frozen_name_that_no_parameter_has_is_refused() -> None:
    with pytest.raises(BadParameter, match="the beginning of a parameter's name, got stem"):
        freeze(One(), dataclasses.replace(USUAL, frozen=("stem",)))


@pytest.mark.parametrize(("name", "field"), [("sgd", "momentum"), ("rmsprop", "momentum"), ("adamw", "betas")])
def test_rate_and_momentum_can_be_moved(name: str, field: str) -> None:
    optimiser = make(
        One(), dataclasses.replace(USUAL, optimizer=Optimizer(name, 0.1, momentum=0.9 if name != "adamw" else 0))
    )
    set_rate(optimiser, 0.03, None)
    before = optimiser.param_groups[0][field]
    set_rate(optimiser, 0.03, 0.77)
    (group,) = optimiser.param_groups
    assert group["lr"] == 0.03
    assert group[field] == (0.77 if field == "momentum" else (0.77, before[1]))


@pytest.mark.parametrize("after", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("name", ["momentum", "adam", "adamw", "rmsprop", "adagrad", "adadelta"])
def test_a_state_of_another_memory_format_goes_on_to_the_same_weights(name: str, after: Any) -> None:
    recipe = dataclasses.replace(USUAL, optimizer=CASES[name][0])
    before = torch.contiguous_format if after == torch.channels_last else torch.channels_last
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(4, 5, 3, bias=False).to(memory_format=before)
    optimiser, gradients = make(layer, recipe), torch.randn(4, 5, 4, 3, 3)

    def step(module: Any, optimiser: Any, gradient: Any) -> None:
        module.weight.grad = torch.empty_like(module.weight).copy_(gradient)
        optimiser.step()

    for gradient in gradients[:2]:
        step(layer, optimiser, gradient)
    state = optimiser.state_dict()
    kept = copy.deepcopy(state)
    other = copy.deepcopy(layer).to(memory_format=after)
    resumed = make(other, recipe)
    restore(resumed, state)
    for gradient in gradients[2:]:
        step(layer, optimiser, gradient)
        step(other, resumed, gradient)
    assert layer.weight.stride() != other.weight.stride()
    torch.testing.assert_close(other.weight, layer.weight, rtol=1e-6, atol=1e-7)
    assert kept["param_groups"] == state["param_groups"]
