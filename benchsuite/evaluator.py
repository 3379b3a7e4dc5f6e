"""How a run is computed: images -> views -> batches -> logits, cached in chunks -> predictions -> counts.

Read this file first: ``evaluate``, then ``fill``, which yields a network's logits. ``evaluation/`` holds the steps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from benchsuite.errors import StorageError, expected
from benchsuite.evaluation import predictions
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.inference import scored
from benchsuite.evaluation.input_pipeline import SPAN, batched
from benchsuite.evaluation.open_network import OpenNetwork, Settings
from benchsuite.evaluation.question import TOLERANCE, Identity, ImageSource, Member, Question, networks
from benchsuite.evaluation.reading import read
from benchsuite.evaluation.scoring import WAITING, in_turn, score
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.keys import chunk_key, view_keys
from benchsuite.storage.logit_cache import CHUNK, chunked

__all__ = ["Answer", "OpenNetwork", "Settings", "evaluate", "fill", "of_several"]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question: ``columns`` with one row per sample, the counts, and the networks of its members."""

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
    """Answers questions about the same samples. Each network is opened once and computes each distinct view once.

    Questions about one network are scored chunk by chunk, while the device computes the next one if it can; ensembles
    of several networks at the end, from the cache.
    ``advance(k)`` is called for every k (sample, view) pairs that are done. A broken image raises ``DataError``.
    Finished chunks stay in the cache, so the same call continues from there.
    """
    opened: dict[Identity, OpenNetwork] = {}
    predicted: list[list[dict[str, Any]]] = [[] for _ in questions]
    for identity, (member, views) in networks(questions).items():
        network = opened[identity] = open_network(member, views)
        own = [i for i, q in enumerate(questions) if {m.identity for m in q.members} == {identity}]
        chunks = list(chunked(questions[0].samples, CHUNK))
        filled = zip(chunks, fill(network, questions[0].images, chunks, settings, advance), strict=True)
        asked = [questions[i] for i in own]
        scores = (partial(score, asked, samples, {identity: logits}) for samples, logits in filled)
        for block in chain.from_iterable(in_turn(scores, WAITING if network.start else 0)):
            for i, rows in zip(own, block, strict=True):
                predicted[i].append(rows)
    for question, blocks in zip(questions, predicted, strict=True):
        columns = predictions.join(blocks or list(of_several(question, opened)), question.samples)
        counts = predictions.count(columns, TOLERANCE[question.precision])
        yield Answer(question, columns, counts, tuple(opened[m.identity] for m in question.members))


def of_several(question: Question, opened: dict[Identity, OpenNetwork]) -> Iterator[dict[str, Any]]:
    """The predictions of an ensemble of several networks, from their logits, which are all in their stores by now."""
    for samples in chunked(question.samples, CHUNK):
        chunk, logits = chunk_key(samples, question.split), dict[Identity, dict[View, Any]]()
        for member in question.members:
            store = opened[member.identity].store
            stored = {v: store.read(name, chunk) for v, name in view_keys(member.views, samples).items()}
            if not all(stored.values()):
                rule = "unchanged until the run is over"
                raise StorageError(expected("the cache", rule, "logits that are missing or damaged", str(store.root)))
            logits.setdefault(member.identity, {}).update(stored)
        yield from (rows for (rows,) in score([question], samples, logits))


def fill(
    network: OpenNetwork,
    images: ImageSource,
    chunks: Iterable[Sequence[Sample]],
    settings: Settings,
    advance: Callable[[int], None],
) -> Iterator[dict[View, Any]]:
    """The logits and places of each chunk, by view, in order. What is not in the cache is computed and written to it.

    For a network that has ``start``, such as one on CUDA, the images of the next chunks are read, and their batches are
    submitted, while chunks are computed, written and yielded.
    """
    seconds, turn, begun = network.seconds, settings.turn, deque[ChunkInProgress]()

    def todo() -> Iterator[ChunkInProgress]:
        for samples in chunks:
            key, names = chunk_key(samples, images.split), view_keys(network.views, samples)
            stored = {} if settings.fresh else network.store.read_all([*names.values()], key)
            cached = {v: stored[name] for v, name in names.items() if name in stored}
            begun.append(ChunkInProgress(samples, key, names, cached))
            advance(len(samples) * len(cached))
            yield begun[-1]

    on = network.start is not None
    events = read(
        images.loader, images.split, todo(), turn, settings.workers, seconds, ahead=on, resizer=network.resizer
    )
    made = batched(events, settings.batch_size, settings.held, SPAN if on else 1)
    since = time.perf_counter()
    for done in scored(network, made, turn):
        if done is not None:
            batch, scores, places = done
            batch.put(scores, places)
            advance(len(batch))
        while begun and begun[0].done:
            chunk = begun.popleft()
            if chunk.views:
                chunk.write(network.store)
                seconds.images += len(chunk.samples)
                since = seconds.lap(since)
            yield chunk.logits
            if not (on and chunk.views):  # else the device computed the next chunk meanwhile
                since = time.perf_counter()
