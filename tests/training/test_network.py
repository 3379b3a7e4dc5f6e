"""Memory format: the faster of two is measured once, and measuring changes nothing else."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training

from benchsuite import load_plugins
from benchsuite.training import network
from benchsuite.training.network import faster_layout, in_layout, rest_residual_branches, seconds

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
