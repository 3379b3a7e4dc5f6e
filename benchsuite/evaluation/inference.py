"""Batches through a network, in order, and the chunks that they make up.

A device that computes beside the host always has a batch to do: the next one has begun when the scores of one are
waited for, in the same chunk or in the next.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchsuite.errors import BenchsuiteError, expected
from benchsuite.evaluation.input_pipeline import Piece
from benchsuite.evaluation.timing import Seconds
from benchsuite.models.predict import Finish, Predict
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.logit_cache import ChunkStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Logits = tuple[NDArray[np.float32], NDArray[np.int64]]
    "(n, c) logits of a view and the (n,) places behind them."


class ChunkInProgress:
    """A chunk in the making: ``found`` is what is there of it, ``views`` are those that are computed now.

    ``key`` is the chunk's name in its store.
    """

    def __init__(self, samples: Sequence[Sample], key: str, views: Sequence[View], found: dict[View, Logits]) -> None:
        self.samples, self.key, self.found = samples, key, found
        self.views = tuple(v for v in views if v not in found)
        self._logits: NDArray[np.float32] | None = None
        self._places = np.zeros((len(samples), len(self.views)), dtype=np.int64)

    def put(self, batch: Sequence[Piece], scores: NDArray[np.float32], places: int) -> None:
        """The (n, c) scores of a batch to where they belong. Raises ``BenchsuiteError`` for those of fewer or more."""
        if len(scores) != len(batch):
            got = f"of {len(scores)}: no number is printed"
            raise BenchsuiteError(expected("the logits", f"of the {len(batch)} images of a batch", got))
        if self._logits is None:
            self._logits = np.full((*self._places.shape, scores.shape[1]), np.nan, dtype=np.float32)
        where = [p.sample for p in batch], [p.view for p in batch]
        self._logits[where], self._places[where] = scores, places

    def write(self, store: ChunkStore, names: Mapping[View, str]) -> None:
        """Keeps what was computed, under the names of the views. All of it is there."""
        assert self._logits is not None, "a chunk has samples"
        for i, view in enumerate(self.views):
            self.found[view] = self._logits[:, i], self._places[:, i]
            store.write(names[view], self.key, *self.found[view], company=[names[v] for v in self.views])


PendingBatch = tuple[ChunkInProgress, list[Piece]]
"""A batch of a portion; an empty one comes after its last, once its images are known to be all there."""

ScoredBatch = tuple[ChunkInProgress, list[Piece], "NDArray[np.float32]", int]
"""A batch, its (n, c) logits, and the places behind each score."""


def scored(
    predict: Predict, batches: Iterable[PendingBatch], turn: AbstractContextManager[Any], seconds: Seconds
) -> Iterator[ScoredBatch]:
    """Each batch with its scores. ``turn`` is held while the network computes; ``seconds.forward`` is what it took.

    Of a network that can begin with a batch, one batch at most has begun when the next is asked for. It is handed over
    once that has begun too, or where that fails: what was computed is not lost.
    """
    ahead, asked = getattr(predict, "start", None) is not None, iter(batches)
    waiting: list[tuple[ChunkInProgress, list[Piece], Finish]] = []

    def finished() -> Iterator[ScoredBatch]:
        while waiting:
            portion, batch, finish = waiting.pop(0)
            began = time.perf_counter()
            logits, places = finish()
            seconds.forward += time.perf_counter() - began
            yield portion, batch, logits, places

    while True:
        try:
            one = next(asked, None)
            if one is None:
                break
            portion, batch = one
            began = time.perf_counter()
            with turn:
                finish = _start(predict, portion, batch)
            seconds.forward += time.perf_counter() - began
        except Exception:
            yield from finished()
            raise
        if batch:
            yield from finished()
        waiting.append((portion, batch, finish))
        if not ahead or (not batch and len(waiting) != 2):  # the end of a portion waits behind its last batch only
            yield from finished()
    yield from finished()


def _start(predict: Predict, portion: ChunkInProgress, batch: Sequence[Piece]) -> Finish:
    """The batch begun; a network that can only be called is done with it when this returns."""
    if not batch:
        return lambda: (np.zeros((0, 0), dtype=np.float32), 0)
    pixels = np.stack([p.pixels for p in batch])
    flips = np.array([portion.views[p.view].flip for p in batch])
    view = portion.views[batch[0].view]
    start = getattr(predict, "start", None)
    if start is not None:
        begun: Finish = start(pixels, flips, view)
        return begun
    made = predict(pixels, flips, view)
    return lambda: made
