"""Images per second of a whole evaluation whose network costs nothing: what the host can feed, and what it costs.

``python benchmarks/host.py imagenet:PATH [--loader torch ffcv] [--protocol 1crop 10crop] [--workers 1 2] [--rounds 3]``

Everything but the network is done: planning, reading, decoding, views, batches, the copy to where a device would read
them, logits, their cache, scores, counts. A batch is submitted ahead, as on CUDA. Every combination of loader, protocol
and workers is timed in turn, ``--rounds`` times after one round that is not counted. The medians are images/s of the
pass; milliseconds of processor an image, of all threads and of the main thread; and the images/s that the main thread
alone would allow, which is what one process reaches at most. On a busy machine the processor's time says more than the
clock's. The round that is not counted fills the memory of a loader with ``,resident``: the others are what the second
network of a sweep takes.

``--resize-on host device`` also times passes whose images the device resizes, at no cost: what is left for the host is
reading, decoding and a copy of the decoded image, as to pinned memory.

Then each loader and protocol is profiled in one thread (``--workers 0``): the functions that take most of the
processor's time by themselves, in microseconds an image. What a loader does in threads of its own is not among them,
and the profiler adds a little to each call. ``ffcv`` needs a file of ``benchsuite data prepare``.
"""

from __future__ import annotations

import argparse
import cProfile
import dataclasses
import itertools
import math
import os
import pstats
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchsuite import Architecture, Preprocess, distinct, hookimpl, load_plugins
from benchsuite.evaluation.loading import open_loader
from benchsuite.evaluation.question import Question, RunRequest
from benchsuite.evaluator import OpenNetwork, Settings, evaluate
from benchsuite.models.device import keep_freed_memory
from benchsuite.models.resize.device_views import DeviceViews
from benchsuite.models.transfer import BUFFERS, transfer
from benchsuite.runs.plan import plan
from benchsuite.storage.logit_cache import ChunkStore

COSTS = 10
PREPROCESS = Preprocess(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Plugin:
    """A plugin with a network that is never built."""

    __name__ = "host"

    @hookimpl
    def benchsuite_architectures(self) -> list[Architecture]:
        """``nothing``."""
        return [Architecture("nothing", lambda num_classes: None, PREPROCESS)]


class Nothing:
    """A network without cost: batches are made in memory that is used again, as in pinned memory; logits exist already.

    A batch that is made elsewhere is copied there.
    """

    def __init__(self, classes: int, batch_size: int) -> None:
        self.memory = deque(np.empty(0, dtype=np.uint8) for _ in range(BUFFERS))
        self.logits = np.random.default_rng(0).normal(size=(8 * batch_size, classes)).astype(np.float32)

    def __call__(self, pixels: Any, flips: Any, view: Any) -> Any:
        return self.start(pixels, flips, view)()

    def buffer(self, shape: tuple[int, ...]) -> Any:
        """The next memory for a batch of this shape."""
        self.memory.rotate(-1)
        if self.memory[0].size < math.prod(shape):
            self.memory[0] = np.empty(math.prod(shape), dtype=np.uint8)
        return self.memory[0][: math.prod(shape)].reshape(shape)

    def start(self, pixels: Any, flips: Any, view: Any) -> Callable[[], Any]:
        """Copies pixels that are not in its memory; the function that it returns returns the logits."""
        if not np.shares_memory(pixels, self.memory[0]):
            self.buffer(pixels.shape)[...] = pixels
        return lambda: (self.logits[: len(pixels)].copy(), 1)


class NoResize(DeviceViews):
    """A device that resizes at no cost: decoded images are copied, as to pinned memory, and batches exist already."""

    def __init__(self, network: Nothing) -> None:
        super().__init__(transfer(torch.device("cpu")))
        self.network = network

    def stacked(self, parts: Sequence[Any]) -> Any:
        """Memory of the shape of a batch."""
        return self.network.buffer((len(parts), *parts[0].shape))


@dataclasses.dataclass(frozen=True)
class Spent:
    """What a pass took: images, seconds of the clock, seconds of processor of all threads and of the main thread."""

    images: int
    clock: float
    processor: float
    main: float


def planned(args: argparse.Namespace, catalog: Any, loader: str, protocol: str) -> list[Question]:
    """The questions of a pass, with their loader opened."""
    request = RunRequest(
        ("nothing",), (protocol,), args.data, "random", loader=loader, limit=args.limit, precision="fp32"
    )
    questions = plan(request, catalog)
    first, views = questions[0], distinct(tuple(v for q in questions for m in q.members for v in m.views))
    opened = open_loader(first.loader, first.split, first.samples, views, args.data, print)
    return [dataclasses.replace(q, loader=opened) for q in questions]


def walk(
    questions: Sequence[Question], network: Nothing, batch_size: int, workers: int, resize_on: str = "host"
) -> Spent:
    """One pass over the images, with an empty cache."""
    first = questions[0]
    with tempfile.TemporaryDirectory() as folder:
        views = distinct(tuple(v for q in questions for m in q.members for v in m.views))
        store = ChunkStore(Path(folder))
        resizer = NoResize(network) if resize_on == "device" else None
        opened = OpenNetwork(network, views, store, "nothing", network.start, network.buffer, resizer)
        settings = Settings(batch_size, workers, turn=nullcontext())
        clock, processor, main = time.perf_counter(), time.process_time(), time.thread_time()
        for _ in evaluate(questions, lambda member, views: opened, settings, lambda steps: None):
            pass
        after = time.perf_counter(), time.process_time(), time.thread_time()
    return Spent(len(first.samples), after[0] - clock, after[1] - processor, after[2] - main)


def costs(questions: Sequence[Question], batch_size: int) -> list[tuple[str, float]]:
    """The functions of the largest costs of their own, with microseconds of processor an image."""
    network = Nothing(len(questions[0].split.classes), batch_size)
    profiler = cProfile.Profile(time.thread_time)
    profiler.enable()
    spent = walk(questions, network, batch_size, 0)
    profiler.disable()
    found: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    own = sorted(((figures[2], place) for place, figures in found.items()), reverse=True)
    return [(named(*place), 1e6 * seconds / spent.images) for seconds, place in own[:COSTS]]


def named(file: str, line: int, function: str) -> str:
    """A function with the last two parts of its file's name; a built-in one by its name alone."""
    return f"{'/'.join(Path(file).parts[-2:])}:{line} {function}" if line else function.strip("<>")


def main() -> None:
    """Prints the table of the passes, then the costs of each loader and protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="imagenet:PATH or folder:PATH")
    parser.add_argument("--loader", nargs="+", default=["torch"])
    parser.add_argument("--protocol", nargs="+", default=["1crop", "10crop", "multiscale"])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--resize-on", nargs="+", default=["host"], choices=["host", "device"])
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    keep_freed_memory()
    catalog = load_plugins(extra=[Plugin()])
    passes = {pair: planned(args, catalog, *pair) for pair in itertools.product(args.loader, args.protocol)}
    cases = [*itertools.product(passes, dict.fromkeys(args.workers), dict.fromkeys(args.resize_on))]
    spent: dict[Any, list[Spent]] = {case: [] for case in cases}
    for _ in range(args.rounds + 1):
        for pair, workers, resize_on in cases:
            network = Nothing(len(passes[pair][0].split.classes), args.batch_size)
            spent[pair, workers, resize_on].append(walk(passes[pair], network, args.batch_size, workers, resize_on))
    heads = (
        "loader",
        "protocol",
        "workers",
        "resized on the",
        "images/s",
        "CPU ms an image",
        "of the main thread",
        "it allows images/s",
    )
    print("| " + " | ".join(heads) + " |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for pair, workers, resize_on in cases:
        counted = spent[pair, workers, resize_on][1:]
        rate = statistics.median(one.images / one.clock for one in counted)
        whole = statistics.median(1000 * one.processor / one.images for one in counted)
        own = statistics.median(1000 * one.main / one.images for one in counted)
        print(f"| {pair[0]} | {pair[1]} | {workers} | {resize_on} ", end="")
        print(f"| {rate:.0f} | {whole:.2f} | {own:.2f} | {1000 / own:.0f} |")
    for (loader, protocol), questions in passes.items():
        print(f"\n{loader}, {protocol}, in one thread: microseconds an image")
        for name, microseconds in costs(questions, args.batch_size):
            print(f"{microseconds:10.1f}  {name}")


if __name__ == "__main__":
    main()
