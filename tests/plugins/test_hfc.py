"""Tests of the networks and recipes of HFC, compared with formulas, plain loops and the values that are stated."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from awake_networks import awake
from benchsuite.plugins import hfc
from benchsuite.protocols.adversarial import projected_gradient
from benchsuite.protocols.frequency import high_pass, low_pass

from benchsuite import Augmentation, BadParameter, Recipe, Sample, load_plugins
from benchsuite.models.weights import trains
from benchsuite.testing import check_architecture
from benchsuite.training.images import training_images
from benchsuite.training.job import TrainRequest, cells, scaled
from benchsuite.training.manifest import command
from benchsuite.training.trainer import Trainer, TrainingCompute

FOUND = {a.name: a for a in hfc.benchsuite_architectures()}
CATALOG = load_plugins(entry_points=False)
RECIPES = {recipe.name: recipe for a in FOUND.values() for recipe in a.recipes}
GRIDS = {grid.name: grid for a in FOUND.values() for grid in a.grids}
SETTINGS = ("hfc", "hfc-code", "hfc-fashion")
RADII = (4, 8, 12, 16)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("name", FOUND)
def test_the_networks_keep_the_contract_of_architectures(name: str) -> None:
    check_architecture(FOUND[name])


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("bn", [False, True])
def test_the_network_of_the_code_has_6n_plus_2_layers_and_as_many_weights_as_counted_by_hand(n: int, bn: bool) -> None:
    module = FOUND["hfc_resnet32"].build(10, n=n, bn=bn)
    layers = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 6 * n + 2
    pairs = [(3, 16), *[(16, 16)] * 2 * n, (16, 32), *[(32, 32)] * (2 * n - 1), (32, 64), *[(64, 64)] * (2 * n - 1)]
    weights = sum(9 * a * b for a, b in pairs) + 640 + 10
    biases = sum(b for _, b in pairs)
    norms = 2 * (16 * 2 * n + 16 + 32 * (2 * n - 1) + 32 + 64 * (2 * n - 1) + 64)
    assert sum(p.numel() for p in module.parameters()) == weights + (norms if bn else biases)


@pytest.mark.parametrize("size", [32, 28, 15])
@pytest.mark.parametrize("bn", [False, True])
def test_the_network_of_the_code_is_that_of_a_plain_loop(size: int, bn: bool) -> None:
    """ReLU before each convolution; a shortcut over 2x2 averages with zeros on both sides of the channels."""
    module = awake(FOUND["hfc_resnet32"].build(10, n=2, bn=bn)).eval()
    state = {name: t.detach() for name, t in module.state_dict().items()}

    def conv(x: Any, name: str, stride: int = 1) -> Any:
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, 1)

    def norm(x: Any, name: str) -> Any:
        if not bn:
            return x
        mean, var, w, b = (
            state[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * w + b

    def halved(x: Any) -> Any:
        n, c, h, w = x.shape
        rows = [[x[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in range(0, w, 2)] for i in range(0, h, 2)]
        small = torch.stack([torch.stack(row, -1) for row in rows], -2)
        zeros = torch.zeros(n, c // 2, *small.shape[2:])
        return torch.cat([zeros, small, zeros], 1)

    pixels = torch.rand(2, 3, size, size)
    x = conv(pixels, "conv1")
    for stage in (1, 2, 3):
        for block in (0, 1):
            name, first = f"layer{stage}.{block}", stage > 1 and block == 0
            out = conv(norm(x, f"{name}.bn1").clamp(min=0), f"{name}.conv1", 2 if first else 1)
            out = conv(norm(out, f"{name}.bn2").clamp(min=0), f"{name}.conv2")
            x = out + (halved(x) if first else x)
    pooled = norm(x, "bn").clamp(min=0).mean((2, 3))
    wanted = pooled @ state["linear.weight"].T + state["linear.bias"]
    torch.testing.assert_close(module(pixels), wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("bn", [False, True])
def test_the_resnet_18_has_18_layers_and_three_shortcuts_with_weights(bn: bool) -> None:
    module = FOUND["hfc_resnet18"].build(10, bn=bn)
    convolutions = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sorted(m.kernel_size for m in convolutions).count((1, 1)) == 3
    assert len(convolutions) - 3 + 1 == 18
    pairs = [(3, 64), *[(64, 64)] * 4]
    for a, b in ((64, 128), (128, 256), (256, 512)):
        pairs += [(a, b), *[(b, b)] * 3]
    weights = sum(9 * a * b for a, b in pairs) + 64 * 128 + 128 * 256 + 256 * 512 + 5130
    outputs = sum(b for _, b in pairs) + 128 + 256 + 512
    assert sum(p.numel() for p in module.parameters()) == weights + outputs * (2 if bn else 1)
    stages = [stage[0].conv1.stride for stage in module.stages]
    assert stages == [(1, 1), (2, 2), (2, 2), (2, 2)]
    assert module.stages(torch.rand(1, 64, 32, 32)).shape == (1, 512, 4, 4)


@pytest.mark.parametrize("name", FOUND)
def test_weights_start_as_xaviers_and_biases_at_0(name: str) -> None:
    torch.manual_seed(0)
    module = FOUND[name].build(10)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.weight.numel() > 5000:
            out, into, *size = layer.weight.shape
            bound = (6 / ((out + into) * size[0] * size[1])) ** 0.5
            assert 0.99 * bound < float(layer.weight.detach().abs().max()) <= bound
            assert float(layer.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)
            assert not layer.bias.any()


@pytest.mark.parametrize("name", FOUND)
def test_dropout_is_on_the_input_of_the_last_layer(name: str) -> None:
    module = FOUND[name].build(10, dropout=0.5).train()
    seen: list[Any] = []
    module.linear.register_forward_pre_hook(lambda layer, args: seen.append(args[0].detach()))
    module.dropout.register_forward_pre_hook(lambda layer, args: seen.append(args[0].detach()))
    module(torch.rand(8, 3, 32, 32))
    before, after = seen
    kept = after != 0
    torch.testing.assert_close(after[kept], 2 * before[kept])
    assert 0.3 < float((kept & (before != 0)).sum() / (before != 0).sum()) < 0.7
    assert torch.equal(module.eval()(torch.ones(1, 3, 32, 32)), module(torch.ones(1, 3, 32, 32)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hfc_resnet32:n=0", "Expected n to be at least 1, got 0"),
        ("hfc_resnet18:width=0", "Expected width to be at least 1, got 0"),
        ("hfc_resnet32:dropout=1", "Expected dropout to be 0 or more and below 1, got 1"),
    ],
)
def test_what_cannot_be_is_refused(text: str, words: str) -> None:
    name, _, options = text.partition(":")
    with pytest.raises(BadParameter, match=words):
        CATALOG.architecture(text)
    key, _, value = options.partition("=")
    with pytest.raises(BadParameter, match=words):
        FOUND[name].build(10, **{key: float(value) if key == "dropout" else int(value)})


def test_the_settings_differ_as_the_paper_and_its_code_do() -> None:
    for prefix, network, rule, kept, alpha in (
        ("hfc", "hfc_resnet18", "le", "none", 0.5),
        ("hfc-code", "hfc_resnet32", "lt", "max", 1.0),
        ("hfc-fashion", "hfc_resnet32", "le", "none", 0.5),
    ):
        natural = RECIPES[f"{prefix}-natural"]
        assert (natural.architecture, natural.epochs, natural.batch_size) == (network, 100, 100)
        assert (natural.optimizer.name, natural.optimizer.learning_rate, natural.optimizer.weight_decay) == (
            "adam",
            1e-4,
            0,
        )
        assert (natural.preprocess.mean, natural.preprocess.std) == ((0.0,) * 3, (1.0,) * 3)
        assert natural.augmentation == Augmentation()
        assert RECIPES[f"{prefix}-shuffled"].epochs == 300
        assert RECIPES[f"{prefix}-shuffled"].labels == "shuffled"
        filters = {"rule": rule, "range": kept}
        for r in RADII:
            low, high = (change(r=Fraction(r), **filters) for change in (low_pass, high_pass))
            assert RECIPES[f"{prefix}-train-low-r{r}"].perturbation == low
            assert RECIPES[f"{prefix}-train-high-r{r}"].perturbation == high
            assert RECIPES[f"{prefix}-batchnorm-low-r{r}"].perturbation == low
            assert dict(RECIPES[f"{prefix}-batchnorm-low-r{r}"].options)["bn"]
        for name in ("natural", "shuffled"):
            assert RECIPES[f"{prefix}-{name}"].watched == tuple(low_pass(r=Fraction(r), **filters) for r in RADII)
        assert RECIPES[f"{prefix}-mixup"].mixup == alpha
        assert dict(RECIPES[f"{prefix}-dropout"].options) == {"dropout": 0.5}
        attack = RECIPES[f"{prefix}-adv-pgd"]
        assert attack.perturbation == projected_gradient(
            eps=Fraction("0.03"), steps=10, step=Fraction("0.003"), start="zero"
        )
    assert RECIPES["hfc-code-adv-pgd"].augmentation == Augmentation(pad=2, flip=True)
    assert RECIPES["hfc-code-natural"].perturbation == low_pass(r=Fraction(1000), rule="lt", range="max")
    assert RECIPES["hfc-natural"].perturbation is None


def test_the_command_of_a_recipe_is_not_that_of_a_grid_whose_name_begins_alike() -> None:
    request = TrainRequest("hfc_resnet32", "hfc-code-batchnorm-low-r4")
    recipe = RECIPES["hfc-code-batchnorm-low-r4"]
    job = SimpleNamespace(architecture=FOUND["hfc_resnet32"], recipe=recipe)
    assert command(job, request) == "benchsuite train hfc_resnet32 --recipe hfc-code-batchnorm-low-r4"
    job.recipe = dataclasses.replace(recipe, name="hfc-code-batchnorm-low r=4-bn@mini")
    assert command(job, request) == "benchsuite train --grid hfc-code-batchnorm"


def test_no_recipe_claims_a_number_that_was_not_read() -> None:
    for recipe in RECIPES.values():
        assert recipe.expected.startswith("not verified")
        assert not any(sign.isdigit() for sign in recipe.expected)
        assert "1905.13545" in recipe.source


@pytest.mark.parametrize("prefix", SETTINGS)
def test_the_grids_are_the_experiments(prefix: str) -> None:
    made = {
        name: cells(grid, RECIPES[grid.recipe])
        for name, grid in GRIDS.items()
        if GRIDS[name].recipe == f"{prefix}-natural"
    }
    counts = {name.removeprefix(f"{prefix}-"): len(combinations) for name, combinations in made.items()}
    assert counts == {
        "labels": 2,
        "low-high": 9,
        "heuristics": 5,
        "batchnorm": 10,
        "batchsize": 5,
        "optimizers": 5,
        "robust": 4,
    }
    known = [
        trains(recipe)
        for name, recipe in RECIPES.items()
        if recipe.architecture == RECIPES[f"{prefix}-natural"].architecture
    ]
    for name, combinations in made.items():
        if not name.endswith("robust"):
            assert [cell.name for _, cell in combinations if trains(cell) not in known] == [], "each is a recipe too"
        assert all(bool(cell.watched) == name.endswith("labels") for _, cell in combinations)
    sizes = [cell.batch_size for _, cell in made[f"{prefix}-batchsize"]]
    assert sizes == [25, 50, 100, 200, 400]
    assert [scaled(cell, "mini").batch_size for _, cell in made[f"{prefix}-batchsize"]] == sizes
    both = [scaled(cell, "mini") for _, cell in made[f"{prefix}-labels"]]
    assert len({(one.images, one.epochs, one.passes) for one in both}) == 1, "equal but for the labels"
    assert len({scaled(cell, "mini").images for _, cell in made[f"{prefix}-robust"]}) == 1


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_every_recipe_takes_two_steps_at_the_mini_size(recipe: Recipe) -> None:
    small = dataclasses.replace(scaled(recipe, "mini"), batch_size=8)
    side = small.preprocess.crop
    samples = [Sample(f"train-{i}", i % 10, "memory") for i in range(16)]
    pixels = np.random.default_rng(0).integers(0, 256, (16, side, side, 3), dtype=np.uint8)
    architecture = CATALOG.architecture(recipe.architecture, small.options)
    training = Trainer(architecture, small, training_images({side: pixels}, samples, "cpu"), 10, TrainingCompute())
    before = {name: p.detach().clone() for name, p in training.module.named_parameters()}
    assert training.advance()
    assert training.advance()
    changed = [name for name, p in training.module.named_parameters() if not torch.equal(p, before[name])]
    assert "linear.weight" in changed
    assert len(changed) > len(before) / 2
