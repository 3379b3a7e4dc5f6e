"""Tests of precisions: what each means on a device, and which are tried there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchsuite import BadParameter
from benchsuite.evaluation.question import TOLERANCE
from benchsuite.models import precision

CPU = torch.device("cpu")
FLAGS = torch.backends.cuda.matmul, torch.backends.cudnn


def allowed() -> list[bool]:
    return [flag.allow_tf32 for flag in FLAGS]


@pytest.fixture(params=[False, True])
def before(request: Any) -> Any:
    """TF32 settings that were changed before."""
    was = allowed()
    for flag in FLAGS:
        flag.allow_tf32 = request.param
    yield request.param
    for flag, value in zip(FLAGS, was, strict=True):
        flag.allow_tf32 = value


@pytest.mark.parametrize("name", sorted(precision.DTYPES))
def test_tf32_is_on_for_tf32_alone_and_all_is_as_it_was_afterwards(name: str, before: bool) -> None:
    with precision.computing(name, CPU):
        assert allowed() == [name == "tf32"] * 2
    assert allowed() == [before] * 2
    with pytest.raises(KeyError), precision.computing(name, CPU):
        raise KeyError
    assert allowed() == [before] * 2


@pytest.mark.parametrize("name", sorted(precision.DTYPES))
@pytest.mark.parametrize("chosen", [(False, False), (False, True), (True, True)])
def test_cudnn_takes_the_same_algorithms_each_time_and_is_as_it_was_afterwards(
    monkeypatch: pytest.MonkeyPatch, name: str, chosen: tuple[bool, bool]
) -> None:
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "deterministic", chosen[0])
    monkeypatch.setattr(cudnn, "benchmark", chosen[1])
    with precision.computing(name, CPU):
        assert (cudnn.deterministic, cudnn.benchmark) == (True, False)
    assert (cudnn.deterministic, cudnn.benchmark) == chosen
    with pytest.raises(KeyError), precision.computing(name, CPU):
        raise KeyError
    assert (cudnn.deterministic, cudnn.benchmark) == chosen


NEW = ("backends", "cudnn", "matmul", "conv", "rnn")
"""torch's new switches: one for all of torch, one for CUDA, and one for each kind of operation there."""


@pytest.fixture
def switches() -> Iterator[dict[str, Any]]:
    """The new switches by name. Afterwards all are as at the start of a process."""
    if not hasattr(torch.backends, "fp32_precision"):
        pytest.skip("torch before 2.9 has no new switches")
    cudnn = torch.backends.cudnn
    owners = torch.backends, cudnn, torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn
    found = dict(zip(NEW, owners, strict=True))
    yield found
    for name in ("backends", "cudnn"):
        found[name].fp32_precision = "none"
    for flag, value in zip(FLAGS, (False, True), strict=True):
        flag.allow_tf32 = value


@pytest.mark.parametrize("name", sorted(precision.DTYPES))
@pytest.mark.parametrize(
    "chosen",
    [
        {"matmul": "tf32"},
        {"conv": "ieee"},
        {"conv": "ieee", "rnn": "ieee"},
        {"matmul": "tf32", "conv": "ieee"},
        {"backends": "tf32"},
        {"cudnn": "tf32"},
        {"backends": "ieee"},
    ],
    ids=str,
)
def test_a_process_that_has_set_the_new_switches_can_compute(
    switches: dict[str, Any], name: str, chosen: dict[str, str]
) -> None:
    for part, value in chosen.items():
        switches[part].fp32_precision = value
    was = {part: switches[part].fp32_precision for part in NEW}
    for _ in range(2):  # the second time after TF32 was forbidden and allowed again
        with precision.computing(name, CPU):
            inside = {switches[part].fp32_precision == "tf32" for part in ("matmul", "conv", "rnn")}
        assert inside == {name == "tf32"}
        assert {part: switches[part].fp32_precision for part in NEW} == was


def test_a_switch_for_all_of_torch_does_not_bring_tf32_back_into_float32(switches: dict[str, Any]) -> None:
    with precision.computing("fp32", CPU):
        pass  # products are float32 by name from now on, so that all old switches can be read
    switches["backends"].fp32_precision = "tf32"
    with precision.computing("fp32", CPU):
        assert "tf32" not in {switches[part].fp32_precision for part in ("matmul", "conv", "rnn")}


def test_a_torch_without_new_switches_has_the_old_ones_set(monkeypatch: pytest.MonkeyPatch) -> None:
    matmul = SimpleNamespace(allow_tf32=True)
    cudnn = SimpleNamespace(allow_tf32=True, deterministic=False, benchmark=False)
    monkeypatch.setattr(torch.backends, "cudnn", cudnn)
    monkeypatch.setattr(torch.backends.cuda, "matmul", matmul)
    with precision.computing("fp32", CPU):
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, False)
    assert (matmul.allow_tf32, cudnn.allow_tf32) == (True, True)


@pytest.mark.parametrize(("name", "lower"), [("fp32", None), ("tf32", None), ("bf16", torch.bfloat16)])
def test_products_are_computed_in_the_type_of_the_precision(name: str, lower: Any) -> None:
    with precision.computing(name, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is (lower or torch.float32)


def test_every_precision_has_a_tolerance_and_a_bound() -> None:
    from benchsuite.runs.auto_precision import BOUNDS

    assert set(precision.DTYPES) == set(TOLERANCE) == set(BOUNDS) | {"fp32"}


@pytest.mark.parametrize(
    ("knows", "tried"),
    [({"avx512_bf16": True}, ("bf16",)), ({"amx_bf16": True}, ("bf16",)), ({"avx512_bf16": False, "avx2": True}, ())],
)
def test_a_cpu_tries_bfloat16_only_if_it_has_it(monkeypatch: Any, knows: dict[str, bool], tried: tuple[str]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: knows, raising=False)
    assert precision.candidates("cpu") == tried
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precision.candidates("cpu") == ()


@pytest.mark.parametrize(
    ("bf16", "capability", "tried"),
    [(True, (8, 0), ("bf16", "tf32")), (False, (7, 5), ("fp16",)), (False, (6, 1), ())],
)
def test_a_gpu_tries_what_it_computes_by_itself(
    monkeypatch: Any, bf16: bool, capability: tuple[int, int], tried: tuple[str, ...]
) -> None:
    """The current GPU is another one, which has what this one has not."""
    current = ["cuda:0"]

    @contextmanager
    def device(name: str) -> Iterator[None]:
        current.append(name)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16 == (current[-1] == "cuda:1"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision.candidates("cuda:1") == tried
    assert current == ["cuda:0"]


def test_tf32_is_refused_where_there_is_none() -> None:
    precision.check("tf32", "cuda:0")
    precision.check("bf16", "cpu")
    with pytest.raises(BadParameter, match="Expected --precision tf32 to be used on a CUDA device, got cpu"):
        precision.check("tf32", "cpu")
