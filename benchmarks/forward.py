"""Megapixels per second of the forward pass alone: the unchanged network, with folded normalisations, and compiled.

``python benchmarks/forward.py [resnet50 ...] [--precision bf16] [--rounds 5]``

The inputs are batches of 8 crops of 224 pixels, as in ten-crop, and images of several shapes for score maps. The
weights and normalisation statistics are random. The three networks are timed in turn. The script prints the seconds
until the compiled network has computed each shape once, and medians of megapixels/s with their ratios to the unchanged
network.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch

from benchsuite import Crop, View, load_plugins
from benchsuite.models.device import Compute, keep_freed_memory
from benchsuite.models.network import Network, open_network
from benchsuite.models.score_map import derive

CLASSES = 1000
SHAPES = ((8, 224, 224), (2, 256, 341), (4, 341, 256), (1, 480, 640), (1, 640, 853))
CROPS, MAPS = View(256, Crop(224)), View(256, dense=True, nominal=224)


def built(architecture: Any) -> Any:
    """The network with random weights and normalisation statistics, the same at every call."""
    torch.manual_seed(0)
    module = architecture.build(CLASSES).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return module


def ask(network: Network, pixels: Any) -> float:
    """Megapixels/s of one batch (n, h, w, 3)."""
    view = CROPS if pixels.shape[1:3] == (224, 224) else MAPS
    start = time.perf_counter()
    network(pixels, np.zeros(len(pixels), dtype=bool), view)
    return pixels.size / 3e6 / (time.perf_counter() - start)


def compare(name: str, precision: str, rounds: int) -> None:
    """Prints the table of one network."""
    architecture = load_plugins().architecture(name)
    preprocess, random = architecture.preprocess, np.random.default_rng(0)
    batches = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in SHAPES]
    module = built(architecture)
    scores = {MAPS.nominal: derive(architecture, module, MAPS.nominal)}
    networks = {"as it came": Network(module, preprocess, Compute("cpu", precision), scores)}
    for way in ("folded", "compiled"):
        views = (CROPS, MAPS)
        made = open_network(architecture, built(architecture), preprocess, views, CLASSES, Compute("cpu", precision))
        networks[way] = made
    start = time.perf_counter()
    networks["compiled"].compile()
    for pixels in batches:
        ask(networks["compiled"], pixels)
    ready = time.perf_counter() - start
    rates: dict[str, list[list[float]]] = {way: [] for way in networks}
    for _ in range(rounds + 1):
        for way, network in networks.items():
            rates[way].append([ask(network, x) for x in batches])
    rates = {way: found[1:] for way, found in rates.items()}  # without the first round, the warm-up
    print(f"{name}, {precision}, {torch.get_num_threads()} threads, {networks['folded'].folded} normalisations folded,")
    print(f"compiled for all shapes after {ready:.0f} s; megapixels/s:")
    first = [statistics.median(column) for column in zip(*rates["as it came"], strict=True)]
    for way, found in rates.items():
        medians = [statistics.median(column) for column in zip(*found, strict=True)]
        words = [
            f"{'x'.join(map(str, s))} {m:.2f} ({m / f:.2f})" for s, m, f in zip(SHAPES, medians, first, strict=True)
        ]
        print(f"{way:12}" + "  ".join(words))


def main() -> None:
    """Compares the three variants of each named network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", default=["resnet50"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    keep_freed_memory()
    for name in args.architectures:
        compare(name, args.precision, args.rounds)


if __name__ == "__main__":
    main()
