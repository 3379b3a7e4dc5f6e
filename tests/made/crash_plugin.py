"""A small plugin for tests of crashes: images of noise, a tiny network, and loaders that break the contract.

Environment variables control it. The loader ``logged`` waits ``SPECKS_DELAY`` seconds per image, and writes a line for
each chunk to the file ``SPECKS_LOG``: ``NANOSECONDS PROCESS FIRST-ID``. It waits until the file ``SPECKS_GATE`` exists.
With ``SPECKS_BESIDE`` an evaluation runs as with a GPU, one chunk ahead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from benchsuite import Architecture, Dataset, Loader, Preprocess, Sample, Split, hookimpl

PREPROCESS = Preprocess(resize=9, crop=8, interpolation="bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
CLASSES = tuple("abcdefg")


def build(num_classes: int) -> Any:
    """Two convolutions and a linear layer: enough for the last bit of a logit to depend on its batch."""
    from torch import nn

    if os.environ.get("SPECKS_BESIDE"):
        from benchsuite.models.transfer import DirectTransfer

        DirectTransfer.overlaps = True

    features = nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(32, num_classes))


def read(sample: Sample) -> Any:
    """Noise of the sample's size, the same each time. Raises ``DataError`` for ids that end in ``SPECKS_BROKEN``."""
    if sample.id.endswith(os.environ.get("SPECKS_BROKEN", "no such id")):
        from benchsuite import DataError

        raise DataError(f"Expected an image to be whole, got a broken one ({sample.where})")
    chance = np.random.default_rng(int(sample.id))
    return chance.integers(0, 256, (*chance.integers(9, 14, 2), 3), dtype=np.uint8)


def open_specks(path: str | None, split: str) -> Split:
    """A split with the number of images in ``path``, by default 52."""
    samples = tuple(Sample(f"{i:05}", i % len(CLASSES), f"speck {i}", "1") for i in range(int(path or 52)))
    return Split("specks", samples, CLASSES, mirror=True, read=read)


def logged(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], Any], workers: int) -> Iterator[Any]:
    """A plain loop that waits and writes a log."""
    if "SPECKS_LOG" in os.environ:
        with Path(os.environ["SPECKS_LOG"]).open("a", encoding="utf-8") as log:
            log.write(f"{time.time_ns()} {os.getpid()} {samples[0].id}\n")
    while "SPECKS_GATE" in os.environ and not Path(os.environ["SPECKS_GATE"]).exists():
        time.sleep(0.002)
    delay = float(os.environ.get("SPECKS_DELAY", "0"))
    for sample in samples:
        if delay:
            time.sleep(delay)
        yield then(split.read(sample), 0.0)


def picked(choose: Callable[[Sequence[Sample]], Sequence[Sample]]) -> Any:
    """A loader that yields the samples that ``choose`` returns instead of the requested ones."""
    return lambda split, samples, then, workers: (then(split.read(s), 0.0) for s in choose(samples))


def padded(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Repeats the first samples until they make whole batches of 8, as a sampler for several processes does."""
    return [*samples, *samples[: -len(samples) % 8]]


def without_last_batch(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Leaves out the last samples if they are no whole batch of 8."""
    return samples[: len(samples) // 8 * 8]


def one_for_another(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The right number of samples, but the first one twice and the last one missing."""
    return [*samples[:-1], samples[0]]


def as_they_come(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], Any], workers: int) -> Any:
    """Each image once, in the order in which threads finish them."""
    pool = ThreadPoolExecutor(2)
    gates = {s.id: Event() for s in samples}

    def one(i: int) -> Any:
        if i % 2 == 0 and i + 1 < len(samples):
            gates[samples[i + 1].id].wait()
        result = then(split.read(samples[i]), 0.0)
        gates[samples[i].id].set()
        return result

    with pool:
        futures = [pool.submit(one, i) for i in range(len(samples))]
        yield from (done.result() for done in as_completed(futures))


LOADERS = {
    "logged": logged,
    "padded": picked(padded),
    "drop-last": picked(without_last_batch),
    "one-twice": picked(one_for_another),
    "unordered": picked(lambda samples: samples[::-1]),
    "as-they-come": as_they_come,
}


@hookimpl
def benchsuite_architectures() -> list[Architecture]:
    """The tiny network."""
    return [Architecture("speck", build, PREPROCESS)]


@hookimpl
def benchsuite_datasets() -> list[Dataset]:
    """The specks."""
    return [Dataset("specks", open_specks, mirror=True, note="Noise.", source="None.", path="optional")]


@hookimpl
def benchsuite_loaders() -> list[Loader]:
    """The slow loader and the wrong ones."""
    return [Loader(name, images, exact=True, note="For tests.") for name, images in LOADERS.items()]
