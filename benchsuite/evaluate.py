"""The walk of one image, from samples to counts. Read this file first; it follows section 3 of the design."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchsuite.errors import StorageError, expected
from benchsuite.evaluation import predictions
from benchsuite.evaluation.inference import ChunkInProgress, PendingBatch, scored
from benchsuite.evaluation.input_pipeline import batches, cutter, once_each, pieces
from benchsuite.evaluation.question import TOLERANCE, Identity, ImageSource, Member, Question, networks
from benchsuite.evaluation.scoring import score
from benchsuite.evaluation.timing import Seconds
from benchsuite.models.predict import Predict, Start
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.keys import chunk_key, view_key
from benchsuite.storage.logit_cache import CHUNK, ChunkStore, chunked


@dataclass(slots=True)
class OpenNetwork:
    """A network that is ready for ``views``, the store of its chunks, and what its pass has cost so far.

    ``start`` submits a batch and returns how to wait for its scores; None for a network that computes within
    ``predict``. ``folded`` counts the batch normalisations folded into convolutions, and ``busy()`` returns the seconds
    that the network itself has computed so far.
    """

    predict: Predict
    views: tuple[View, ...]
    store: ChunkStore
    digest: str
    start: Start | None = None
    folded: int = 0
    busy: Callable[[], float] = float
    seconds: Seconds = field(default_factory=Seconds)


@dataclass(frozen=True, slots=True)
class Settings:
    """What changes the speed of a pass and nothing else. ``turn`` is held while the network computes."""

    batch_size: int
    workers: int
    fresh: bool = False  # compute chunks again that are in the cache
    turn: AbstractContextManager[Any] = field(default_factory=nullcontext)


@dataclass(frozen=True, slots=True)
class Answer:
    """One row per sample, the counts, and the networks they came from."""

    question: Question
    columns: dict[str, Any]
    counts: dict[str, int]
    opened: tuple[OpenNetwork, ...]


def evaluate(
    questions: Sequence[Question],
    open_network: Callable[[Member, tuple[View, ...]], OpenNetwork],
    settings: Settings,
    advance: Callable[[int], None],
) -> Iterator[Answer]:
    """Answers questions about the same samples. Each network is opened once and sees each distinct view once.

    ``advance(k)`` is told of every k (sample, view) pairs that are done. A broken image raises ``DataError``; the
    chunks that are finished stay, and the same call goes on from them.
    """
    opened: dict[Identity, OpenNetwork] = {}
    parts: list[list[dict[str, Any]]] = [[] for _ in questions]
    for identity, (member, views) in networks(questions).items():
        network = opened[identity] = open_network(member, views)
        alone = [i for i, q in enumerate(questions) if {m.identity for m in q.members} == {identity}]
        chunks = list(chunked(questions[0].samples, CHUNK))
        filled = fill(network, questions[0].images, chunks, settings, advance)
        for samples, logits in zip(chunks, filled, strict=True):
            for block in score([questions[i] for i in alone], samples, {identity: logits}) if alone else ():
                for i, found in zip(alone, block, strict=True):
                    parts[i].append(found)
    for question, part in zip(questions, parts, strict=True):
        columns = predictions.join(part or list(of_several(question, opened)), question.samples)
        counts = predictions.count(columns, TOLERANCE[question.precision])
        yield Answer(question, columns, counts, tuple(opened[m.identity] for m in question.members))


def of_several(question: Question, opened: dict[Identity, OpenNetwork]) -> Iterator[dict[str, Any]]:
    """The predictions of an ensemble of several networks, whose logits are all in their stores by now."""
    for samples in chunked(question.samples, CHUNK):
        chunk, logits = chunk_key(samples, question.split), dict[Identity, dict[View, Any]]()
        for member in question.members:
            store = opened[member.identity].store
            read = {v: store.read(view_key(v), chunk) for v in member.views}
            if not all(read.values()):
                rule = "left alone until the run is over"
                raise StorageError(expected("the cache", rule, "logits that are gone or damaged", str(store.root)))
            logits.setdefault(member.identity, {}).update(read)
        yield from (found for (found,) in score([question], samples, logits))


def fill(
    network: OpenNetwork,
    images: ImageSource,
    chunks: Iterable[Sequence[Sample]],
    settings: Settings,
    advance: Callable[[int], None],
) -> Iterator[dict[View, Any]]:
    """The logits and places of each chunk for each view, in order; what is not in the cache is computed and written.

    On CUDA the first batch of the next chunk is submitted before a finished chunk is yielded.
    """
    names, seconds = {v: view_key(v) for v in network.views}, network.seconds

    def pending() -> Iterator[PendingBatch]:
        for samples in chunks:
            key = chunk_key(samples, images.split)
            kept = {} if settings.fresh else network.store.read_all([*names.values()], key)
            cached = {v: kept[name] for v, name in names.items() if name in kept}
            chunk = ChunkInProgress(samples, key, network.views, cached)
            advance(len(samples) * len(cached))
            if chunk.views:
                then = cutter(chunk.views, settings.turn)
                cuts = once_each(images.loader, images.split, samples, then, settings.workers)
                for batch in batches(pieces(cuts, len(samples), seconds), chunk.views, settings.batch_size):
                    yield chunk, batch
            yield chunk, []

    since = time.perf_counter()
    for chunk, batch, scores, places in scored(network.predict, network.start, pending(), settings.turn, seconds):
        if batch:
            chunk.put(batch, scores, places)
            advance(len(batch))
            continue
        if chunk.views:
            chunk.write(network.store, names)
            seconds.images += len(chunk.samples)
            seconds.total += time.perf_counter() - since
        yield chunk.logits
        if network.start is None or not chunk.views:  # else the device has computed batches of the next chunk meanwhile
            since = time.perf_counter()
