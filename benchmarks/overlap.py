"""How well reading and computing overlap, measured with a simulated device that computes in parallel with the host.

``python benchmarks/overlap.py [--images 5120] [--read 3.0] [--compute 0.3] [--workers 8] [--rounds 3]``

Each image takes ``--read`` milliseconds of a worker, each view ``--compute`` milliseconds of the device. Both only
wait, so that no processor is the limit. Three things are timed in turn: reading alone, the device alone, and a whole
evaluation with one view of each image. An evaluation cannot be faster than the slower of the first two. The script
prints the medians in seconds, and the ratio of the slower one to the evaluation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import Architecture, Dataset, Preprocess, Sample, Split, hookimpl, in_order, load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.evaluator import OpenNetwork, Settings, evaluate
from benchsuite.runs.plan import plan
from benchsuite.storage.logit_cache import ChunkStore

SIDE = 16
PREPROCESS = Preprocess(SIDE, SIDE, "bilinear", mean=(0.0,) * 3, std=(1.0,) * 3)


class Waiting:
    """A plugin with a data set whose images take ``milliseconds`` to read."""

    __name__ = "waiting"

    def __init__(self, images: int, milliseconds: float) -> None:
        self.samples = tuple(Sample(f"{i:08d}", i % 2, "made up", "1") for i in range(images))
        self.seconds = milliseconds / 1000

    def read(self, sample: Sample) -> Any:
        time.sleep(self.seconds)
        return np.zeros((SIDE, SIDE, 3), dtype=np.uint8)

    @hookimpl
    def benchsuite_architectures(self) -> list[Architecture]:
        return [Architecture("device", lambda classes: None, PREPROCESS)]

    @hookimpl
    def benchsuite_datasets(self) -> list[Dataset]:
        split = Split("waiting", self.samples, ("a", "b"), True, self.read)
        return [Dataset("waiting", lambda path, split_name: split, mirror=True, note="", source="", path="none")]


class Device:
    """Computes one batch after the other in a thread, ``milliseconds`` per view."""

    def __init__(self, milliseconds: float) -> None:
        self.seconds, self.queue = milliseconds / 1000, ThreadPoolExecutor(1)

    def __call__(self, pixels: Any, flips: Any, view: Any) -> Any:
        return self.start(pixels, flips, view)()

    def start(self, pixels: Any, flips: Any, view: Any) -> Any:
        """Submits a batch; the function that it returns waits for the scores."""
        return self.queue.submit(self._compute, len(pixels)).result

    def _compute(self, n: int) -> Any:
        time.sleep(n * self.seconds)
        return np.zeros((n, 2), dtype=np.float32), 1


def main() -> None:
    """Prints the median seconds of each of the three, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5120)
    parser.add_argument("--read", type=float, default=3.0)
    parser.add_argument("--compute", type=float, default=0.3)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    images, device = Waiting(args.images, args.read), Device(args.compute)
    request = RunRequest(("device",), ("1crop",), data="waiting", weights="random")
    questions = plan(request, load_plugins(extra=[images]))
    settings = Settings(args.batch_size, args.workers, turn=nullcontext())

    def whole() -> None:
        with tempfile.TemporaryDirectory() as folder:
            opened = OpenNetwork(
                device, questions[0].members[0].views, ChunkStore(Path(folder)), "made up", device.start
            )
            list(evaluate(questions, lambda member, views: opened, settings, lambda steps: None))

    ways = {
        "reading alone": lambda: list(in_order(images.samples, images.read, args.workers)),
        "device alone": lambda: device._compute(args.images),
        "both": whole,
    }
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(args.rounds):
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            took[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(seconds) for way, seconds in took.items()}
    for way, seconds in medians.items():
        print(f"{way:14}{seconds:8.2f} s")
    slower = max(medians["reading alone"], medians["device alone"])
    print(f"the slower of the two is {slower / medians['both']:.2f} of both")


if __name__ == "__main__":
    main()
