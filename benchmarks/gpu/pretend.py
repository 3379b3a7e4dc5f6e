"""A pretended CUDA device: every line of the CUDA path runs, and the CPU computes.

For ``check.sh --pretend``, which finds what would fail on a device for a reason that needs none. ``cuda`` in a call of
torch becomes ``cpu``; streams do nothing; pinned memory is a copy; events are times of the host. What only a device can
show is not shown: the bits, the order of streams, the speed.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

NAME = "a pretended device"
TOTAL = 64 * 2**20
"""Bytes of memory that it says to have."""

_MEMORY = {"fraction": 1.0}


def install() -> None:
    """Replaces what needs a device, for the rest of this process."""
    _ToHost().__enter__()
    run = threading.Thread.run

    def on_host(thread: threading.Thread) -> None:
        with _ToHost():  # a mode is of one thread
            run(thread)

    threading.Thread.run = on_host
    for name, stand_in in _cuda().items():
        setattr(torch.cuda, name, stand_in)
    torch.Tensor.pin_memory = lambda self, *_: self.clone()
    torch.Tensor.record_stream = lambda self, stream: None
    torch.autocast = _kept(torch.autocast)
    torch.compile = lambda function, **options: functools.partial(function)
    group = torch.distributed.init_process_group
    torch.distributed.init_process_group = lambda backend, device_id: group("gloo")
    parallel = torch.nn.parallel.DistributedDataParallel
    on_host = functools.wraps(parallel)(lambda module, device_ids, **options: parallel(module, **options))
    torch.nn.parallel.DistributedDataParallel = on_host


def host(value: Any) -> Any:
    """``cpu`` for the name of a CUDA device; anything else unchanged."""
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    return "cpu" if isinstance(value, str) and value.startswith("cuda") else value


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with the host in place of the device."""
    return lambda *args, **options: function(*map(host, args), **{k: host(v) for k, v in options.items()})


class _ToHost(TorchFunctionMode):
    """Computes on the host what is asked of the device. A convolution of more than its memory runs out of it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        options = {k: host(v) for k, v in (kwargs or {}).items() if k != "pin_memory"}
        if func is torch.nn.functional.conv2d and args[0].numel() * 4 > _MEMORY["fraction"] * TOTAL:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (pretended)")
        return func(*map(host, args), **options)


class _Stream:
    def __init__(self, device: Any = None) -> None:
        self.device = device

    def wait_stream(self, other: Any) -> None:
        """Waits for nothing."""


class _Event:
    def __init__(self, *, enable_timing: bool, blocking: bool = False) -> None:
        self.at = 0.0

    def record(self, stream: Any) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """Waits for nothing."""

    def elapsed_time(self, end: _Event) -> float:
        """Milliseconds."""
        return 1000 * (end.at - self.at)


@contextlib.contextmanager
def _nothing(*_: Any, **__: Any) -> Iterator[None]:
    yield


def _cuda() -> dict[str, Any]:
    """What replaces the members of ``torch.cuda`` that the check and benchsuite use."""
    main = _Stream()
    silent = ("init", "set_device", "synchronize", "empty_cache", "reset_peak_memory_stats", "set_rng_state")
    return {
        **{name: lambda *_, **__: None for name in silent},
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "is_current_stream_capturing": lambda: False,
        "get_device_name": lambda *_, **__: NAME,
        "get_device_capability": lambda *_, **__: (9, 0),
        "get_device_properties": lambda *_, **__: SimpleNamespace(total_memory=TOTAL),
        "is_bf16_supported": lambda *_, **__: True,
        "mem_get_info": lambda *_, **__: (TOTAL // 2, TOTAL),
        "max_memory_allocated": lambda *_, **__: TOTAL // 4,
        "set_per_process_memory_fraction": lambda fraction, *_: _MEMORY.update(fraction=fraction),
        "get_rng_state": lambda *_, **__: torch.get_rng_state(),
        "Stream": _Stream,
        "Event": _Event,
        "current_stream": lambda *_, **__: main,
        "stream": _nothing,
        "device": _nothing,
    }
