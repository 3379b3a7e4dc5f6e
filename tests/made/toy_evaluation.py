"""An evaluation without a network: a store on disk, a predict function that counts, and questions about the toys."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import ToyPlugin, fake_predict, open_toy

from benchsuite import Split, SplitName, View, load_plugins
from benchsuite.evaluation.question import Member, Question, RunRequest
from benchsuite.evaluator import OpenNetwork, Settings
from benchsuite.models.network import Network
from benchsuite.runs.plan import plan
from benchsuite.specs.catalog import Catalog
from benchsuite.storage.logit_cache import ChunkStore

CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin()])


def counting_reads(catalog: Catalog, reads: list[str]) -> Catalog:
    """The catalog with a data set of toys that adds the id of each image that is read to ``reads``."""

    def opened(path: str | None, part: SplitName) -> Split:
        split = open_toy(path, part)
        return dataclasses.replace(split, read=lambda sample: (reads.append(sample.id), split.read(sample))[1])

    counted = dataclasses.replace(catalog.datasets["toy"], open=opened)
    return dataclasses.replace(catalog, datasets={**catalog.datasets, "toy": counted})


class CountingPredict:
    """``fake_predict`` that counts its images, and can raise ``KeyboardInterrupt`` at the k-th call."""

    def __init__(self, breaks_at: int | None = None) -> None:
        self.images, self.calls, self.breaks_at = 0, 0, breaks_at
        self.shapes: Counter[tuple[int, ...]] = Counter()

    def __call__(self, pixels: Any, flips: Any, view: View) -> Any:
        self.calls += 1
        if self.calls == self.breaks_at:
            raise KeyboardInterrupt
        assert pixels.dtype == np.uint8
        assert len(flips) == len(pixels)
        self.images += len(pixels)
        self.shapes[pixels.shape[1:]] += len(pixels)
        return fake_predict(pixels, flips, view)


def questions(*protocols: str, **fields: Any) -> list[Question]:
    """The toy network on the toy images under these protocols."""
    return plan(RunRequest(("toy",), protocols, **{"data": "toy", **fields}), CATALOG)


def opener(root: Path, predict: Any) -> Callable[[Member, tuple[View, ...]], OpenNetwork]:
    """Opens every member with ``predict``; its chunks lie below ``root``, a folder for each architecture."""
    start = getattr(predict, "start", None)

    def opened(member: Member, views: tuple[View, ...]) -> OpenNetwork:
        return OpenNetwork(predict, views, ChunkStore(root / member.architecture.name), "digest", start)

    return opened


SETTINGS = Settings(batch_size=4, workers=0)


class Counted:
    """Counts the views of images that networks have computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.views = 0
        shown = Network.begin

        def counting(network: Any, pixels: Any, *rest: Any) -> Any:
            self.views += len(pixels)
            return shown(network, pixels, *rest)

        monkeypatch.setattr(Network, "begin", counting)


class Ahead(CountingPredict):
    """A device that computes in parallel with the host; ``told`` records when batches begin and finish."""

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.told, self.begun = told, 0

    def start(self, pixels: Any, flips: Any, view: Any) -> Any:
        self.begun += 1
        name = self.begun
        self.told.append(f"begin {name}")

        def finish() -> Any:
            self.told.append(f"finish {name}")
            return self(pixels, flips, view)

        return finish


WITH_ENTRY_POINTS = load_plugins(extra=[ToyPlugin()])
TOY_SWEEP = {"architectures": "toy", "protocols": ["1crop", "10crop"], "data": "toy"}
