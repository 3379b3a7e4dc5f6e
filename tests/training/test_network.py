"""A network before its first step: the faster memory format is measured once; residual blocks that rest at first."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training
from toy_training import Block

from benchsuite import Architecture, Recipe, load_plugins
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.training import network
from benchsuite.training.images import read, training_images
from benchsuite.training.network import (
    Rest,
    faster_layout,
    in_layout,
    rest_residual_branches,
    resting_blocks,
    seconds,
)
from benchsuite.training.trainer import Trainer, TrainingCompute

SHAPE = (8, 3, 8, 8)


def picked(monkeypatch: pytest.MonkeyPatch, times: list[float] | None, name: str = "net") -> str:
    """The layout that is picked if measuring gives these seconds; with None, a measurement fails the test."""

    def measure(*_: Any) -> list[float]:
        assert times is not None, "measured again"
        return times

    monkeypatch.setattr(network, "seconds", measure)
    return faster_layout(name, toy_training.build(3), SHAPE, contextlib.nullcontext)


def test_channels_last_unless_the_other_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert picked(monkeypatch, [1.0, 0.8], "a") == "contiguous"
    assert picked(monkeypatch, [1.0, 0.9], "b") == "channels-last"
    assert picked(monkeypatch, [1.0, 2.0], "c") == "channels-last"


def test_what_was_measured_is_kept(monkeypatch: pytest.MonkeyPatch, isolated: Path) -> None:
    assert picked(monkeypatch, [1.0, 0.5]) == "contiguous"
    assert picked(monkeypatch, None) == "contiguous"
    assert picked(monkeypatch, [1.0, 1.0], "another") == "channels-last"
    (file, _) = sorted((isolated / "cache" / "layouts").iterdir(), key=lambda p: p.read_text(), reverse=True)
    file.write_text("half a wo")
    assert picked(monkeypatch, [1.0, 0.5]) == "contiguous"


def test_measuring_changes_neither_the_network_nor_chance() -> None:
    module = toy_training.build(3).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    chance = torch.get_rng_state()
    first, second = seconds(module, SHAPE, contextlib.nullcontext)
    assert first > 0
    assert second > 0
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert torch.equal(torch.get_rng_state(), chance)


def test_a_module_is_laid_out_with_tensors_of_any_rank() -> None:
    module = toy_training.build(3)
    module.register_buffer("masks", torch.zeros(1, 3, 2, 4, 4))
    for layout, where in (("channels-last", True), ("contiguous", False)):
        moved = in_layout(toy_training.build(3), layout, "cpu")
        assert moved[0].weight.is_contiguous(memory_format=torch.channels_last) is where
    assert in_layout(module, "channels-last", "cpu").masks.shape == (1, 3, 2, 4, 4)


BUILT_IN = load_plugins(entry_points=False)


def test_residual_branches_start_at_rest() -> None:
    module = BUILT_IN.architecture("resnet18").build(10).eval()
    rest_residual_branches(module)
    x = torch.randn(2, 64, 8, 8).relu()
    assert torch.equal(module.layer1[0](x), x)


def residual(num_classes: int) -> Any:
    """Three blocks, of which only the second returns its input when its branch is zero."""
    blocks = Block(4, torch.nn.ReLU(), torch.nn.Identity()), Block(4, torch.nn.ReLU()), Block(4, torch.nn.SiLU())
    pool = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, bias=False), *blocks, *pool, torch.nn.Linear(4, num_classes)
    ).train()


RESIDUAL = dataclasses.replace(toy_training.ARCHITECTURE, build=residual)
RESTING = toy_training.RESTING
SPLIT = toy_training.open_dots(None, "train")
ARRAY = read(SPLIT, SPLIT.samples, toy_training.PREPROCESS, toy_training.SIDE)
IMAGES = training_images({toy_training.SIDE: ARRAY}, SPLIT.samples, "cpu")


def trainer(recipe: Recipe, architecture: Architecture = RESIDUAL, compute: TrainingCompute | None = None) -> Trainer:
    return Trainer(architecture, recipe, IMAGES, 3, compute or TrainingCompute())


def run(training: Trainer, until: float) -> dict[str, Any]:
    """Does the steps up to a step; returns a copy of the state of the module."""
    while training.step < until:
        training.advance()
    return {name: tensor.clone() for name, tensor in training.module.state_dict().items()}


INPUTS = InputNormalization(toy_training.PREPROCESS, torch.device("cpu"))


def test_blocks_that_return_their_input_rest_and_others_keep_their_scale() -> None:
    module = residual(3)
    chance = torch.get_rng_state()
    assert resting_blocks(module, INPUTS, 8) == [module[2]]
    assert [float(module[i].bn2.weight.detach().sum()) for i in (1, 2, 3)] == [4, 0, 4]
    assert module.training
    assert torch.equal(torch.get_rng_state(), chance)
    assert resting_blocks(toy_training.build(3), INPUTS, 8) == []


@pytest.mark.parametrize(("name", "count"), [("resnet18", 5), ("resnet50", 12), ("timm:resnet26", 4)])
def test_residual_networks_rest_all_blocks_without_a_downsample(name: str, count: int) -> None:
    with torch.random.fork_rng(devices=[]):
        assert len(resting_blocks(BUILT_IN.architecture(name).build(3), INPUTS, 32)) == count


def test_a_skipped_block_changes_no_bit_of_the_output() -> None:
    module, x = residual(3), torch.randn(4, 3, 8, 8)
    blocks = resting_blocks(module, INPUTS, 8)
    whole = module(x)
    rest = Rest(blocks, module, 0.5)
    rest.begin()
    assert torch.equal(module(x), whole)
    assert not rest.wakes(0.4)
    assert rest.wakes(0.5)
    assert not rest.wakes(0.6)
    module(x).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_resting_blocks_stay_until_they_wake_and_then_learn() -> None:
    training = trainer(RESTING)
    assert training.steps == 2 * 7
    start = run(training, 0)
    rested, woken = run(training, 7), run(training, 14)
    changed = [{n for n in start if not torch.equal(a[n], b[n])} for a, b in ((start, rested), (rested, woken))]
    own = {n for n in start if n.startswith("2.")}
    assert not changed[0] & own
    assert changed[1] == set(start)
    assert changed[0] == set(start) - own


@pytest.mark.parametrize("cut", [3, 7, 9])
def test_a_training_cut_before_or_after_its_blocks_wake_goes_on_to_the_same_weights(cut: int) -> None:
    first, second = trainer(RESTING), trainer(RESTING)
    run(first, cut)
    second.restore(first.state())
    mine, theirs = run(trainer(RESTING), 14), run(second, 14)
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_frozen_layers_of_a_resting_block_stay_frozen_when_it_wakes() -> None:
    training = trainer(dataclasses.replace(RESTING, frozen=("2.conv",)))
    start, end = run(training, 0), run(training, 14)
    assert torch.equal(start["2.conv.weight"], end["2.conv.weight"])
    assert not torch.equal(start["2.bn2.weight"], end["2.bn2.weight"])


def test_other_networks_and_compiled_ones_train_as_without_resting_blocks() -> None:
    plain = dataclasses.replace(RESTING, resting=0.0)
    mine, theirs = (run(trainer(recipe, toy_training.ARCHITECTURE), 3) for recipe in (plain, RESTING))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert trainer(RESTING, compute=TrainingCompute(compiled=True)).rest.blocks == []


def test_steps_ahead_cost_more_once_the_blocks_are_awake() -> None:
    module = residual(3)
    rest = Rest([module[2]], module, 0.5)
    rest.begin()
    own, whole = (sum(p.numel() for p in m.parameters()) for m in (module[2], module))
    assert rest.heavier == whole / (whole - own)
    assert rest.ahead(2, 14) == 5 + 7 * rest.heavier
    assert rest.ahead(7, 14) == 7 * rest.heavier
    assert rest.wakes(0.5)
    assert rest.ahead(7, 14) == 7
    assert Rest([], module, 0.0).ahead(3, 10) == 7
