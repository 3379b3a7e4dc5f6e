"""Tests of the PNN networks, compared with formulas and with the sizes of the original code."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from awake_networks import assert_equals_twin, awake, state_of
from benchsuite.plugins import _pnn_layers as layers
from benchsuite.plugins import pnn
from reference import perturbation
from safetensors.torch import load_file, save_file

from benchsuite import BadParameter, UnsupportedProtocol, load_plugins
from benchsuite.explanation import ledger
from benchsuite.models.device import Compute
from benchsuite.models.network import open_network
from benchsuite.models.weights import build as with_weights
from benchsuite.models.weights import choose
from benchsuite.specs.parameters import bind, bind_architecture, views
from benchsuite.stats.accounting import find as find_accounting
from benchsuite.testing import check_architecture
from benchsuite.training import schedules
from benchsuite.training.job import cells, scaled
from benchsuite.training.manifest import sizes

FOUND = {a.name: a for a in pnn.benchsuite_architectures()}
CATALOG = load_plugins(entry_points=False)
RECIPES = {recipe.name: recipe for recipe in FOUND["pnn"].recipes}
UPDATE: Mapping[str, Any] = {"variant": "update"}

COUNTS = {
    "klachko-1": (5_284_982, 0, 0),
    "klachko-2": (5_640_074, 0, 68_608),
    "klachko-3": (5_624_714, 0, 1_097_728),
    "klachko-4": (5_611_146, 0, 0),
    "klachko-5": (5_608_202, 0, 1_100_800),
    "klachko-6": (6_813_834, 0, 70_254_592),
    "klachko-7": (1_220_234, 0, 412_672),
    "klachko-8": (1_220_234, 0, 412_672),
    "klachko-hist-nf128-baseline": (44_662_922, 0, 0),
    "author-update-1": (5_621_258, 3_456, 1_097_728),
    "author-update-2": (23_546_122, 0, 6_127_616),
    "pnn-original": (5_640_074, 0, 68_608),
    "pnn-original-fix": (5_624_714, 0, 1_097_728),
}
"""Learned weights, frozen ones, and values of masks; those of klachko-8 learn and are counted as masks."""

TRAINED: dict[str, tuple[str, str, float, int, int]] = {
    "klachko-1": ("91.8", "sgd", 1e-3, 150, 10),
    "klachko-2": ("85.7", "sgd", 1e-4, 150, 10),
    "klachko-3": ("86.2", "sgd", 1e-4, 150, 10),
    "klachko-4": ("85.5", "sgd", 1e-3, 150, 16),
    "klachko-5": ("72.6", "sgd", 1e-3, 150, 16),
    "klachko-6": ("82.7", "sgd", 1e-3, 150, 16),
    "klachko-7": ("82.4", "sgd", 1e-3, 150, 16),
    "klachko-8": ("85.9", "sgd", 1e-3, 150, 16),
    "klachko-hist-nf128-baseline": ("94.2", "sgd", 1e-3, 150, 10),
    "klachko-hist-1x1-all": ("74.3", "sgd", 1e-3, 150, 16),
    "klachko-hist-3-0-n1": ("85.8", "sgd", 1e-3, 150, 16),
    "klachko-pair": ("90.53 smoothed, 85.91 exact", "adam", 1e-4, 80, 10),
    "author-update-1": ("90.35", "adam", 1e-4, 450, 10),
    "author-update-2": ("85.92", "adam", 1e-4, 450, 20),
    "pnn-original": ("~92-93", "adam", 1e-4, 80, 10),
    "pnn-original-fix": ("90.35", "adam", 1e-4, 450, 10),
}
"""Printed accuracy, optimiser, learning rate, epochs and batch size of each recipe."""

LEDGER = {
    **{f"klachko-{n}": f"klachko-{n}" for n in range(1, 9)},
    "klachko-hist-nf128-baseline": "klachko-hist-1",
    "klachko-hist-1x1-all": "klachko-hist-5",
    "klachko-hist-3-0-n1": "klachko-hist-6",
    "author-update-1": "pnn-upd-1",
    "author-update-2": "pnn-upd-2",
}
"""Which published number a recipe is about."""


def masks_of(module: Any) -> dict[str, Any]:
    return {f"{at}.noise": part.noise for at, part in module.named_modules() if isinstance(part, layers.Noise)}


@pytest.mark.parametrize("name", COUNTS)
def test_weights_and_masks_are_as_many_as_in_the_original_code(name: str) -> None:
    options = dict(RECIPES[name].options)
    with torch.device("meta"):
        module = FOUND["pnn"].build(10, **options)
    assert tuple(sizes(module).values()) == COUNTS[name]
    learning = {isinstance(m, torch.nn.Parameter) for m in masks_of(module).values()}
    assert learning <= {options.get("train_masks", False)}


def test_the_original_under_its_own_name_is_the_one_of_its_recipe() -> None:
    with torch.device("meta"):
        one, other = FOUND["noiseresnet18"].build(10), FOUND["pnn"].build(10, **dict(RECIPES["pnn-original"].options))
    assert [(n, t.shape) for n, t in one.state_dict().items()] == [(n, t.shape) for n, t in other.state_dict().items()]
    assert {p.level for p in one.modules() if isinstance(p, layers.Noise)} == {0.1}
    assert {p.level for p in other.modules() if isinstance(p, layers.Noise)} == {0.1}


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("fan", [1, 3])
def test_masks_are_added_place_by_place_and_are_the_same_for_every_image(unique: bool, fan: int) -> None:
    torch.manual_seed(fan)
    layer = layers.Noise(4, 6, layers.Masks(0.7, fan, unique))
    x = torch.randn(3, 4, 6, 6)
    assert_equals_twin(
        layer, x, perturbation.perturbed(x.double().numpy(), layer.noise.double().numpy(), 0.7, shared=not unique)
    )
    added = layer(x) - x.repeat_interleave(fan, 1)
    torch.testing.assert_close(added, added[:1].expand_as(added))
    assert layer.noise.shape == (1, 4 * fan if unique else fan, 6, 6)


@pytest.mark.parametrize("act", layers.ACTIVATIONS)
@pytest.mark.parametrize(("fan", "mix", "use_act"), [(1, False, True), (2, True, True), (2, False, False)])
def test_klachkos_layer_equals_its_formula(act: str, fan: int, mix: bool, use_act: bool) -> None:
    torch.manual_seed(1)
    style = layers.Style(layers.Masks(0.5, fan), mix=mix, act=act)
    layer = awake(layers.PerturbLayer(2, 4, 5, style, use_act=use_act))
    options = {"act": act, "mix_maps": mix, "use_act": use_act}
    x = torch.randn(2, 2, 5, 5)
    twin = perturbation.perturb_layer(
        x.double().numpy(), {f"a.{k}": v for k, v in state_of(layer).items()}, "a", 0.5, options
    )
    assert_equals_twin(layer, x, twin)


def test_the_originals_layer_equals_its_formula() -> None:
    torch.manual_seed(2)
    layer = awake(layers.noise_layer(3, 4, 5, 0.3))
    x = torch.randn(2, 3, 5, 5)
    twin = perturbation.noise_layer(x.double().numpy(), {f"a.{k}": v for k, v in state_of(layer).items()}, "a", 0.3)
    assert_equals_twin(layer, x, twin)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_filter_in_the_place_of_masks_equals_its_formula(size: int) -> None:
    torch.manual_seed(3)
    layer = awake(layers.filter_layer(2, 3, layers.Style(layers.Masks(0.5), filter_size=size, act="tanh")))
    x = torch.randn(2, 2, 7, 6)
    state = {f"a.{k}": v for k, v in state_of(layer).items()}
    assert_equals_twin(layer, x, perturbation.filter_layer(x.double().numpy(), state, "a", "tanh"))
    assert (layer[0].bias is not None) == (size == 1)


@pytest.mark.parametrize(
    ("name", "options", "branch"),
    [
        ("noiseresnet18", {"first_filter_size": 7}, perturbation.noise_branch),
        ("noiseresnet18", {"first_filter_size": 3, "level": 0.4}, perturbation.noise_branch),
        ("noiseresnet34", {"first_filter_size": 7}, perturbation.noise_branch),
        ("noiseresnet50", {"first_filter_size": 7, "level": 0.9}, perturbation.noise_bottleneck),
        ("pnn", {"net": "noiseresnet18", "first_filter_size": 3}, perturbation.noise_branch),
        ("pnn", {"variant": "update", "net": "noiseresnet18", "first_filter_size": 3}, perturbation.noise_branch),
    ],
)
def test_the_originals_network_equals_its_formulas(name: str, options: Mapping[str, Any], branch: Any) -> None:
    torch.manual_seed(4)
    module = awake(FOUND[name].build(3, nfilters=2, **options))
    x, state = torch.randn(2, 3, 32, 32), state_of(module)
    known = {"level": 0.5 if name.startswith("pnn") else 0.1} | options
    y = perturbation.noise_stem(x.double().numpy(), state)
    assert_equals_twin(module, x, perturbation.staged(y, state, branch, known))


@pytest.mark.parametrize(
    "options",
    [
        {"level": 1.5, "scale_noise": 2.0},
        {"nmasks": 2, "unique_masks": False, "mix_maps": True, "pool_type": "avg", "use_act": True},
        {"first_filter_size": 3, "nmasks": 2, "act": "tanh", "noise_type": "normal"},
        {"first_filter_size": 3, "filter_size": 1},
        {"first_filter_size": 0, "filter_size": 3, "act": "prelu", "use_act": True},
    ],
)
def test_klachkos_residual_network_equals_its_formulas(options: Mapping[str, Any]) -> None:
    torch.manual_seed(5)
    module = awake(FOUND["pnn"].build(3, nfilters=3, **options))
    x, state = torch.randn(2, 3, 32, 32), state_of(module)
    y = perturbation.perturb_stem(x.double().numpy(), state, options)
    assert_equals_twin(module, x, perturbation.staged(y, state, perturbation.perturb_branch, options))


@pytest.mark.parametrize(
    "options", [{"level": 0.1}, {"level": 0.2, "scale_noise": 0.5, "mix_maps": True, "act": "elu"}]
)
def test_the_updated_network_equals_its_formulas(options: Mapping[str, Any]) -> None:
    torch.manual_seed(6)
    module = awake(FOUND["pnn"].build(3, **UPDATE, nfilters=2, **options))
    x, state = torch.randn(2, 3, 32, 32), state_of(module)
    y = perturbation.updated_stem(x.double().numpy(), state, options)
    assert_equals_twin(module, x, perturbation.staged(y, state, perturbation.perturb_branch, options))


def test_the_updated_network_with_filters_first_still_narrows_by_a_1x1() -> None:
    torch.manual_seed(7)
    module = awake(FOUND["pnn"].build(3, **UPDATE, nfilters=2, first_filter_size=3))
    x, state = torch.randn(1, 3, 32, 32), state_of(module)
    y = perturbation.filter_layer(x.double().numpy(), state, "stem.0", "sigmoid")
    y = perturbation.normalised(perturbation.convolved(y, state, "stem.1"), state, "stem.2")
    y = perturbation.act("relu", y)
    assert y.shape[1] == 2
    assert_equals_twin(module, x, perturbation.staged(y, state, perturbation.perturb_branch, {}))


def test_the_baseline_is_resnet18_with_a_3x3_stem() -> None:
    torch.manual_seed(8)
    module = awake(FOUND["pnn"].build(3, net="resnet18", nfilters=2))
    x, state = torch.randn(2, 3, 32, 32), state_of(module)
    y = perturbation.noise_stem(x.double().numpy(), state)
    assert_equals_twin(module, x, perturbation.staged(y, state, perturbation.residual_branch, {}))


@pytest.mark.parametrize(("name", "size"), [("pnn", 32), ("pnn.mnist", 28)])
@pytest.mark.parametrize("net", ["lenet", "cifarnet"])
@pytest.mark.parametrize(
    "options", [{}, {"first_filter_size": 5, "filter_size": 3, "pool_type": "avg", "act": "elu"}, {"scale_noise": 0.0}]
)
def test_lenet_and_cifarnet_equal_their_formulas(name: str, size: int, net: str, options: Mapping[str, Any]) -> None:
    torch.manual_seed(9)
    module = awake(FOUND[name].build(3, net=net, nfilters=2, **options))
    x = torch.randn(1, 3, size, size)
    seen = x.double().numpy()
    grey = seen.sum(1, keepdims=True) / 3 if name == "pnn.mnist" else seen
    assert_equals_twin(module, x, perturbation.plain(grey, state_of(module), options, net == "cifarnet"))


@pytest.mark.parametrize("name", ["klachko-5", "klachko-8", "author-update-1", "pnn-original"])
def test_masks_survive_a_file_bit_for_bit_and_give_the_same_logits(name: str, tmp_path: Path) -> None:
    build = partial(FOUND["pnn"].build, 10, **dict(scaled(RECIPES[name], "mini").options))
    torch.manual_seed(10)
    module = awake(build())
    x = torch.randn(2, 3, 32, 32)
    wanted = module(x)
    torch.save(module.state_dict(), tmp_path / "state.pth")
    save_file(module.state_dict(), tmp_path / "state.safetensors")
    for state in (torch.load(tmp_path / "state.pth", weights_only=True), load_file(tmp_path / "state.safetensors")):
        torch.manual_seed(11)
        other = build().eval()
        before = masks_of(other)
        assert not any(torch.equal(before[at], mask) for at, mask in masks_of(module).items())
        other.load_state_dict(state)
        assert all(torch.equal(masks_of(other)[at], mask) for at, mask in masks_of(module).items())
        assert torch.equal(other(x), wanted)


def test_masks_exist_before_the_first_image_and_depend_on_the_seed_alone() -> None:
    def made(seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        return masks_of(FOUND["noiseresnet18"].build(10, nfilters=2))

    first, again, other = made(0), made(0), made(1)
    assert [m.shape[-1] for m in first.values()] == [8, 8, 8, 8, 8, 4, 4, 4, 4, 2, 2, 2, 2, 1, 1, 1]
    assert all(torch.equal(first[at], again[at]) for at in first)
    assert not any(torch.equal(first[at], other[at]) for at in first)


def test_masks_are_uniform_between_minus_one_and_one_or_normal() -> None:
    torch.manual_seed(12)
    uniform = layers.Noise(100, 10, layers.Masks(0.1)).noise
    assert -1 <= float(uniform.min()) < -0.99
    assert 0.99 < float(uniform.max()) <= 1
    assert float(uniform.std()) == pytest.approx(3**-0.5, rel=0.02)
    normal = layers.Noise(100, 10, layers.Masks(0.1, kind="normal")).noise
    assert float(normal.std()) == pytest.approx(1, rel=0.02)
    assert float(normal.abs().max()) > 3


@pytest.mark.parametrize("train", [False, True])
def test_masks_learn_only_when_they_are_told_to(train: bool) -> None:
    torch.manual_seed(13)
    module = FOUND["pnn"].build(10, nfilters=3, nmasks=2, train_masks=train).train()
    before = {at: mask.detach().clone() for at, mask in masks_of(module).items()}
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    module(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimiser.step()
    for at, mask in masks_of(module).items():
        assert (mask.grad is not None and bool(mask.grad.any())) == train
        assert torch.equal(mask, before[at]) != train


def test_the_updates_first_filters_stay_random_and_everything_else_learns() -> None:
    torch.manual_seed(14)
    module = FOUND["pnn"].build(10, **UPDATE, net="noiseresnet18", first_filter_size=3, nfilters=4).train()
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2, weight_decay=0.1)
    module(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimiser.step()
    kept = [name for name, p in module.named_parameters() if torch.equal(p, before[name])]
    assert kept == ["stem.0.weight"]


def test_new_convolutions_are_scaled_by_their_outputs() -> None:
    torch.manual_seed(15)
    module = FOUND["noiseresnet18"].build(10, nfilters=64)
    assert float(module.stem[0].weight.detach().std()) == pytest.approx((2 / (49 * 64)) ** 0.5, rel=0.05)
    last = module.stages[3][0].branch[0][3].weight.detach()
    assert last.shape == (512, 256, 1, 1)
    assert float(last.std()) == pytest.approx((2 / 512) ** 0.5, rel=0.02)


def test_a_level_of_zero_is_no_noise() -> None:
    torch.manual_seed(16)
    module = awake(FOUND["pnn"].build(10, nfilters=3, level=0.0))
    x = torch.randn(2, 3, 32, 32)
    before = module(x)
    for mask in masks_of(module).values():
        mask.uniform_()
    assert torch.equal(module(x), before)


REFUSED = {
    "pnn:filter_size=5": "Expected filter_size to be 0, 1 or 3 for perturb_resnet18, got 5 (a 5x5 filter is padded by "
    "1, so that maps shrink and no longer fit what follows)",
    "pnn:net=lenet,filter_size=5": "Expected filter_size to be 0, 1 or 3 for lenet, got 5 (a 5x5 filter is padded by "
    "1, so that maps shrink and no longer fit what follows)",
    "pnn:filter_size=7": "Expected filter_size to be 0, 1 or 3 for perturb_resnet18, got 7 (a 7x7 filter has stride 2, "
    "so that maps no longer fit what follows)",
    "pnn:filter_size=2": "Expected filter_size to be 0, 1 or 3 for perturb_resnet18, got 2 (the code knows no other)",
    "pnn:first_filter_size=7": "Expected first_filter_size to be 0, 1 or 3 for perturb_resnet18, got 7 (a 7x7 filter "
    "has stride 2, so that maps are smaller than the masks of the next layer)",
    "pnn:variant=update,first_filter_size=7": "Expected first_filter_size to be 0, 1 or 3 for perturb_resnet18, got 7 "
    "(a 7x7 filter has stride 2, so that maps are smaller than the masks of the next layer)",
    "pnn:first_filter_size=7,filter_size=1": "Expected first_filter_size to be 0, 1 or 3 for perturb_resnet18, got 7 "
    "(a 7x7 filter and its pooling leave maps that are smaller than the last pooling, 4x4)",
    "pnn:net=cifarnet,first_filter_size=5": "Expected first_filter_size to be 0, 1 or 3 for cifarnet, got 5 (a 5x5 "
    "filter is padded by 1, so that maps are smaller than the masks of the next layer)",
    "pnn:nmasks=64": "Expected nfilters to be divisible by 3, got 64 (nmasks=64 in the first layer gives each colour "
    "its own part of the maps; first_filter_size=3 has filters there)",
    "pnn:net=noiseresnet18": "Expected first_filter_size to be 3 or 7 for noiseresnet18, got 0 (its first layer has "
    "filters; net=perturb_resnet18 can have masks there)",
    "noiseresnet18:first_filter_size=5": "Expected first_filter_size to be 3 or 7, got 5 (the first layer has filters, "
    "no masks)",
    "pnn:net=resnet18,level=0.1": "Expected level to be left at 0.5, got 0.1 (resnet18 makes no use of it)",
    "pnn:net=noiseresnet18,first_filter_size=7,nmasks=2": "Expected nmasks to be left at 1, got 2 (noiseresnet18 makes "
    "no use of it)",
    "pnn:first_filter_size=3,filter_size=1,mix_maps=true": "Expected mix_maps to be left at false, got true "
    "(perturb_resnet18 with first_filter_size=3 and filter_size=1 makes no use of it)",
    "pnn:first_filter_size=3,use_act=true": "Expected use_act to be left at false, got true (perturb_resnet18 with "
    "first_filter_size=3 and filter_size=0 makes no use of it)",
    "pnn:variant=update,use_act=true": "Expected use_act to be left at false, got true (perturb_resnet18 with "
    "first_filter_size=0 and filter_size=0 of variant=update makes no use of it)",
    "pnn:variant=update,net=lenet": "Expected net to be perturb_resnet18 or noiseresnet18, got lenet (variant=update "
    "leaves the others as they were)",
    "pnn.mnist:variant=update": "Expected variant to be klachko, got update (pnn.mnist has no other)",
    "pnn.mnist:net=perturb_resnet18": "Expected net to be lenet or cifarnet, got perturb_resnet18 (pnn.mnist has no "
    "other)",
    "pnn:nfilters=0": "Expected nfilters to be at least 1, got 0",
    "pnn:level=-0.1": "Expected level to be 0 or more, got -0.1",
    "noiseresnet18:level=nan": "Expected level to be 0 or more, got nan",
    "pnn:net=lenet,dropout=1": "Expected dropout to be 0 or more and below 1, got 1.0",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_built(text: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        bind_architecture(text, CATALOG.architectures.__getitem__)
    assert str(refusal.value) == REFUSED[text]


@pytest.mark.parametrize(("name", "net"), [(c.name, net) for c in pnn.CODES for net in c.nets])
def test_sizes_are_refused_where_klachkos_code_fails_and_only_there(name: str, net: str) -> None:
    size = FOUND[name].preprocess.crop
    for first, rest in itertools.product((0, 1, 3, 5, 7), repeat=2):
        options = {"first_filter_size": first, "filter_size": rest}
        if net in ("resnet18", "noiseresnet18"):
            options = {"first_filter_size": first} if net == "noiseresnet18" else {}
        works = perturbation.runs(net, first, rest, size)
        try:
            module = FOUND[name].build(4, net=net, nfilters=3, **options).eval()
        except BadParameter:
            assert not works, (first, rest)
            continue
        assert works, (first, rest)
        with torch.inference_mode():
            assert module(torch.zeros(1, 3, size, size)).shape == (1, 4)


def test_masks_for_each_colour_need_a_width_that_three_divides() -> None:
    module = FOUND["pnn"].build(10, nfilters=6, nmasks=4).eval()
    assert module.stem.conv.groups == 3
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert FOUND["pnn.mnist"].build(10, nfilters=4, nmasks=4).layers[0].conv.groups == 1


@pytest.mark.parametrize("name", FOUND)
def test_the_contract_is_kept(name: str) -> None:
    check_architecture(FOUND[name], build=name in ("pnn", "pnn.mnist", "noiseresnet18"))


@pytest.mark.parametrize("net", ["perturb_resnet18", "noiseresnet18", "cifarnet", "lenet", "resnet18", "update"])
def test_every_network_keeps_the_contract(net: str) -> None:
    chosen = {"first_filter_size": 3} if net == "noiseresnet18" else {}
    chosen |= UPDATE if net == "update" else {"net": net}
    check_architecture(dataclasses.replace(FOUND["pnn"], build=partial(FOUND["pnn"].build, nfilters=4, **chosen)))


@pytest.mark.parametrize("act", layers.ACTIVATIONS)
def test_every_activation_learns(act: str) -> None:
    torch.manual_seed(17)
    module = FOUND["pnn"].build(10, nfilters=3, act=act)
    module(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_they_are_found_under_their_names() -> None:
    names = {"pnn", "pnn.mnist", *(f"noiseresnet{n}" for n in (18, 34, 50, 101, 152))}
    assert set(FOUND) == names <= set(CATALOG.architectures)
    for name in names:
        assert CATALOG.owner("architecture", name) == "benchsuite.plugins.pnn"


def test_options_are_written_after_the_name() -> None:
    made = CATALOG.architecture("pnn:nfilters=6,first_filter_size=3,nmasks=64,level=0.1")
    assert made.name == "pnn:first_filter_size=3,level=0.1,nfilters=6,nmasks=64"
    assert made.build(10).stages[0][0].branch[0].perturb.noise.shape == (1, 6 * 64, 32, 32)
    assert CATALOG.architecture("pnn:nfilters=64,net=perturb_resnet18").name == "pnn"


@pytest.mark.parametrize("protocol", ["1crop", "10crop", "multicrop", "tta"])
def test_protocols_of_crops_work(protocol: str) -> None:
    made = views(bind(protocol, CATALOG.protocols.__getitem__), FOUND["pnn"].preprocess, mirror=True)
    assert {v.crop.size for v in made if v.crop} == {32}
    network = open_network(
        FOUND["pnn"], FOUND["pnn"].build(10, nfilters=3), FOUND["pnn"].preprocess, made, 10, Compute()
    )
    logits, places = network(np.zeros((2, 32, 32, 3), np.uint8), np.array([False, True]), made[0])
    assert (logits.shape, places) == ((2, 10), 1)


@pytest.mark.parametrize("name", ["pnn", "noiseresnet18"])
@pytest.mark.parametrize("protocol", ["fullconv", "multiscale"])
def test_dense_protocols_are_refused_with_the_reason(name: str, protocol: str) -> None:
    it = FOUND[name]
    made = views(bind(protocol, CATALOG.protocols.__getitem__), it.preprocess, mirror=True)
    with pytest.raises(
        UnsupportedProtocol, match=r"its input size is fixed\. Use 1crop, 10crop, multicrop or tta at 32"
    ):
        open_network(it, it.build(10, nfilters=3), it.preprocess, made, 10, Compute())


def test_other_crops_are_refused_with_the_size() -> None:
    it = FOUND["noiseresnet18"]
    made = views(bind("1crop:resize=31,crop=31", CATALOG.protocols.__getitem__), it.preprocess, mirror=True)
    with pytest.raises(
        UnsupportedProtocol, match="an image to be of 32x32 pixels, which this network is fixed to, got 31x31"
    ):
        open_network(it, it.build(10, nfilters=3), it.preprocess, made, 10, Compute())


def test_a_seed_gives_the_same_untrained_network() -> None:
    chosen = choose(FOUND["pnn"], CATALOG.datasets["cifar10"], "random", 3)
    assert chosen.preprocess == FOUND["pnn"].preprocess
    one, other = (with_weights(FOUND["pnn"], chosen, 10).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_naming_and_checking_the_networks_needs_no_torch() -> None:
    program = (
        "import sys, benchsuite\n"
        "from benchsuite.specs.parameters import bind_architecture\n"
        "found = benchsuite.load_plugins(entry_points=False)\n"
        "for text in ('pnn:nfilters=6', 'pnn:variant=update', 'noiseresnet18:level=0.2', 'lbcnn:depth=2'):\n"
        "    print(found.architecture(text).name)\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = ["pnn:nfilters=6", "pnn:variant=update", "noiseresnet18:level=0.2", "lbcnn:depth=2"]
    assert done.stdout.split() == [*names, "False", "False"]


def test_the_recipes_are_those_of_the_published_experiments() -> None:
    def row(recipe: Any) -> tuple[str, str, float, int, int]:
        said = recipe.expected.removeprefix("top-1 accuracy ").removesuffix(" %")
        return said, recipe.optimizer.name, recipe.optimizer.learning_rate, recipe.epochs, recipe.batch_size

    assert {name: row(recipe) for name, recipe in RECIPES.items()} == TRAINED
    assert {r.optimizer.weight_decay for r in RECIPES.values()} == {1e-4}
    assert {r.seed for r in RECIPES.values()} == {1}
    assert {r.optimizer.momentum for r in RECIPES.values() if r.optimizer.name == "sgd"} == {0.9}
    assert all(r.optimizer.nesterov for r in RECIPES.values() if r.optimizer.name == "sgd")
    assert {(r.architecture, r.dataset) for r in RECIPES.values()} == {("pnn", "cifar10")}
    assert {r.preprocess for r in RECIPES.values()} == {CATALOG.datasets["cifar10"].preprocess}


@pytest.mark.parametrize("name", LEDGER)
def test_a_recipe_expects_what_the_ledger_says_was_printed(name: str) -> None:
    (row,) = [row for row in ledger.load() if row.id == LEDGER[name]]
    assert RECIPES[name].expected == f"top-1 accuracy {row.value} %"
    assert row.metric == "top1_accuracy"


@pytest.mark.parametrize(
    ("name", "falls"),
    [
        ("klachko-5", {60: 0.2, 90: 0.04, 120: 0.008}),
        ("author-update-2", {150: 0.2, 250: 0.04, 300: 0.008, 350: 0.0016, 400: 0.00032}),
        ("pnn-original", {60: 0.1}),
    ],
)
def test_learning_rates_fall_at_the_epochs_of_the_source_counted_from_1(name: str, falls: dict[int, float]) -> None:
    recipe, factor = RECIPES[name], 1.0
    for epoch in range(1, recipe.epochs + 1):
        factor = falls.get(epoch, factor)
        for step in (0, 9):
            clock = schedules.Clock(10 * (epoch - 1) + step, 10 * recipe.epochs, 10)
            assert schedules.rate(recipe.schedule, clock) == pytest.approx(factor), epoch


@pytest.mark.parametrize("name", TRAINED)
def test_a_recipe_can_be_built_at_both_sizes_and_says_what_the_small_one_changes(name: str) -> None:
    recipe = RECIPES[name]
    small = scaled(recipe, "mini")
    assert (small.name, small.epochs, small.count_batch) == (f"{name}@mini", 15, recipe.batch_size)
    for what in (f"{small.epochs} epochs of {small.images:,} images", f"batches of {small.batch_size}"):
        assert what in recipe.note
    rate = small.optimizer.learning_rate / recipe.optimizer.learning_rate
    assert f"learning rate times {rate:g}" in recipe.note
    for key, value in set(small.options) - set(recipe.options):
        assert f"{key}={value}" in recipe.note
    accounting = find_accounting(recipe.accounting)
    assert accounting.applies(small.epochs, heldout=False)
    CATALOG.architecture("pnn", recipe.options)
    module = CATALOG.architecture("pnn", small.options).build(10).train()
    module(torch.zeros(2, 3, 32, 32)).sum().backward()
    assert sum(p.numel() for p in module.parameters()) < 400_000


def test_the_dispute_is_24_trainings_that_change_one_factor_each() -> None:
    (grid,) = FOUND["pnn"].grids
    made = cells(grid, RECIPES[grid.recipe])
    assert len(made) == 2**5
    assert len({dataclasses.replace(recipe, name="") for _, recipe in made}) == 24
    network = FOUND["pnn"].build(10, nfilters=2, net="noiseresnet18", first_filter_size=3)
    stem = [name for name, _ in network.named_parameters()]
    for levels, recipe in made:
        words = {level.name for level in levels}
        options = dict(recipe.options)
        assert options.get("level", 0.5) == (0.0 if "none" in words else 0.1 if "0.1" in words else 0.5)
        assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam" if "adam" in words else "sgd", 1e-4)
        assert recipe.epochs == (450 if "450" in words else 150)
        kept = [name for name in stem if name.startswith(recipe.frozen)]
        assert kept == (["stem.0.weight"] if "frozen" in words else [])
