"""Where the time of a pass went, what it could have been, and what to do about it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchsuite.evaluate import OpenNetwork

WAITED = 0.15
"""A pass that waits for images for less than this part of its time is as fast as its network."""

HOW = ("precision", "device", "loader", "workers", "processes", "batch_size")
"""What of a manifest's numerics decides how long a pass takes."""


def record(opened: Sequence[OpenNetwork], device: str) -> dict[str, Any]:
    """What a manifest keeps beside the seconds: ``alone`` (images/s of the forward pass by itself, the limit) and
    ``peak_memory`` in bytes, of the process and, on CUDA, of the device's tensors.
    """
    alone = sum(one.busy() for one in opened)
    images = sum(one.seconds.images for one in opened)
    return {
        "alone": images / alone if alone and images else None,
        "peak_memory": _peak_memory(),
        "device_memory": _device_memory(device),
    }


def profile(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Where the time of a run's pass went, as one flat object.

    ``wait``, ``forward`` and ``other`` are wall clock and make up ``total``; ``decode`` and ``resize`` are summed over
    the workers and lie within the wait or beside the rest. ``bound`` is what a faster run would need: ``forward``,
    ``decode`` or ``resize``; None where every chunk was there already. ``of_limit`` is the part of the limit reached.
    """
    seconds, kept, numerics = manifest["seconds"], manifest.get("profile", {}), manifest["numerics"]
    total, images, rate = seconds["total"], manifest["images_computed"], manifest["images_per_second"]
    alone = kept.get("alone")
    found = {
        "runs": [manifest["run_id"]],
        "protocols": [manifest["protocol"]["label"]],
        "architecture": manifest["architecture"]["name"],
        "images": images,
        **{name: seconds[name] for name in ("decode", "resize", "wait", "forward")},
        "other": max(0.0, total - seconds["wait"] - seconds["forward"]),
        "total": total,
        "images_per_second": rate,
        "forward_alone": alone,
        "of_limit": rate / alone if rate and alone else None,
        "peak_memory": kept.get("peak_memory"),
        "device_memory": kept.get("device_memory"),
        **{name: numerics.get(name) for name in HOW},
    }
    found["bound"] = _bound(found)
    done = {name for name in ("compiled", "chosen") if numerics.get(name)}
    if manifest.get("asked", {}).get("precision") == "auto":
        done.add("chosen")  # also where it came to fp32 without a check, on a few images
    found["advice"] = _advice(found, done)
    return found


def profiles(manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One profile for each pass: runs that were computed together have theirs in common."""
    passes: dict[Any, dict[str, Any]] = {}
    for manifest in manifests:
        one = profile(manifest)
        same = one["architecture"], one["precision"], tuple(manifest["seconds"].items())
        if same in passes:
            for name in ("runs", "protocols"):
                passes[same][name] += one[name]
        else:
            passes[same] = one
    return list(passes.values())


def _bound(found: Mapping[str, Any]) -> str | None:
    if not found["images"] or not found["total"]:
        return None
    if found["wait"] < WAITED * found["total"]:
        return "forward"
    return "decode" if found["decode"] >= found["resize"] else "resize"


def _advice(found: Mapping[str, Any], done: set[str]) -> list[str]:
    """What would make the next such run faster, the most promising first, without what is ``done``."""
    bound, cores = found["bound"], os.cpu_count() or 1
    if bound is None:
        return ["Every chunk was there already, nothing was computed: --fresh measures."]
    if bound == "forward":
        words = ["The network takes nearly all of the time."]
        if found["precision"] == "fp32" and "chosen" not in done:
            words.append("--precision auto takes a lower precision if a check against float32 passes.")
        elif found["precision"] == "fp16" and found["device"] == "cpu":
            words.append("fp16 is slow on most processors: --precision auto takes what is fast here.")
        elif found["precision"] == "tf32":
            words.append("--precision bf16 is faster still.")
        if found["device"] != "cpu":
            words.append(f"--batch-size above {found['batch_size']} may help if the device has memory left.")
        if "compiled" not in done:
            words.append(
                "--compile can help a network of many small layers; it takes a minute or two before the first batch."
            )
        return words
    words = [f"The network waits for images; {'decoding' if bound == 'decode' else 'resizing'} them takes longest."]
    processes = found["processes"] or 1
    share = cores // processes
    if found["workers"] < share:
        each = " in each process" if processes > 1 else ""
        words.append(f"--workers {share}: {found['workers']} are at work{each}, the machine has {cores} cores.")
    if bound == "decode" and found["loader"] == "torch":
        words.append("--loader ffcv reads a prepared file, whose pixels need no decoding.")
    elif bound == "resize":
        words.append("Fewer scales, or protocols that share their scales in one run, resize less.")
    return words


def _peak_memory() -> int | None:
    """The most memory that this process has had, in bytes; None where the system does not tell."""
    if importlib.util.find_spec("resource") is None:
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = _high_water()
    return own if own is not None else most * (1 if sys.platform == "darwin" else 1024)


def _high_water() -> int | None:
    """Linux's own count: the other one begins with what the process had before it became this program."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def _device_memory(device: str) -> int | None:
    """The most memory that tensors had on a CUDA device, in bytes."""
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))
