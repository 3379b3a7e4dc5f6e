"""Runs batches through a network, in order, and collects their logits in chunks.

On CUDA the next batch is submitted before the scores of the previous one are fetched, also across chunks, so the GPU
never waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchsuite.errors import BenchsuiteError, expected
from benchsuite.evaluation.input_pipeline import Piece
from benchsuite.evaluation.timing import Seconds
from benchsuite.models.predict import Finish, Places, Predict, Start
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.logit_cache import ChunkStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Logits = tuple[NDArray[np.float32], NDArray[np.int64]]
    """(n, c) logits of a view, and (n,): the number of places that each row is a mean of."""


class ChunkInProgress:
    """A chunk while it is computed: ``logits`` holds the views that are done, ``views`` are those still to compute.

    ``key`` is the chunk's name in its store, ``names`` are those of its views.
    """

    def __init__(
        self, samples: Sequence[Sample], key: str, names: Mapping[View, str], cached: dict[View, Logits]
    ) -> None:
        self.samples, self.key, self.names, self.logits = samples, key, names, cached
        self.views = tuple(v for v in names if v not in cached)
        self._logits: NDArray[np.float32] | None = None
        self._places = np.zeros((len(samples), len(self.views)), dtype=np.int64)

    def put(self, batch: Sequence[Piece], scores: NDArray[np.float32], places: Places) -> None:
        """Stores the (n, c) scores of a batch. Raises ``BenchsuiteError`` unless there is one row for each piece."""
        if len(scores) != len(batch):
            rule, got = (
                f"one row for each of the {len(batch)} images of a batch",
                f"{len(scores)}: no number is printed",
            )
            raise BenchsuiteError(expected("the logits", rule, got))
        if self._logits is None:
            self._logits = np.full((*self._places.shape, scores.shape[1]), np.nan, dtype=np.float32)
        where = [p.sample for p in batch], [p.view for p in batch]
        self._logits[where], self._places[where] = scores, places

    def write(self, store: ChunkStore) -> None:
        """Writes the computed views to the store, once every batch has been put."""
        assert self._logits is not None, "a chunk has samples"
        for i, view in enumerate(self.views):
            self.logits[view] = self._logits[:, i], self._places[:, i]
            store.write(self.names[view], self.key, *self.logits[view], group=[self.names[v] for v in self.views])


PendingBatch = tuple[ChunkInProgress, list[Piece]]
"""A batch of a chunk. An empty batch follows the last one, once it is checked that every image has been read."""

ScoredBatch = tuple[ChunkInProgress, list[Piece], "NDArray[np.float32]", Places]
"""A batch, its (n, c) logits, and their ``Places``."""


def scored(
    predict: Predict,
    start: Start | None,
    batches: Iterable[PendingBatch],
    turn: AbstractContextManager[Any],
    seconds: Seconds,
    pinning: Callable[[], float] = float,
) -> Iterator[ScoredBatch]:
    """Yields each batch with its scores. Holds ``turn`` while a batch is submitted.

    The time of making batches is added to ``seconds.prepare``, that of submitting them and of waiting for scores to
    ``seconds.forward``. ``pinning()`` returns the seconds that submitting has spent on copies to pinned memory so far,
    which count as ``prepare`` too.

    With ``start``, one batch is submitted ahead: its scores are fetched after the next batch has been submitted, or
    when reading the next one fails, so that nothing computed is lost. Without it every batch is done by ``predict``.
    """
    remaining, submitted = iter(batches), list[tuple[ChunkInProgress, list[Piece], Finish]]()

    def fetched() -> Iterator[ScoredBatch]:
        while submitted:
            chunk, batch, finish = submitted.pop(0)
            began = time.perf_counter()
            logits, places = finish()
            seconds.forward += time.perf_counter() - began
            yield chunk, batch, logits, places

    while True:
        try:
            pending = next(remaining, None)
            if pending is None:
                break
            chunk, batch = pending
            with turn:
                finish = _submit(predict, start, chunk, batch, seconds, pinning)
        except Exception:
            yield from fetched()
            raise
        if batch:
            yield from fetched()
        submitted.append((chunk, batch, finish))
        if start is None or (not batch and len(submitted) != 2):  # the end of a chunk waits for its last batch only
            yield from fetched()
    yield from fetched()


def _submit(
    predict: Predict,
    start: Start | None,
    chunk: ChunkInProgress,
    batch: Sequence[Piece],
    seconds: Seconds,
    pinning: Callable[[], float],
) -> Finish:
    """Submits a batch, or computes it at once without ``start``; returns a function that returns its scores."""
    if not batch:
        return lambda: (np.zeros((0, 0), dtype=np.float32), 0)
    began, pinned_before = time.perf_counter(), pinning()
    pixels = np.stack([p.pixels for p in batch])
    flips = np.array([chunk.views[p.view].flip for p in batch])
    view = chunk.views[batch[0].view]
    known = ([chunk.samples[p.sample] for p in batch],) if view.perturbation is not None else ()
    stacked = time.perf_counter()
    finish = start(pixels, flips, view, *known) if start is not None else _done(predict(pixels, flips, view, *known))
    pinned = pinning() - pinned_before
    seconds.prepare += stacked - began + pinned
    seconds.forward += time.perf_counter() - stacked - pinned
    return finish


def _done(scores: tuple[NDArray[np.float32], Places]) -> Finish:
    return lambda: scores
