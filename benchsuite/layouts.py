"""How a network's maps lie in memory while it learns: channels last where that is faster, and else channel by channel.

Most networks learn up to twice as fast with channels last on a CPU, those with many small groups more slowly.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, Literal

import torch

from benchsuite.models.network import moved
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing

Layout = Literal["channels-last", "contiguous"]
LAYOUTS: tuple[Layout, Layout] = ("channels-last", "contiguous")

_CLEARLY = 0.85
_BATCH = 16


def laid(module: Any, layout: Layout, device: Any) -> Any:
    """The module on a device in a layout."""
    return moved(module, device) if layout == "channels-last" else module.to(device)


def pick(name: str, module: Any, shape: tuple[int, int, int, int], context: Callable[[], Any]) -> Layout:
    """The faster layout for batches of a shape; channels last unless the other one is clearly faster.

    ``context()`` is what the forward pass runs in. What was measured is kept in the user's cache under ``name``, so
    that the same training is computed in the same way the next time. GPUs get channels last.
    """
    device = next(module.parameters()).device
    if device.type != "cpu":
        return "channels-last"
    about = [name, list(shape), torch.__version__, torch.get_num_threads()]
    path = cache_dir() / "layouts" / f"{keys.digest(about)[:32]}.txt"
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    for layout in LAYOUTS:
        if known == layout:
            return layout
    last, plain = seconds(module, (min(shape[0], _BATCH), *shape[1:]), context)
    found: Layout = "contiguous" if plain < _CLEARLY * last else "channels-last"
    with writing(path) as part:
        part.write_text(found, encoding="utf-8")
    return found


def seconds(module: Any, shape: tuple[int, int, int, int], context: Callable[[], Any]) -> list[float]:
    """Of a forward and a backward pass in each of ``LAYOUTS``, interleaved, the best of three. Changes nothing.

    They are seconds of the processor: what else the machine does does not count.
    """
    with torch.random.fork_rng(devices=[]):
        copies = [laid(copy.deepcopy(module), layout, "cpu").train() for layout in LAYOUTS]
        batches = [torch.randn(shape), torch.randn(shape).contiguous(memory_format=torch.channels_last)][::-1]
        spent: list[list[float]] = [[], []]
        for _ in range(4):
            for one, x, times in zip(copies, batches, spent, strict=True):
                start = time.process_time()
                with context():
                    out = one(x)
                out.float().square().mean().backward()
                times.append(time.process_time() - start)
    return [min(times[1:]) for times in spent]
