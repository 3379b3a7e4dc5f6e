"""The walk of one image, from samples to counts. Read this file first; it follows section 3 of the design."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from benchsuite import keys, predictions
from benchsuite.batches import batches, chunked
from benchsuite.chunks import CHUNK, ChunkStore
from benchsuite.combine import combine
from benchsuite.pieces import Seconds, cutter, pieces
from benchsuite.plan import TOLERANCE, Member, Question
from benchsuite.specs import Predict, Sample
from benchsuite.view import View, distinct, view_data

Identity = tuple[str, str]


@dataclass(slots=True)
class Opened:
    """A network that is ready, the store of its chunks, and what its pass has cost so far."""

    predict: Predict
    store: ChunkStore
    digest: str
    seconds: Seconds = field(default_factory=Seconds)


@dataclass(frozen=True, slots=True)
class Settings:
    """What changes the speed of a pass and nothing else. ``turn`` is held while the network computes."""

    batch_size: int
    workers: int
    fresh: bool = False  # chunks that are there are computed again
    turn: AbstractContextManager[Any] = field(default_factory=nullcontext)


@dataclass(frozen=True, slots=True)
class Answer:
    """One row per sample, the counts, and the networks they came from."""

    question: Question
    columns: dict[str, Any]
    counts: dict[str, int]
    opened: tuple[Opened, ...]


def evaluate(
    questions: Sequence[Question],
    open_network: Callable[[Member, tuple[View, ...]], Opened],
    settings: Settings,
    advance: Callable[[int], None],
) -> Iterator[Answer]:
    """Answers questions about the same samples. Each network is opened once and sees each distinct view once.

    ``advance(k)`` is told of every k (sample, view) pairs that are done. A broken image raises ``DataError``; the
    chunks that are finished stay, and the same call goes on from them.
    """
    opened: dict[Identity, Opened] = {}
    for identity, (member, views) in networks(questions).items():
        opened[identity] = open_network(member, views)
        for samples in chunked(questions[0].samples, CHUNK):
            fill(opened[identity], questions[0], samples, views, settings, advance)
    for question in questions:
        parts = [score(question, samples, opened) for samples in chunked(question.samples, CHUNK)]
        columns = predictions.join(parts, question.samples)
        counts = predictions.count(columns, TOLERANCE[question.precision])
        yield Answer(question, columns, counts, tuple(opened[m.identity] for m in question.members))


def networks(questions: Sequence[Question]) -> dict[Identity, tuple[Member, tuple[View, ...]]]:
    """Each distinct network of all questions, with the union of the views that are asked of it."""
    found: dict[Identity, tuple[Member, tuple[View, ...]]] = {}
    for member in chain.from_iterable(q.members for q in questions):
        _, views = found.get(member.identity, (member, ()))
        found[member.identity] = member, distinct(views + member.views)
    return found


def fill(
    network: Opened,
    question: Question,
    samples: Sequence[Sample],
    views: tuple[View, ...],
    settings: Settings,
    advance: Callable[[int], None],
) -> None:
    """Makes the logits of one chunk for the views that are not on disk yet, and writes each of them once."""
    chunk = chunk_key(samples)
    todo = tuple(v for v in views if settings.fresh or network.store.read(view_key(v), chunk) is None)
    advance(len(samples) * (len(views) - len(todo)))
    if not todo:
        return
    start, seconds = time.perf_counter(), network.seconds
    images = question.loader.images(question.split, samples, cutter(todo, settings.turn), settings.workers)
    logits = np.zeros((0,), dtype=np.float32)
    places = np.zeros((len(samples), len(todo)), dtype=np.int64)
    for batch in batches(pieces(images, len(samples), seconds), todo, settings.batch_size):
        began = time.perf_counter()
        flips = np.array([todo[p.view].flip for p in batch])
        with settings.turn:
            made, count = network.predict(np.stack([p.pixels for p in batch]), flips, todo[batch[0].view])
        if not logits.size:
            logits = np.full((*places.shape, made.shape[1]), np.nan, dtype=np.float32)
        where = [p.sample for p in batch], [p.view for p in batch]
        logits[where], places[where] = made, count
        seconds.forward += time.perf_counter() - began
        advance(len(batch))
    for i, view in enumerate(todo):
        network.store.write(view_key(view), chunk, logits[:, i], places[:, i])
    seconds.images += len(samples)
    seconds.total += time.perf_counter() - start


def score(question: Question, samples: Sequence[Sample], opened: dict[Identity, Opened]) -> dict[str, Any]:
    """The predictions of one chunk: each member's views are combined, then the members of an ensemble."""
    chunk, members = chunk_key(samples), []
    for member in question.members:
        parts = [opened[member.identity].store.read(view_key(v), chunk) for v in member.views]
        whole = [p for p in parts if p is not None]
        assert len(whole) == len(member.views), "every chunk was written"
        logits, places = (np.stack(part, axis=1) for part in zip(*whole, strict=True))
        members.append(combine(logits, member.combine, places))
    if question.bound.inner is None:
        return predictions.rows(samples, members[0], question.bound.combine)
    spaces = [m.combine.space for m in question.members]
    tiny = np.finfo(np.float64).tiny
    as_logits = [np.log(np.maximum(x, tiny)) if s == "prob" else x for s, x in zip(spaces, members, strict=True)]
    stacked = np.stack(as_logits, axis=1)
    merged = combine(stacked, question.bound.combine, np.ones(stacked.shape[:2]))
    return predictions.rows(samples, merged, question.bound.combine)


def chunk_key(samples: Sequence[Sample]) -> str:
    """What a chunk's logits depend on beside network and view: which images, in which state."""
    return keys.digest_lines(f"{s.id} {s.stamp}" for s in samples)


def view_key(view: View) -> str:
    """The digest of a view."""
    return keys.digest(view_data(view))
