"""Cost of filters and noise relative to a forward pass, and of PGD relative to bare forward and backward passes.

``python benchmarks/perturbations.py [--rounds 15] [--networks resnet20:128 resnet50:8] [--device cpu]``

A network with random weights computes a batch of its own crops, given as NAME:BATCH: clean, and with each perturbation.
All are timed in turn, in rounds. On a CPU the CPU seconds of all threads are counted, so that other programs matter
little. The script prints the median of a batch, the median over rounds of how much longer a perturbed batch took than
the clean one of the same round, in percent, and the same for the shortest batches of all rounds. The radius is 3/8 of
the side (12 of 32 pixels). The bounds of ``lowpass`` and ``highpass`` are 10 % for resnet20 at 32 pixels and 3 % for
resnet50 at 224.

PGD with 10 steps is compared with 10 forward and backward passes of the same network on the same batch, written as a
plain loop of torch: gradients of the pixels alone, weights frozen, and no other arithmetic. The bound is 1.15.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchsuite import Sample, bind, load_plugins
from benchsuite.models.device import Compute, keep_freed_memory
from benchsuite.models.network import open_network
from benchsuite.specs.parameters import views

STEPS = 10


def processor() -> str:
    """The name of the processor, and the number of threads that torch uses."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def timed(call: Callable[[], Any], device: str) -> float:
    """CPU seconds of a call on a CPU, of all threads; seconds on another device."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    call()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return clock() - start


def rounds_of(calls: dict[str, Callable[[], Any]], rounds: int, device: str) -> dict[str, list[float]]:
    """The seconds of each call in each round, without the first two rounds, which warm up. The order alternates."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 2):
        for name in list(calls)[:: 1 if number % 2 else -1]:
            found[name].append(timed(calls[name], device))
    return {name: seconds[2:] for name, seconds in found.items()}


def compare(name: str, batch: int, rounds: int, device: str) -> None:
    """Prints the two tables of one network."""
    catalog = load_plugins()
    architecture = catalog.architecture(name)
    preprocess, classes = architecture.preprocess, 10
    crop, find = preprocess.crop, lambda text: catalog.find("protocol", text)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, crop, crop, 3), dtype=np.uint8)
    flips, samples = np.zeros(batch, dtype=bool), [Sample(f"{i}", i % classes, "memory") for i in range(batch)]

    def opened(*texts: str) -> tuple[Any, dict[str, Any]]:
        torch.manual_seed(0)
        wanted = {text: views(bind(text, find), preprocess, mirror=True)[0] for text in texts}
        module = architecture.build(classes)
        network = open_network(architecture, module, preprocess, (*wanted.values(),), classes, Compute(device))
        return network, wanted

    radius = f"r={3 * crop // 8}"
    fixed, wanted = opened("1crop", f"lowpass:{radius}", f"highpass:{radius}", f"lowpass:{radius},range=max", "noise")
    calls = {text: lambda v=view: fixed(pixels, flips, v, samples) for text, view in wanted.items()}
    found = rounds_of(calls, rounds, device)
    print(f"\n{name}, {batch} crops of {crop} pixels, {rounds} rounds")
    for text, seconds in found.items():
        extra = statistics.median(100 * (a / b - 1) for a, b in zip(seconds, found["1crop"], strict=True))
        least = 100 * (min(seconds) / min(found["1crop"]) - 1)
        print(f"  {text:24} {1000 * statistics.median(seconds):9.2f} ms  {extra:+6.1f} %  (least {least:+.1f} %)")

    attacked, wanted = opened(f"pgd:eps=8/255,steps={STEPS}")
    (view,) = wanted.values()
    x = torch.rand(batch, 3, crop, crop, device=device).contiguous(memory_format=torch.channels_last)
    labels = torch.tensor([s.label for s in samples], device=device)
    module = attacked.module.requires_grad_(False)

    def bare() -> None:
        for _ in range(STEPS):
            inputs = x.detach().requires_grad_(True)
            torch.autograd.grad(F.cross_entropy(module(inputs), labels, reduction="sum"), inputs)

    calls = {"bare": bare, "pgd": lambda: attacked(pixels, flips, view, samples)}
    found = rounds_of(calls, max(3, rounds // 3), device)
    ratio = statistics.median(a / b for a, b in zip(found["pgd"], found["bare"], strict=True))
    bare_ms, pgd_ms = (1000 * statistics.median(found[name]) for name in ("bare", "pgd"))
    print(f"  {STEPS} forward and backward passes {bare_ms:.1f} ms, pgd, {STEPS} steps, {pgd_ms:.1f} ms: {ratio:.3f}")


def main() -> None:
    """Compares the perturbed views of each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet20:128", "resnet50:8"], metavar="NAME:BATCH")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    keep_freed_memory()
    print(processor() if args.device == "cpu" else torch.cuda.get_device_name(args.device))
    for text in args.networks:
        name, _, batch = text.partition(":")
        compare(name, int(batch), args.rounds, args.device)


if __name__ == "__main__":
    main()
