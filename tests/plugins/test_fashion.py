"""Tests of the networks of published Fashion-MNIST figures: sizes by hand, starts by formula, answers by NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from benchsuite.plugins import _fashion_model as model
from benchsuite.plugins import fashion

from benchsuite import BadParameter, UnsupportedProtocol, load_plugins
from benchsuite.specs.parameters import bind_architecture
from benchsuite.testing import check_architecture
from benchsuite.training.job import scaled

PLUGIN = {architecture.name: architecture for architecture in fashion.benchsuite_architectures()}
RECIPES = [recipe for architecture in PLUGIN.values() for recipe in architecture.recipes]


def parameters(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())


def built(recipe: Any) -> Any:
    return PLUGIN[recipe.architecture].build(10, **dict(recipe.options))


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ("lianghong-mlp", 784 * 256 + 256 + 256 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10),
        ("geron-mlp", 266_610),  # as the notebook's summary prints it
        ("bourke-0", 784 * 10 + 10 + 10 * 10 + 10),
        ("bourke-1", 784 * 10 + 10 + 10 * 10 + 10),
        ("bourke-2", 10 * 9 + 10 + 3 * (100 * 9 + 10) + 490 * 10 + 10),
        ("d2l-lenet", 6 * 26 + 16 * 151 + 400 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10),
    ],
)
def test_weights_are_as_many_as_counted_by_hand(recipe: str, count: int) -> None:
    (found,) = (r for r in RECIPES if r.name == recipe)
    assert parameters(built(found)) == count


@pytest.mark.parametrize(("relu", "relu_out"), [(True, False), (False, False), (True, True)])
def test_a_perceptron_is_products_and_maxima_of_the_grey_picture(relu: bool, relu_out: bool) -> None:
    torch.manual_seed(0)
    network = model.perceptron((5, 4), 3, relu=relu, relu_out=relu_out, start="torch")
    x = torch.rand(7, 3, 28, 28)
    weights = [p.detach().numpy().astype(np.float64) for p in network.parameters()]
    state = x.numpy().astype(np.float64).mean(1).reshape(7, -1)
    for i in range(3):
        state = state @ weights[2 * i].T + weights[2 * i + 1]
        if (relu_out if i == 2 else relu) is True:
            state = np.maximum(state, 0)
    np.testing.assert_allclose(network(x).detach().numpy(), state, atol=1e-5)


@pytest.mark.parametrize(("start", "variance"), [("keras", 2 / 1084), ("mxnet", 2 * 2.24 / 1084 / 3)])
def test_the_first_weights_are_uniform_as_the_library_of_the_source_draws_them(start: str, variance: float) -> None:
    torch.manual_seed(0)
    network = model.perceptron((300,), 10, relu=True, relu_out=False, start=start)
    first = next(network.parameters()).detach().double()
    assert float(first.abs().max()) == pytest.approx((3 * variance) ** 0.5, rel=1e-3)
    assert float(first.var()) == pytest.approx(variance, rel=0.01)
    assert all(not bool(p.any()) for name, p in network.named_parameters() if name.endswith("bias"))


def test_lenet_keeps_torchs_biases() -> None:
    network = model.lenet(10)
    assert all(bool(p.any()) for p in network.parameters())


@pytest.mark.parametrize("name", PLUGIN)
def test_the_conformance_kit_finds_nothing(name: str) -> None:
    check_architecture(PLUGIN[name])


@pytest.mark.parametrize("name", PLUGIN)
def test_only_pictures_of_28_pixels_are_taken(name: str) -> None:
    with pytest.raises(UnsupportedProtocol, match="of 28x28 pixels, got 32x32"):
        PLUGIN[name].build(10)(torch.zeros(1, 3, 32, 32))


def test_sizes_below_one_are_an_error() -> None:
    catalog = load_plugins(entry_points=False)
    for typed in ("mlp:hidden=256+0", "tiny_vgg:width=0"):
        with pytest.raises(BadParameter, match=r"Expected (hidden|width) to be at least 1"):
            bind_architecture(typed, catalog.architecture)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_has_a_small_version_of_one_epoch(recipe: Any) -> None:
    mini = scaled(recipe, "mini")
    assert (mini.epochs, mini.images) == (1, 10_000)
