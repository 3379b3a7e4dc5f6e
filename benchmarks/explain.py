"""Seconds of ``explain`` without its forward passes, for made-up logits: from 1crop to multiscale, 9 runs of 22 views.

``python benchmarks/explain.py [--images 50000] [--classes 1000] [--goal multiscale]``

Random logits of each view are written to the cache, where forward passes would store them. Then four things are timed:

- ``after``: from the last forward pass to the end. Most of the scoring is done before, in parallel with the passes;
- ``scoring``: combining all views for all runs in float64, ranking and storing;
- ``again``: the same ladder once its runs exist;
- ``whole``: everything, with all logits read from disk and checked, and without any forward pass.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import Architecture, Dataset, Preprocess, Sample, Split, Weights, hookimpl, load_plugins
from benchsuite.evaluation import scoring
from benchsuite.evaluation.question import RunRequest, networks
from benchsuite.explanation.ladder_ends import between_protocols
from benchsuite.explanation.ladder_plan import LadderPlan, make_plan
from benchsuite.explanation.ladder_run import measure
from benchsuite.models.device import Compute
from benchsuite.progress import Progress
from benchsuite.runs.run import _open
from benchsuite.storage.keys import chunk_key, view_key
from benchsuite.storage.logit_cache import CHUNK, chunked

PREPROCESS = Preprocess(256, 224, "bilinear", mean=(0.0,) * 3, std=(1.0,) * 3)


class MadeUp:
    """A network of one linear layer, and black images of which only the size is used."""

    __name__ = "madeup"

    def __init__(self, images: int, classes: int) -> None:
        labels = np.random.default_rng(0).integers(0, classes, images).tolist()
        samples = tuple(Sample(f"{i:08d}", label, "made up", "1") for i, label in enumerate(labels))
        picture = np.zeros((375, 500, 3), dtype=np.uint8)
        self.split = Split("madeup", samples, tuple(map(str, range(classes))), True, lambda sample: picture)
        self.classes = classes

    @hookimpl
    def benchsuite_architectures(self) -> list[Architecture]:
        def build(classes: int) -> Any:
            import torch

            return torch.nn.Sequential(
                torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, classes, bias=False)
            )

        def load() -> Any:
            import torch

            return {"2.weight": torch.zeros(self.classes, 3)}

        return [Architecture("madeup", build, PREPROCESS, (Weights("zero", load, PREPROCESS, self.classes, "none"),))]

    @hookimpl
    def benchsuite_datasets(self) -> list[Dataset]:
        return [Dataset("madeup", lambda path, split: self.split, mirror=True, note="", source="", path="none")]


class Clock(Progress):
    """Records the time when the last view was reported as done, and the CPU time until then."""

    last = cpu = 0.0

    def advance(self, steps: int, detail: str = "") -> None:
        self.last, self.cpu = time.perf_counter(), time.process_time()


def make_up(plan: LadderPlan) -> None:
    """Writes the logits of all views: the sum of a part common to all views and a part of each view."""
    questions = [rung.question for rung in plan.rungs]
    rng = np.random.default_rng(1)
    for member, views in networks(questions).values():
        store = _open(questions[0].images, member, views, Compute(), Progress()).store
        for samples in chunked(questions[0].samples, CHUNK):
            shared = rng.standard_normal((len(samples), len(questions[0].split.classes)), dtype=np.float32) * 2
            shared[np.arange(len(samples)), [s.label for s in samples]] += 6
            for view in views:
                own = rng.standard_normal(shared.shape, dtype=np.float32)
                chunk = chunk_key(samples, questions[0].split)
                store.write(view_key(view), chunk, shared + own, np.ones(len(samples)))


def timed_scoring() -> list[float]:
    """Replaces ``score`` by a function that adds up its seconds; returns a list with the sum."""
    spent, score = [0.0], scoring.score

    def timing(*args: Any) -> Any:
        blocks = score(*args)
        while True:
            start = time.perf_counter()
            block = next(blocks, None)
            spent[0] += time.perf_counter() - start
            if block is None:
                return
            yield block

    import benchsuite.evaluator

    benchsuite.evaluator.score = timing
    return spent


def timed(args: argparse.Namespace, results: Path) -> None:
    """Prints the seconds of the four parts."""
    catalog = load_plugins(entry_points=False, extra=[MadeUp(args.images, args.classes)])
    request = RunRequest(("madeup",), (), data="madeup", device="cpu", results=results)
    plan = make_plan(*between_protocols(request, "1crop", args.goal, catalog), catalog, shapley=False)
    start = time.perf_counter()
    make_up(plan)
    cost = plan.cost
    print(f"{cost.runs} runs, {cost.views} views, {args.images} x {args.classes}")
    print(f"made up in {time.perf_counter() - start:.1f} s")
    spent, clock, began, cpu = timed_scoring(), Clock(), time.perf_counter(), time.process_time()
    ladder = measure(plan, clock)
    end, spent_after = time.perf_counter(), time.process_time() - clock.cpu
    print(f"after   {end - clock.last:6.2f} s   (CPU {spent_after:.2f} s)")
    print(f"scoring {spent[0]:6.2f} s")
    print(f"whole   {end - began:6.2f} s   (CPU {time.process_time() - cpu:.2f} s)")
    assert ladder.left_over == 0
    start = time.perf_counter()
    measure(plan, Clock())
    print(f"again   {time.perf_counter() - start:6.2f} s")


def main() -> None:
    """Runs the measurement in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--goal", default="multiscale")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHSUITE_CACHE"] = str(Path(folder, "cache"))
        timed(args, Path(folder, "results"))


if __name__ == "__main__":
    main()
