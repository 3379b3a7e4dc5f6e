"""Properties of the search for tensors: a network is found again in any wrapping, and no other network's is taken."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_network import trained
from torch import nn

from benchsuite import WeightsError
from benchsuite.models.checkpoints.choice import Selection
from benchsuite.models.checkpoints.extraction import Extracted, extract
from benchsuite.models.checkpoints.search import candidates, entries


class Block(nn.Module):
    """Names that repeat on several levels, as in most networks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 2)
        self.layer = nn.Sequential(nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)), nn.Linear(2, 2))


def numbered(module: nn.Module) -> nn.Module:
    """Every tensor has values of its own that all types of numbers hold exactly."""
    for i, tensor in enumerate(module.state_dict().values()):
        tensor.copy_(torch.arange(tensor.numel()).reshape(tensor.shape) % 7 + i % 50)
    return module


NETWORKS = {"net": trained(), "block": numbered(Block()), "bare": numbered(nn.Linear(2, 3))}
WORDS = st.sampled_from(
    ["module", "_orig_mod", "model", "net", "backbone", "student", "state_dict", "conv", "bn", "fc", "layer", "0", "a"]
)
WRAPPING = st.lists(st.tuples(st.sampled_from(["key", "prefix"]), WORDS), max_size=5)
TYPES = st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64])
JUNK: dict[str, Any] = {
    "epoch": 90,
    "optimizer": {"state": {0: {"exp_avg": torch.ones(3), "step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1}]},
    "lr_scheduler": {"last_epoch": 3, "base": [0.1]},
    "loss": torch.tensor(0.5),
    "args": None,
    "best_prec1": 76.5,
}


def wrapped(state: dict[str, Any], wrapping: list[tuple[str, str]], junk: list[str]) -> dict[str, Any]:
    """A state dict under keys and prefixes, the last one outermost, with junk in every dictionary around it."""
    content = dict(state)
    inside = False
    for kind, word in wrapping:
        if kind == "key" or inside:  # a prefix of a dictionary is a key
            content, inside = {word: content, **{k: JUNK[k] for k in junk if k not in ("loss", word)}}, True
        else:
            content = {f"{word}.{name}": tensor for name, tensor in content.items()}
            content["n_averaged"] = torch.tensor(3)
    return content


def found(content: Any, module: nn.Module, key: str | None = None) -> Extracted:
    return extract(content, module, Selection(key), "net, weights x.pth")


def values(module: nn.Module, dtype: torch.dtype) -> dict[str, Any]:
    floats = {n: t.to(dtype) if t.is_floating_point() else t for n, t in module.state_dict().items()}
    return {n: t.clone() for n, t in floats.items()}


def same(state: Any, wanted: dict[str, Any], module: nn.Module) -> bool:
    own = module.state_dict()
    return state.keys() == wanted.keys() and all(torch.equal(state[n], wanted[n].to(own[n].dtype)) for n in wanted)


@given(st.sampled_from(sorted(NETWORKS)), WRAPPING, st.sets(st.sampled_from(sorted(JUNK))), TYPES, st.randoms())
def test_a_wrapped_state_dict_is_found_again(
    name: str, wrapping: list[tuple[str, str]], junk: set[str], dtype: torch.dtype, random: Any
) -> None:
    module = NETWORKS[name]
    wanted = values(module, dtype)
    order = list(wanted)
    random.shuffle(order)
    content = wrapped({n: wanted[n] for n in order}, wrapping, sorted(junk))
    result = found(content, module)
    assert same(result.state, wanted, module)
    assert bool(result.reading.taken_from) == bool(wrapping)
    if wrapping:
        assert result.reading.taken_from == ".".join(word for _, word in reversed(wrapping))
    assert any(str(dtype).removeprefix("torch.") in c for c in result.reading.changes) == (dtype != torch.float32)


@given(st.sampled_from(["net", "block"]), WRAPPING, WORDS, WORDS, WORDS)
def test_a_head_under_another_prefix_than_the_backbone_is_found(
    name: str, wrapping: list[tuple[str, str]], first: str, second: str, middle: str
) -> None:
    module = NETWORKS[name]
    own = set(dict(module.named_children()))
    if {first, second, middle} & own or first == second:
        return
    state = {f"{second if n.startswith('fc.') else first}.{n}": t for n, t in module.state_dict().items()}
    state = {n.replace("bn.", f"bn.{middle}."): t for n, t in state.items()}
    result = found(wrapped(state, [s for s in wrapping if s[0] == "key"], []), module)
    assert same(result.state, dict(module.state_dict()), module)
    assert {first, second} <= {*result.reading.between}


@given(st.sampled_from(["net", "block"]), WRAPPING, st.data())
def test_tensors_of_another_network_are_never_taken(name: str, wrapping: list[tuple[str, str]], data: Any) -> None:
    module = NETWORKS[name]
    state = dict(module.state_dict())
    names = sorted(n for n in state if not n.endswith("num_batches_tracked"))
    one = data.draw(st.sampled_from(names))
    kind = data.draw(st.sampled_from(["renamed", "missing", "shape", "more", "leaf"]))
    if kind == "renamed":
        head = one.partition(".")[0]
        state = {n.replace(head, "other", 1) if n.startswith(f"{head}.") else n: t for n, t in state.items()}
    elif kind == "missing":
        del state[one]
    elif kind == "shape":
        state[one] = torch.zeros(*state[one].shape, 2)
    elif kind == "leaf":
        state[f"{one}_g"] = state.pop(one)
    else:
        state["other.weight"] = torch.zeros(2, 2)
    with pytest.raises(WeightsError) as error:
        found(wrapped(state, wrapping, []), module)
    assert "\n" not in str(error.value)


@given(st.sampled_from(sorted(NETWORKS)), st.lists(WORDS, min_size=2, max_size=3, unique=True))
def test_two_places_with_different_tensors_are_an_error_until_one_is_chosen(name: str, keys: list[str]) -> None:
    module = NETWORKS[name]
    state = dict(module.state_dict())
    content: dict[str, Any] = {}
    for i, key in enumerate(keys):
        content[key] = {f"module.{n}": t + i if t.is_floating_point() else t for n, t in state.items()}
    with pytest.raises(WeightsError, match="different tensors in ") as error:
        found(content, module)
    assert f"key={keys[1]}.module" in str(error.value)
    for i, key in enumerate(keys):
        result = found(content, module, key)
        wanted = {n: t + i if t.is_floating_point() else t for n, t in state.items()}
        assert same(result.state, wanted, module)
        assert result.reading.taken_from == f"{key}.module"
        assert set(result.reading.other) == {f"{k}.module" for k in keys if k != key}


def test_equal_copies_are_no_choice_and_are_said() -> None:
    state = dict(NETWORKS["net"].state_dict())
    result = found({"model": state, "model_ema": {n: t.clone() for n, t in state.items()}}, NETWORKS["net"])
    assert (result.reading.taken_from, result.reading.same) == ("model", ("model_ema",))


def test_weights_and_their_average_are_never_mixed() -> None:
    """Each layer is in both, the head in none alone: no way leads to one network."""
    state = dict(NETWORKS["net"].state_dict())
    split = {"a": {n: t for n, t in state.items() if not n.startswith("fc")}, "head": {}}
    split["b"] = {n: t + 1 for n, t in split["a"].items()}
    split["head"] = {n: t for n, t in state.items() if n.startswith("fc")}
    with pytest.raises(WeightsError, match="different tensors in a\\+head and b\\+head"):
        found(split, NETWORKS["net"])
    assert same(found(split, NETWORKS["net"], "a+head").state, state, NETWORKS["net"])
    for place in candidates(entries(split), {n: tuple(t.shape) for n, t in state.items()}):
        assert len({theirs.partition(".")[0] for theirs in place.names.values()}) == 2


def test_a_network_inside_another_is_not_taken_unless_it_is_asked_for() -> None:
    state = {f"features.{n}": t for n, t in NETWORKS["net"].state_dict().items()}
    content = {"state_dict": {**state, "head.weight": torch.zeros(2, 2)}}
    with pytest.raises(WeightsError, match=r"unknown state_dict.head.weight: if .*key=state_dict.features"):
        found(content, NETWORKS["net"])
    result = found(content, NETWORKS["net"], "state_dict.features")
    assert same(result.state, dict(NETWORKS["net"].state_dict()), NETWORKS["net"])
    assert result.reading.passed_over == ("state_dict.head.weight",)


def test_a_key_that_is_no_place_of_the_network_lists_those_that_are() -> None:
    content = {"model": dict(NETWORKS["net"].state_dict()), "optimizer": {"lr": 0.1}}
    with pytest.raises(WeightsError, match=r"key= to be a place of the network: model, got optimizer \(net"):
        found(content, NETWORKS["net"], "optimizer")


def test_a_cycle_in_a_file_ends() -> None:
    content: dict[str, Any] = {"model": dict(NETWORKS["net"].state_dict())}
    content["self"] = content
    assert found(content, NETWORKS["net"]).reading.taken_from == "model"
