"""Checks of memory: batches that do not fit are halved, and the counts stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gpu_check import made_up
from gpu_check.bench import Bench, beyond_ties
from gpu_check.rows import Check, Outcome, Stage, promised, skipped

from benchsuite.errors import BenchsuiteError


def halved(bench: Bench) -> Outcome:
    """A batch whose forward pass runs out of memory is halved until its parts fit."""
    network, n = bench.new_network("fp32", bench.name), bench.sizes.few
    pixels, flips, most = made_up.crops(n), np.arange(n) % 3 == 0, n // 3
    parts = [slice(i, i + most) for i in range(0, n, most)]
    wanted = np.concatenate([network(pixels[part], flips[part], bench.crop)[0] for part in parts])

    def refuse(module: Any, given: Any) -> None:
        if len(given[0]) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (by the check)")

    network.module.register_forward_pre_hook(refuse)
    found = network(pixels, flips, bench.crop)[0]
    fits = 0 if network.fits is None else network.fits // bench.sizes.crop**2
    off = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    return promised(0 < fits <= most and off < 1e-4, f"{fits} of {n} images fit, {most} would; logits off by {off:.1e}")


def limited(bench: Bench) -> Outcome:
    """With the memory of this process limited, counts are as before but for near ties."""
    if not bench.cuda:
        return skipped("no CUDA device")
    n, flips = bench.sizes.batch, np.zeros(bench.sizes.batch, dtype=bool)
    pixels, network = made_up.crops(n), bench.network()
    wanted = network(pixels, flips, bench.crop)[0]
    total, used = torch.cuda.get_device_properties(0).total_memory, torch.cuda.max_memory_allocated()
    bench.free()
    torch.cuda.set_per_process_memory_fraction(used / 3 / total if bench.real else 0.5 * pixels.size * 4 / total)
    try:
        found = network(pixels, flips, bench.crop)[0]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    fits = n if network.fits is None else network.fits // bench.sizes.crop**2
    off = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    return promised(fits < n and off < 1e-4, f"{fits} of {n} images fit a third of the memory; logits off by {off:.1e}")


def taken(bench: Bench) -> Outcome:
    """With most of the memory taken by another tensor, an evaluation ends with the same counts."""
    if not bench.cuda:
        return skipped("no CUDA device")
    protocols, limit = ("1crop", "10crop"), bench.sizes.few
    base = bench.evaluate(protocols, limit=limit)
    bench.free()
    room = int(1.5 * 2**30) if bench.real else 2**20
    hog = torch.empty(max(0, torch.cuda.mem_get_info()[0] - room), dtype=torch.uint8, device="cuda")
    found = bench.evaluate(protocols, limit=limit)
    pairs = [beyond_ties(base[p], found[p], "fp32") for p in protocols]
    words = f"{hog.numel() / 2**30:.1f} GiB taken; {sum(c for c, _ in pairs)} other top-1"
    return promised(not any(b for _, b in pairs), f"{words}, {sum(b for _, b in pairs)} beyond near ties")


def no_room(bench: Bench) -> Outcome:
    """An image for which there is no memory at all is one line that says so."""
    network = bench.new_network("fp32", bench.name)

    def refuse(module: Any, given: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory (by the check)")

    network.module.register_forward_pre_hook(refuse)
    try:
        network(made_up.crops(3), np.zeros(3, dtype=bool), bench.crop)
    except BenchsuiteError as error:
        return promised("memory" in str(error) and "\n" not in str(error), str(error))
    return promised(False, "no error")


MEMORY = Stage(
    "memory",
    40,
    (
        Check("a batch that does not fit is halved", halved, 4, "it is computed in parts"),
        Check("an image that does not fit", no_room, 3, "an error in one line"),
        Check("memory of the process limited", limited, 8, "fewer fit, logits within 1e-04"),
        Check("memory taken by another tensor", taken, 8, "none beyond near ties"),
    ),
)
