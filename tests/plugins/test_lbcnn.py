"""Tests of LBCNN, compared with formulas and with counts by hand."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from awake_networks import assert_equals_twin, awake, state_of
from benchsuite.plugins import _lbcnn_model as model
from benchsuite.plugins import lbcnn
from reference import lbcnn as twin
from safetensors.torch import load_file, save_file

from benchsuite import BadParameter, UnsupportedProtocol, load_plugins
from benchsuite.explanation import ledger
from benchsuite.models.device import Compute
from benchsuite.models.network import open_network
from benchsuite.specs.parameters import bind, bind_architecture, views
from benchsuite.stats.accounting import find as find_accounting
from benchsuite.testing import check_architecture
from benchsuite.training import schedules
from benchsuite.training.job import scaled
from benchsuite.training.manifest import sizes

(LBCNN,) = lbcnn.benchsuite_architectures()
CATALOG = load_plugins(entry_points=False)
SMALL: Mapping[str, Any] = {"channels": 2, "filters": 5, "depth": 2, "full": 7}
CIFAR: Mapping[str, Any] = {"channels": 384, "filters": 704, "full": 512, "sparsity": 0.001}
SVHN: Mapping[str, Any] = {"channels": 16, "filters": 512, "full": 512, "sparsity": 0.9}
MNIST: Mapping[str, Any] = {"channels": 16, "filters": 512, "full": 128, "sparsity": 0.5, "grey": True}


def fixed(module: Any) -> list[Any]:
    return [part.filters for part in module.modules() if isinstance(part, model.FixedFilters)]


def by_hand(depth: int, options: Mapping[str, Any]) -> int:
    """Weights and biases of stem, blocks and linear layers, and two for each normalised channel."""
    channels, filters, full = (options[name] for name in ("channels", "filters", "full"))
    stem = (1 if options.get("grey") else 3) * channels * 9 + channels + 2 * channels
    of_3x3 = channels * filters * 9 + filters if options.get("dense") else 0
    block = 2 * channels + of_3x3 + filters * channels + channels
    return stem + depth * block + channels * 36 * full + full + full * 10 + 10


@pytest.mark.parametrize("options", [CIFAR, SVHN, MNIST], ids=["cifar", "svhn", "mnist"])
@pytest.mark.parametrize("dense", [False, True])
def test_learned_weights_are_as_many_as_counted_by_hand(options: Mapping[str, Any], dense: bool) -> None:
    chosen = {name: value for name, value in options.items() if not (dense and name == "sparsity")} | {"dense": dense}
    one, two = (LBCNN.build(10, depth=depth, **chosen) for depth in (1, 2))
    masks = 0 if dense else options["channels"] * options["filters"] * 9
    assert sizes(one) == {"parameters": by_hand(1, chosen), "frozen": 0, "masks": masks}
    assert sizes(two) == {"parameters": by_hand(2, chosen), "frozen": 0, "masks": 2 * masks}


def test_a_leak_does_not_make_fixed_filters_count_as_learned() -> None:
    assert sizes(LBCNN.build(10, **SMALL, leak=True)) == sizes(LBCNN.build(10, **SMALL))


def test_the_default_is_the_network_of_the_svhn_recipe() -> None:
    assert sizes(LBCNN.build(10))["parameters"] == by_hand(40, SVHN)


def test_a_block_learns_a_ninth_in_the_place_of_a_dense_3x3() -> None:
    sparse, dense = model.Block(384, 704, model.Draw(0.001, leak=False)), model.Block(384, 704, None)
    assert sparse.combine.weight.numel() * 9 == dense.conv.weight.numel() == fixed(sparse)[0].numel() == 2_433_024


def test_cifars_filters_are_drawn_2433_times() -> None:
    torch.manual_seed(0)
    values = model.ternary(2_433_024, 0.001)
    assert math.floor(0.001 * 2_433_024) == 2_433
    assert 2_425 <= int(values.count_nonzero()) <= 2_433
    assert set(values.unique().tolist()) == {-1.0, 0.0, 1.0}


@pytest.mark.parametrize("sparsity", [0.5, 0.9, 2.0])
def test_the_share_that_is_not_zero_is_that_of_draws_with_replacement(sparsity: float) -> None:
    torch.manual_seed(1)
    count = 16 * 512 * 9
    values = model.ternary(count, sparsity)
    share = float(values.count_nonzero()) / count
    assert share == pytest.approx(1 - math.exp(-sparsity), abs=5 * math.sqrt(0.25 / count))
    assert float(values.sum()) / count == pytest.approx(0, abs=5 * math.sqrt(share / count))
    random = np.random.default_rng(0)
    slow = twin.drawn(
        count, sparsity, random.integers(count, size=3 * count).tolist(), random.choice([-1, 1], 3 * count)
    )
    assert np.count_nonzero(slow) / count == pytest.approx(share, abs=8 * math.sqrt(0.25 / count))


@pytest.mark.parametrize("options", [{"sparsity": 0.5}, {"sparsity": 0.3, "leak": True}, {"dense": True}])
def test_a_block_equals_its_formula(options: Mapping[str, Any]) -> None:
    torch.manual_seed(2)
    draw = None if options.get("dense") else model.Draw(options["sparsity"], options.get("leak", False))
    block = awake(model.Block(3, 4, draw))
    x = torch.randn(2, 3, 6, 5)
    state = {f"a.{name}": value for name, value in state_of(block).items()}
    assert_equals_twin(block, x, twin.block(x.double().numpy(), state, "a"))


@pytest.mark.parametrize("options", [{"sparsity": 0.5}, {"dense": True}, {"grey": True}])
def test_the_network_equals_its_formulas(options: Mapping[str, Any]) -> None:
    torch.manual_seed(3)
    module = awake(LBCNN.build(3, **SMALL, **options))
    x = torch.randn(2, 3, 32, 32)
    assert_equals_twin(module, x, twin.network(x.double().numpy(), state_of(module), SMALL["depth"]))


def test_new_weights_are_torch7s() -> None:
    torch.manual_seed(4)
    module = LBCNN.build(10, channels=64, filters=256, depth=1, full=32)
    for part in module.modules():
        if isinstance(part, (torch.nn.Conv2d, torch.nn.Linear)):
            bound = 1 / math.sqrt(part.weight[0].numel())
            assert 0.9 * bound < float(part.weight.detach().abs().max()) <= bound
            assert float(part.bias.detach().abs().max()) <= bound
    scales = module.blocks[0].bn.weight.detach()
    assert 0 <= float(scales.min()) < 0.2 < 0.8 < float(scales.max()) <= 1
    assert not module.blocks[0].bn.bias.detach().any()


@pytest.mark.parametrize("leak", [False, True])
def test_filters_survive_a_file_bit_for_bit_and_give_the_same_logits(leak: bool, tmp_path: Path) -> None:
    torch.manual_seed(5)
    module = awake(LBCNN.build(10, **SMALL, leak=leak))
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        wanted = module(x)
    save_file(module.state_dict(), tmp_path / "state.safetensors")
    for other in (LBCNN.build(10, **SMALL, leak=leak).eval(), LBCNN.build(10, **SMALL, leak=not leak).eval()):
        assert not torch.equal(fixed(other)[0], fixed(module)[0])
        other.load_state_dict(load_file(tmp_path / "state.safetensors"))
        assert all(torch.equal(a, b) for a, b in zip(fixed(other), fixed(module), strict=True))
        with torch.inference_mode():
            assert torch.equal(other(x), wanted)


def trained(steps: int, optimiser: str, leak: bool, **fields: Any) -> tuple[list[Any], list[Any]]:
    """The fixed filters before and after some steps."""
    torch.manual_seed(6)
    module = LBCNN.build(10, **SMALL, leak=leak).train()
    before = [f.detach().clone() for f in fixed(module)]
    made = getattr(torch.optim, optimiser)(module.parameters(), **fields)
    x = torch.randn(2, 3, 32, 32)
    for _ in range(steps):
        made.zero_grad()
        module(x).square().mean().backward()
        made.step()
    return before, [f.detach() for f in fixed(module)]


@pytest.mark.parametrize(("optimiser", "fields"), [("SGD", {"momentum": 0.9, "nesterov": True}), ("Adam", {})])
def test_weight_decay_leaves_the_fixed_filters_alone(optimiser: str, fields: Mapping[str, Any]) -> None:
    before, after = trained(5, optimiser, False, lr=1e-2, weight_decay=0.1, **fields)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_leak_scales_all_filters_by_one_factor_that_a_loop_gives_too() -> None:
    before, after = trained(30, "SGD", True, lr=1e-3, weight_decay=0.1, momentum=0.9, nesterov=True)
    factor = twin.decayed(1.0, 1e-3, 0.1, 0.9, 30)
    assert 0.9 < factor < 0.99
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(b, a * factor, rtol=1e-5, atol=0)


def test_a_leak_without_weight_decay_changes_nothing() -> None:
    before, after = trained(5, "SGD", True, lr=1e-1, momentum=0.9, nesterov=True)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_80_epochs_of_the_cifar_recipe_leak_to_92_percent() -> None:
    rate, decay, momentum, steps = 1e-4, 1e-4, 0.9, 80 * 50_000 // 5
    formula = math.exp(-rate * decay / (1 - momentum) * steps)
    assert formula == pytest.approx(0.923, abs=5e-4)
    assert twin.decayed(1.0, rate, decay, momentum, steps) == pytest.approx(formula, rel=1e-5)


def test_a_leaking_network_computes_and_learns_as_another() -> None:
    def gradients(leak: bool) -> tuple[Any, dict[str, Any]]:
        torch.manual_seed(7)
        module = LBCNN.build(10, **SMALL, leak=leak, dropout=0.0).train()
        out = module(torch.randn(2, 3, 32, 32))
        out.square().mean().backward()
        return out.detach(), {name: p.grad for name, p in module.named_parameters()}

    plain, leaking = gradients(False), gradients(True)
    assert torch.equal(plain[0], leaking[0])
    extra = {name: leaking[1].pop(name) for name in [n for n in leaking[1] if n.endswith(".filters")]}
    assert len(extra) == SMALL["depth"]
    assert not any(bool(g.any()) for g in extra.values())
    assert plain[1].keys() == leaking[1].keys()
    assert all(torch.equal(plain[1][name], leaking[1][name]) for name in plain[1])


REFUSED = {
    "lbcnn:channels=0": "Expected channels to be at least 1, got 0",
    "lbcnn:sparsity=0": "Expected sparsity to be above 0, got 0.0",
    "lbcnn:sparsity=inf": "Expected sparsity to be above 0, got inf",
    "lbcnn:sparsity=1e-6": "Expected sparsity to be enough for one draw, got 1e-06 (73728 weights in a block)",
    "lbcnn:dropout=1": "Expected dropout to be 0 or more and below 1, got 1.0",
    "lbcnn:dense=true,sparsity=0.5": "Expected sparsity to be left at 0.9, got 0.5 (dense=true has no fixed filters)",
    "lbcnn:dense=true,leak=true": "Expected leak to be left at false, got true (dense=true has no fixed filters)",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_built(text: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        bind_architecture(text, CATALOG.architectures.__getitem__)
    assert str(refusal.value) == REFUSED[text]


@pytest.mark.parametrize("options", [{}, {"dense": True}, {"grey": True}, {"leak": True}])
def test_the_contract_is_kept(options: Mapping[str, Any]) -> None:
    check_architecture(dataclasses.replace(LBCNN, build=functools.partial(LBCNN.build, **SMALL, **options)))


@pytest.mark.parametrize("protocol", ["10crop", "tta"])
def test_protocols_of_crops_work(protocol: str) -> None:
    made = views(bind(protocol, CATALOG.protocols.__getitem__), LBCNN.preprocess, mirror=True)
    network = open_network(LBCNN, LBCNN.build(10, **SMALL), LBCNN.preprocess, made, 10, Compute())
    logits, _ = network(np.zeros((2, 32, 32, 3), np.uint8), np.array([False, True]), made[0])
    assert logits.shape == (2, 10)


@pytest.mark.parametrize(
    ("protocol", "said"), [("multiscale", "its input size is fixed"), ("1crop:crop=30", "got 30x30")]
)
def test_other_sizes_are_refused_with_the_reason(protocol: str, said: str) -> None:
    made = views(bind(protocol, CATALOG.protocols.__getitem__), LBCNN.preprocess, mirror=True)
    with pytest.raises(UnsupportedProtocol, match=said):
        open_network(LBCNN, LBCNN.build(10, **SMALL), LBCNN.preprocess, made, 10, Compute())


PRINTED = {"mnist": "lbcnn-gh-mnist", "svhn": "lbcnn-gh-svhn", "cifar-10": "lbcnn-gh-cifar-10"}
RECIPES = {recipe.name: recipe for recipe in LBCNN.recipes}


def test_the_recipes_are_those_of_the_three_data_sets_and_their_dense_baselines() -> None:
    assert sorted(RECIPES) == sorted(f"lbcnn-{data}{end}" for data in PRINTED for end in ("", "-dense"))
    for name, recipe in RECIPES.items():
        how = recipe.optimizer
        assert (how.name, how.learning_rate, how.momentum, how.weight_decay) == ("sgd", 1e-4, 0.9, 1e-4), name
        assert (how.nesterov, recipe.seed, recipe.epochs) == (True, 3, 80)
        assert recipe.batch_size == (5 if "cifar" in name else 10)
        assert (recipe.augmentation.pad, recipe.augmentation.fill) == (4, "mean")
        assert recipe.augmentation.flip == ("mnist" not in name)
        assert dict(recipe.options).get("leak", False) == (not name.endswith("-dense"))


@pytest.mark.parametrize("data", PRINTED)
def test_a_recipe_expects_what_the_ledger_says_was_printed(data: str) -> None:
    (row,) = [row for row in ledger.load() if row.id == PRINTED[data]]
    recipe, dense = RECIPES[f"lbcnn-{data}"], RECIPES[f"lbcnn-{data}-dense"]
    assert recipe.expected == f"top-1 accuracy ~{row.value} % after 80 epochs"
    assert recipe.dataset == dense.dataset == row.dataset
    assert dense.expected == "no number in print"
    assert set(dict(recipe.options).items()) - set(dict(dense.options).items()) <= {
        ("leak", True),
        ("sparsity", dict(recipe.options).get("sparsity")),
    }


@pytest.mark.parametrize(("data", "shape"), [("mnist", MNIST), ("svhn", SVHN), ("cifar-10", CIFAR)])
def test_a_recipes_network_has_the_shape_of_the_source(data: str, shape: Mapping[str, Any]) -> None:
    options = dict(RECIPES[f"lbcnn-{data}"].options)
    depth = {"mnist": 75, "svhn": 40, "cifar-10": 50}[data]
    assert options == {**shape, "depth": depth, "leak": True}


def test_the_learning_rate_falls_from_epoch_81_91_and_101_and_only_on_cifar() -> None:
    recipe = RECIPES["lbcnn-cifar-10"]
    for epoch, factor in ((1, 1), (80, 1), (81, 0.1), (90, 0.1), (91, 10**-1.5), (100, 10**-1.5), (101, 0.01)):
        clock = schedules.Clock(10 * (epoch - 1), 10 * 1000, 10)
        assert schedules.rate(recipe.schedule, clock) == pytest.approx(factor), epoch
        assert schedules.rate(RECIPES["lbcnn-svhn"].schedule, clock) == 1


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_can_be_built_small_and_says_what_that_changes(name: str) -> None:
    recipe = RECIPES[name]
    small = scaled(recipe, "mini")
    assert f"{small.epochs} epochs of {small.images:,} images in batches of {small.batch_size}" in recipe.note
    assert f"learning rate times {small.optimizer.learning_rate / recipe.optimizer.learning_rate:g}" in recipe.note
    for key, value in set(small.options) - set(recipe.options):
        assert f"{key}={value}" in recipe.note
    assert find_accounting(recipe.accounting).applies(small.epochs, heldout=False)
    CATALOG.architecture("lbcnn", recipe.options)
    module = CATALOG.architecture("lbcnn", small.options).build(10).train()
    module(torch.zeros(2, 3, 32, 32)).sum().backward()


def test_the_small_cifar_network_has_about_as_many_weights_in_a_filter_that_are_not_zero() -> None:
    recipe = RECIPES["lbcnn-cifar-10"]
    whole, small = dict(recipe.options), dict(scaled(recipe, "mini").options)
    in_a_filter = [options["sparsity"] * 9 * options["channels"] for options in (whole, small)]
    assert in_a_filter == pytest.approx([3.456, 3.6])
