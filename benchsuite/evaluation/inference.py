"""Runs batches through a network: one by one, or on a device that is always submitted the next one in time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.input_pipeline import Batch
from benchsuite.evaluation.open_network import OpenNetwork
from benchsuite.models.predict import Finish, Places, Start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scored = tuple[Batch, "NDArray[np.float32]", Places]
"""A batch, its (n, c) logits, and their ``Places``."""

WAITING = 2
"""Batches that wait for a device at most, in addition to the one that it computes and the one that is submitted."""


def scored(
    network: OpenNetwork, events: Iterable[Batch | ChunkInProgress], turn: AbstractContextManager[Any]
) -> Iterator[Scored | None]:
    """Yields each batch with its scores, in order, and None for a chunk that has been read.

    Without ``start``, each batch is made and computed at once, while ``turn`` is held. With it, a thread of its own
    makes the batches, in a ``buffer`` if there are any, and submits each before it waits for the scores of the previous
    one. At most ``WAITING`` batches wait for that thread. A chunk without views, which was in the cache, waits for all
    batches before it. When reading or submitting fails, everything that was submitted before is yielded first, so that
    nothing computed is lost.

    Of the network's ``seconds``, ``prepare`` is the time of making batches and of copying them to pinned memory, and
    ``forward`` that of submitting them and of waiting for scores; with ``start``, ``wait`` is the time without a batch.
    """
    if network.start is None:
        return _at_once(network, events, turn)
    return _ahead(_Lane(network.start, network), events)


def _at_once(
    network: OpenNetwork, events: Iterable[Batch | ChunkInProgress], turn: AbstractContextManager[Any]
) -> Iterator[Scored | None]:
    for batch in events:
        if not isinstance(batch, Batch):
            yield None
            continue
        with turn:
            began = time.perf_counter()
            pixels, flips = batch.stacked(resizer=network.resizer), batch.flips()
            stacked = time.perf_counter()
            logits, places = network.predict(pixels, flips, batch.view, *_samples(batch))
            network.seconds.prepare += stacked - began
            network.seconds.forward += time.perf_counter() - stacked
        yield batch, logits, places


def _ahead(lane: _Lane, events: Iterable[Batch | ChunkInProgress]) -> Iterator[Scored | None]:
    pool, steps = ThreadPoolExecutor(1, "benchsuite-device"), deque[Future[Scored | None]]()

    def finished(waiting: int) -> Iterator[Scored]:
        """What is done by now, and what has to be so that only this many batches wait."""
        while steps and (len(steps) > waiting or steps[0].done()):
            done = steps.popleft().result()
            if done is not None:
                yield done
        if lane.failure is not None and not steps:
            raise lane.failure

    def rest() -> Iterator[Scored]:
        steps.append(pool.submit(lane.step, None))
        yield from finished(0)

    try:
        for event in events:
            if isinstance(event, Batch):
                steps.append(pool.submit(lane.step, event))
            yield from finished(WAITING) if isinstance(event, Batch) or event.views else rest()
            if not isinstance(event, Batch):
                yield None
        yield from rest()
    except Exception:
        if lane.failure is None:
            yield from rest()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class _Lane:
    """What the device's thread does. ``failure`` is the error of a batch that could not be submitted."""

    def __init__(self, start: Start, network: OpenNetwork) -> None:
        self._start, self._buffer, self._pinning = start, network.buffer, network.pinning
        self._seconds, self._resizer = network.seconds, network.resizer
        self._submitted: tuple[Batch, Finish] | None = None
        self._idle_since = time.perf_counter()
        self.failure: BaseException | None = None

    def step(self, batch: Batch | None) -> Scored | None:
        """Submits a batch, if any, unless one failed before; returns the previous one with its scores, if any."""
        self._seconds.wait += time.perf_counter() - self._idle_since
        previous, self._submitted = self._submitted, None
        if batch is not None and self.failure is None:
            try:
                self._submitted = batch, self._submit(batch)
            except BaseException as error:
                self.failure = error
        began = time.perf_counter()
        done = (previous[0], *previous[1]()) if previous is not None else None
        self._idle_since = time.perf_counter()
        self._seconds.forward += self._idle_since - began
        return done

    def _submit(self, batch: Batch) -> Finish:
        began, pinned_before = time.perf_counter(), self._pinning()
        pixels = batch.stacked(self._buffer, self._resizer)
        stacked = time.perf_counter()
        finish = self._start(pixels, batch.flips(), batch.view, *_samples(batch))
        pinned = self._pinning() - pinned_before
        self._seconds.prepare += stacked - began + pinned
        self._seconds.forward += time.perf_counter() - stacked - pinned
        return finish


def _samples(batch: Batch) -> tuple[Any, ...]:
    """The samples of a batch, as the last argument of a network whose view has a perturbation."""
    return (batch.samples,) if batch.view.perturbation is not None else ()
