"""Training images per second of benchsuite's engine, compared with a plain PyTorch loop; both are timed in turn.

``python benchmarks/train.py cifar10:PATH [--recipes akamaster-20 klachko-5] [--precision fp32] [--rounds 5]``

The plain loop is written as in the sources of the recipes: torchvision's data set of Pillow images, RandomCrop,
RandomHorizontalFlip, ToTensor, Normalize, a DataLoader with ``--workers`` processes, autocast, torch's optimiser with
its default implementation, and the accuracy counted at each step. Both train the same network on the same images in
batches of the same size, in the same precision. After a warm-up, the images trained in ``--seconds`` are counted in
turn, ``--rounds`` times. Medians and their ratio are printed. ``--width`` sets ``nfilters`` of the networks that have
this option. ``--compile`` adds the engine with a compiled network; the compilation is part of the warm-up. On a machine
with other users, ``--clock cpu --workers 0`` loads images in this process and counts its processor seconds.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torchvision.transforms as T
from PIL import Image

from benchsuite import Architecture, Recipe, load_plugins
from benchsuite.models.device import keep_freed_memory
from benchsuite.models.precision import DTYPES
from benchsuite.specs.parameters import options
from benchsuite.training.images import cached_pixels, training_images
from benchsuite.training.trainer import Trainer, TrainingCompute


class Rows(torch.utils.data.Dataset):  # type: ignore[misc]
    """A data set like torchvision's CIFAR10: an array in memory, a Pillow image for each index, a transform."""

    def __init__(self, array: np.ndarray, labels: np.ndarray, recipe: Recipe) -> None:
        how = recipe.augmentation
        self.array, self.labels = array, labels
        self.transform = T.Compose(
            [
                *([T.RandomCrop(array.shape[1], padding=how.pad)] if how.pad else []),
                *([T.RandomHorizontalFlip()] if how.flip else []),
                T.ToTensor(),
                T.Normalize(recipe.preprocess.mean, recipe.preprocess.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.array[index])), int(self.labels[index])


def plain(architecture: Architecture, recipe: Recipe, rows: Rows, precision: str, workers: int) -> Iterator[int]:
    """The plain loop; yields the number of images of each step, without end."""
    torch.manual_seed(recipe.seed)
    module, how = architecture.build(10).train(), recipe.optimizer
    if how.name == "sgd":
        fields = {"momentum": how.momentum, "nesterov": how.nesterov}
        optimiser: Any = torch.optim.SGD(
            module.parameters(), how.learning_rate, weight_decay=how.weight_decay, **fields
        )
    else:
        optimiser = torch.optim.Adam(module.parameters(), how.learning_rate, weight_decay=how.weight_decay)
    lower = precision != "fp32"
    loader = torch.utils.data.DataLoader(rows, recipe.batch_size, shuffle=True, num_workers=workers)
    right = seen = 0
    while True:
        for x, y in loader:
            with torch.autocast("cpu", DTYPES[precision] if lower else None, enabled=lower):
                out = module(x)
            loss = torch.nn.functional.cross_entropy(out.float(), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            right += int((out.argmax(1) == y).sum())
            seen += len(y)
            yield len(y)


def engine(
    architecture: Architecture, recipe: Recipe, rows: Rows, samples: Any, compute: TrainingCompute
) -> Iterator[int]:
    """The engine; yields the number of images of each step, without end."""
    images = training_images({rows.array.shape[1]: rows.array}, samples, "cpu")
    trainer = Trainer(architecture, recipe, images, 10, compute)
    while True:
        before = trainer.seen
        trainer.advance()
        yield trainer.seen - before if trainer.seen > before else trainer.seen


def rate(steps: Iterator[int], seconds: float, clock: Callable[[], float]) -> float:
    """Images per second, over whole steps that take at least ``seconds``."""
    start, images = clock(), 0
    while clock() - start < seconds:
        images += next(steps)
    return images / (clock() - start)


def main() -> None:
    """Prints a line for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--recipes", nargs="+", default=["akamaster-20", "klachko-5"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    if args.clock == "cpu" and args.workers:
        parser.error("--clock cpu needs --workers 0: it does not count the time of other processes")
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    keep_freed_memory()  # for both ways: it applies to the whole process
    catalog = load_plugins()
    _, split = catalog.open_dataset(args.data, "train")
    known = {r.name: r for a in catalog.architectures.values() if isinstance(a, Architecture) for r in a.recipes}
    for name in args.recipes:
        recipe = known[name]
        own = dict(recipe.options)
        if "nfilters" in options(catalog.architecture(recipe.architecture)):
            own["nfilters"] = args.width
        architecture = catalog.architecture(recipe.architecture, tuple(own.items()))
        array = cached_pixels(split, split.samples, recipe.preprocess, recipe.preprocess.crop)
        rows = Rows(array, np.array([s.label for s in split.samples]), recipe)
        means = {"engine": TrainingCompute(precision=args.precision, layout=None)}
        if args.compile:
            means["engine --compile"] = TrainingCompute(precision=args.precision, layout=None, compiled=True)
        ways = {way: engine(architecture, recipe, rows, split.samples, how) for way, how in means.items()}
        ways["plain loop"] = plain(architecture, recipe, rows, args.precision, args.workers)
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for steps in ways.values():
            rate(steps, args.seconds / 2, clock)
        for _, way in itertools.product(range(args.rounds), ways):
            rates[way].append(rate(ways[way], args.seconds, clock))
        medians = {way: statistics.median(measured) for way, measured in rates.items()}
        threads = torch.get_num_threads()
        print(f"{name} ({architecture.name}), batches of {recipe.batch_size}, {args.precision}, {threads} threads:")
        for way, middle in medians.items():
            print(f"  {way} {middle:.0f} images/s, ratio {middle / medians['plain loop']:.2f}", flush=True)


if __name__ == "__main__":
    main()
