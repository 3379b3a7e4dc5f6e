"""Where the time of a pass went, which speed would have been possible, and how to reach it."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchsuite.evaluator import OpenNetwork
from benchsuite.storage.logit_cache import CHUNK

WAITED = 0.15
"""A pass that waits for images for less than this fraction of its time is limited by its network.

So is a pass whose network rests for less than this fraction.
"""

IDLE = 0.5
"""A device that waits is limited by the thread that takes the images, if the workers work for less than this fraction.
"""

HOW = ("precision", "device", "loader", "workers", "processes", "batch_size")
"""The keys of a manifest's numerics that affect how long a pass takes."""


def begin(device: str) -> None:
    """Begins a pass: the peak memory of a CUDA device is measured from here on."""
    if _on_cuda(device):
        import torch

        torch.cuda.init()  # before that a device has no statistics
        torch.cuda.reset_peak_memory_stats(device)


def record(opened: Sequence[OpenNetwork], device: str) -> dict[str, Any]:
    """What a manifest keeps in addition to the seconds.

    ``alone`` is the images/s of the forward pass by itself, which is the limit of a pass. ``peak_memory`` is the
    process's, in bytes, and ``device_memory`` that of the tensors on a CUDA device since ``begin``. Each is None if it
    is not known. ``resized`` counts images by where they were resized, with the reason if the device ``refused``; only
    where it was the device's task.
    """
    alone = sum(one.busy() for one in opened)
    images = sum(one.seconds.images for one in opened)
    resizers = [one.resizer for one in opened if one.resizer is not None]
    resized: dict[str, Any] = {n: sum(getattr(r, n) for r in resizers) for n in ("on_device", "on_host")}
    resized["refused"] = next((r.refused for r in resizers if r.refused), "")
    return {
        "alone": images / alone if alone and images else None,
        "peak_memory": _peak_memory(),
        "device_memory": _device_memory(device),
        **({"resized": resized} if resizers else {}),
    }


def profile(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Where the time of a run's pass went, as one flat object.

    ``wait``, ``prepare``, ``forward`` and ``other`` are wall clock and add up to ``total``; on CUDA they are those of
    the thread that makes and submits batches. ``prepare`` is None for old runs, which counted it in ``forward``.
    ``decode`` and ``resize`` are summed over the workers, which work during the wait and in parallel with the rest.
    ``bound`` is what limits the speed: ``forward``, ``prepare``, ``decode`` or ``resize``; None if every chunk was in
    the cache. ``of_limit`` is the fraction of the speed limit that was reached.
    ``resized_on_device`` is the number of images that the device resized.
    """
    seconds, kept, numerics = manifest["seconds"], manifest.get("profile", {}), manifest["numerics"]
    total, images, rate = seconds["total"], manifest["images_computed"], manifest["images_per_second"]
    alone, resized = kept.get("alone"), kept.get("resized", {})
    result = {
        "runs": [manifest["run_id"]],
        "protocols": [manifest["protocol"]["label"]],
        "architecture": manifest["architecture"]["name"],
        "images": images,
        **{name: seconds.get(name) for name in ("decode", "resize", "wait", "prepare", "forward")},
        "other": max(0.0, total - seconds["wait"] - seconds.get("prepare", 0.0) - seconds["forward"]),
        "total": total,
        "images_per_second": rate,
        "forward_alone": alone,
        "of_limit": rate / alone if rate and alone else None,
        "peak_memory": kept.get("peak_memory"),
        "device_memory": kept.get("device_memory"),
        "resized_on_device": resized.get("on_device", 0),
        **{name: numerics.get(name) for name in HOW},
    }
    result["bound"] = _bound(result)
    done = {name for name in ("compiled", "chosen") if numerics.get(name)}
    if manifest.get("asked", {}).get("precision") == "auto":
        done.add("chosen")  # also if auto chose fp32 without a check, because there are few images
    result["advice"] = _advice(result, done, _largest_batch(manifest))
    if resized.get("refused"):
        result["advice"].append(f"The host resized images in place of the device: {resized['refused']}.")
    return result


def profiles(manifests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One profile for each pass: runs that were computed together share a profile."""
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


def _bound(profiled: Mapping[str, Any]) -> str | None:
    if not profiled["images"] or not profiled["total"]:
        return None
    if (profiled["of_limit"] or 0.0) > 1 - WAITED:  # on CUDA it computes while the host waits and prepares
        return "forward"
    if (profiled["prepare"] or 0.0) > max(profiled["wait"], profiled["forward"]):
        return "prepare"
    if profiled["wait"] < WAITED * profiled["total"]:
        return "forward"
    worked = profiled["decode"] + profiled["resize"]
    if profiled["device"] != "cpu" and worked < IDLE * profiled["workers"] * profiled["wait"]:
        return "prepare"  # the workers wait as well, for the thread that takes their images
    return "decode" if profiled["decode"] >= profiled["resize"] else "resize"


def _largest_batch(manifest: Mapping[str, Any]) -> int:
    """The size in views of the largest batch that is possible: all views of a chunk, for one network."""
    return CHUNK * max(len(member["views"]) for member in manifest["members"])


def _advice(profiled: Mapping[str, Any], done: set[str], largest: int) -> list[str]:
    """What would make such a run faster, the most promising first, without the options in ``done``.

    ``largest`` is the size of the largest batch that is possible.
    """
    bound, cores = profiled["bound"], os.cpu_count() or 1
    processes = profiled["processes"] or 1
    if bound is None:
        return ["Every chunk was in the cache already, so nothing was computed: --fresh computes and measures again."]
    if bound == "forward":
        words = ["The network takes nearly all of the time."]
        if profiled["precision"] == "fp32" and "chosen" not in done:
            words.append("--precision auto takes a lower precision if a check against float32 passes.")
        elif profiled["precision"] == "fp16" and profiled["device"] == "cpu":
            words.append("fp16 is slow on most processors: --precision auto takes what is fast here.")
        elif profiled["precision"] == "tf32":
            words.append("--precision bf16 is faster still.")
        if profiled["device"] != "cpu" and profiled["batch_size"] < largest:
            words.append(f"--batch-size above {profiled['batch_size']} may help if the device has memory left.")
        if "compiled" not in done:
            words.append(
                "--compile can help a network of many small layers; it takes a minute or two before the first batch."
            )
        return words
    if bound == "prepare":
        words = ["The network waits for the host: one thread of each process takes the images, one makes the batches."]
        if 2 * processes <= cores:
            words.append(f"--processes {2 * processes}: each process makes its own batches, also on one GPU.")
        return words
    words = [f"The network waits for images; {'decoding' if bound == 'decode' else 'resizing'} them takes longest."]
    share = cores // processes
    if profiled["workers"] < share:
        each = " in each process" if processes > 1 else ""
        words.append(f"--workers {share}: {profiled['workers']} are at work{each}, the machine has {cores} cores.")
    if bound == "decode" and profiled["loader"] == "torch":
        words.append("--loader ffcv reads a prepared file, whose pixels need no decoding.")
    elif bound == "resize":
        words.append("Fewer scales, or protocols that share their scales in one run, resize less.")
    return words


def _peak_memory() -> int | None:
    """The peak memory of this process in bytes; None if the system does not report it."""
    if importlib.util.find_spec("resource") is None:
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own = _high_water()
    return own if own is not None else most * (1 if sys.platform == "darwin" else 1024)


def _high_water() -> int | None:
    """The peak in bytes that Linux reports in /proc; None elsewhere.

    ``ru_maxrss`` also counts the memory of the process before it started this program.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)


def _device_memory(device: str) -> int | None:
    """The peak memory of tensors on a CUDA device in bytes since ``begin``; None for other devices."""
    if not _on_cuda(device):
        return None
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def _on_cuda(device: str) -> bool:
    return device.startswith("cuda")
