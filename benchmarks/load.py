"""Images per second of loading alone: prepared files compared with the reference loader, threads with processes.

``python benchmarks/load.py imagenet:PATH [cifar10:PATH ...] [--loader ffcv] [--workers 2] [--rounds 5]``

The file is prepared if it does not exist yet, and all its images are compared with those of the reference decoder. Then
these are timed in turn, ``--rounds`` times, with all files in the page cache; medians and ratios are printed:

- ``torch``: the reference loader, Pillow in threads;
- ``processes``: Pillow in the same number of processes, already started, which send images through pipes, 8 at a time;
- the loader given by ``--loader``, also with 0 workers.

Each yields every image once, in order, as a uint8 array. ffcv compiles its code before the timing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import Loader, Split, load_plugins
from benchsuite.data.prefetch import cores
from benchsuite.data.prepared_note import PreparedSpec
from benchsuite.data.prepared_reader import open_prepared
from benchsuite.data.prepared_writer import prepare
from benchsuite.progress import Progress
from benchsuite.storage.logit_cache import CHUNK, chunked

_OPEN: list[Split] = []
"""The split, in a process of the pool; empty before ``join_pool``."""


def join_pool(data: str) -> None:
    """Opens the data set in a new process of the pool."""
    _OPEN.append(load_plugins().open_dataset(data)[1])


def read(number: int) -> Any:
    """Reads an image of the split in a process of the pool."""
    split = _OPEN[0]
    return np.asarray(split.read(split.samples[number]))


def by_loader(loader: Loader, split: Split, workers: int) -> Iterator[Any]:
    """Yields every image, read in the same chunks as in an evaluation."""
    for samples in chunked(split.samples, CHUNK):
        yield from loader.images(split, samples, lambda pixels, _: np.asarray(pixels), workers)


def rate(images: Callable[[], Iterator[Any]], count: int) -> float:
    """Images per second of one pass. Exits with an error unless the pass yields ``count`` images."""
    start, seen = time.perf_counter(), 0
    for pixels in images():
        seen += pixels.ndim == 3
    if seen != count:
        raise SystemExit(f"{seen} images instead of {count}")
    return count / (time.perf_counter() - start)


def identical(fast: Loader, split: Split) -> int:
    """How many images have the pixels of the reference decoder, bit for bit."""
    images = by_loader(fast, split, 1)
    return sum(np.array_equal(a, np.asarray(split.read(s))) for s, a in zip(split.samples, images, strict=True))


def compare(data: str, args: argparse.Namespace, catalog: Any) -> None:
    """Prints the table of one data set."""
    _, split = catalog.open_dataset(data)
    n, reference, chosen = len(split.samples), catalog.find("loader", "torch"), catalog.find("loader", args.loader)
    note = prepare(PreparedSpec(chosen, split, data), Progress(), args.workers)
    fast = open_prepared(chosen, split, split.samples, (), data)
    same = identical(fast, split)
    if chosen.exact and same != n:
        raise SystemExit(f"only {same} of {n} images with the reference decoder's pixels")
    rates: dict[str, list[float]] = {}
    with multiprocessing.get_context("spawn").Pool(args.workers, join_pool, (data,)) as pool:
        passes: dict[str, Callable[[], Iterator[Any]]] = {
            "torch": lambda: by_loader(reference, split, args.workers),
            "processes": lambda: pool.imap(read, range(n), 8),
            args.loader: lambda: by_loader(fast, split, args.workers),
            f"{args.loader}, 0 workers": lambda: by_loader(fast, split, 0),
        }
        rate(passes["processes"], n)
        for _ in range(args.rounds):
            for name, images in passes.items():
                rates.setdefault(name, []).append(rate(images, n))
    size = f"{Path(note['file']).stat().st_size / 2**20:.0f} MiB"
    print(f"{data}: {n} images, {size}, {args.workers} workers; {same} of {n} with the reference decoder's pixels")
    for name, measured in rates.items():
        ratio = statistics.median(a / b for a, b in zip(measured, rates["torch"], strict=True))
        median = statistics.median(measured)
        print(f"{name:18} {median:8.0f} images/s   {n / median:7.3f} s   {name}/torch {ratio:.2f}")


def main() -> None:
    """Prints a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="imagenet:PATH, cifar10:PATH ...")
    parser.add_argument("--loader", default="ffcv")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    catalog = load_plugins()
    for data in args.data:
        compare(data, args, catalog)


if __name__ == "__main__":
    main()
