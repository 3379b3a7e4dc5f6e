"""Batches through a network, in order; where it can, one is being computed while the next one is made."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from benchsuite.batches import Piece
from benchsuite.pieces import Seconds
from benchsuite.predict import Finish, Predict
from benchsuite.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scored = tuple[list[Piece], "NDArray[np.float32]", int]
"""A batch, its (n, c) logits, and the places behind each score."""


def scored(
    predict: Predict,
    batches: Iterable[list[Piece]],
    views: tuple[View, ...],
    turn: AbstractContextManager[Any],
    seconds: Seconds,
) -> Iterator[Scored]:
    """Each batch with its scores. ``turn`` is held while the network computes; ``seconds.forward`` is what it took.

    One batch at most has begun when the next is asked for: its scores are handed over once the next has begun.
    """
    under_way: tuple[list[Piece], Finish] | None = None
    for batch in batches:
        began = time.perf_counter()
        with turn:
            finish = _start(predict, batch, views)
        seconds.forward += time.perf_counter() - began
        if under_way is not None:
            yield _finished(*under_way, seconds)
        under_way = batch, finish
    if under_way is not None:
        yield _finished(*under_way, seconds)


def _start(predict: Predict, batch: list[Piece], views: tuple[View, ...]) -> Finish:
    """The batch begun; a network that can only be called is done with it when this returns."""
    pixels = np.stack([p.pixels for p in batch])
    flips = np.array([views[p.view].flip for p in batch])
    start = getattr(predict, "start", None)
    if start is not None:
        begun: Finish = start(pixels, flips, views[batch[0].view])
        return begun
    made = predict(pixels, flips, views[batch[0].view])
    return lambda: made


def _finished(batch: list[Piece], finish: Finish, seconds: Seconds) -> Scored:
    began = time.perf_counter()
    logits, places = finish()
    seconds.forward += time.perf_counter() - began
    return batch, logits, places
