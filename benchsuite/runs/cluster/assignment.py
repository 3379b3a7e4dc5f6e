"""A split run on a node: the chunks that a lot names are computed, and their cached files are returned as bytes."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.distributed.failure import Failure
from benchsuite.errors import BenchsuiteError, expected
from benchsuite.evaluation.question import Question, RunRequest, at_precision, networks
from benchsuite.evaluation.timing import Seconds
from benchsuite.evaluator import OpenNetwork, fill
from benchsuite.models.device import hardware
from benchsuite.progress import Progress
from benchsuite.runs.cluster import nodes
from benchsuite.runs.cluster.nodes import Errand
from benchsuite.runs.plan import plan
from benchsuite.runs.run import Pass, begin, with_auto_precision
from benchsuite.specs.catalog import load_plugins
from benchsuite.storage.files import cache_dir, writing
from benchsuite.storage.keys import chunk_key, view_keys
from benchsuite.storage.logit_cache import CHUNK, chunked


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a node may lack, as it was made here. ``name`` is relative to the cache or to the results folder."""

    in_cache: bool
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every node is told of a run: the request, the digest of the images, and files that it may lack."""

    errand: Errand
    request: RunRequest
    data_digest: str
    files: tuple[SentFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Lot:
    """Chunks of one network, by their numbers; without any it is only opened.

    ``runs`` are the ids and precisions of the questions of the pass, ``network`` is the place of the network in it.
    """

    runs: tuple[tuple[str, str], ...]
    network: int
    chunks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A network as a node has opened it. ``store`` is the folder of its logits; ``numerics`` are for the manifest."""

    store: str
    digest: str
    folded: int
    reading: dict[str, Any]
    numerics: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Computed:
    """What a node returns of a lot: the files of each chunk, as ``ChunkStore.content``, and what computing them took.

    ``node`` describes the node, ``process`` is the number of its process. ``busy`` is the time of the forward passes.
    """

    opened: Opened
    node: dict[str, Any]
    process: int
    chunks: tuple[dict[str, bytes], ...]
    seconds: Seconds
    busy: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The precision of each question that ``--precision auto`` chooses on a node, in the order of the plan."""

    precisions: tuple[tuple[str, tuple[dict[str, Any], ...]], ...]
    notes: tuple[str, ...]


class _Notes(Progress):
    """Keeps the notes, which the command shows."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def note(self, text: str) -> None:
        self.kept.append(text)


@dataclass(frozen=True, slots=True)
class _Session:
    """A network that a process of a node keeps open between two lots."""

    work: Pass
    network: OpenNetwork
    notes: tuple[str, ...]


def choose_precision(assignment: Assignment, _: None) -> Choice | Failure:
    """The decision of ``--precision auto`` on this node."""

    def choose() -> Choice:
        said = _Notes()
        with nodes.results_folder(assignment.errand) as results:
            request, questions = _planned(assignment, results)
            chosen = with_auto_precision(request, questions, said)
        return Choice(tuple((q.precision, q.precision_checks) for q in chosen), tuple(said.kept))

    return nodes.on_node(assignment.errand, choose)


def compute(assignment: Assignment, lot: Lot) -> Computed | Failure:
    """Computes the chunks of a lot on this node. The cache is the node's own."""
    return nodes.on_node(assignment.errand, lambda: _compute(assignment, lot))


def _compute(assignment: Assignment, lot: Lot) -> Computed:
    session = _session(assignment, lot.runs, lot.network)
    work, network = session.work, session.network
    question, device, store = work.questions[0], work.device, network.store
    parts = list(chunked(question.samples, CHUNK))
    chunks = [parts[i] for i in lot.chunks]
    network.seconds, before = Seconds(), network.busy()
    files = []
    for samples, _ in zip(chunks, fill(network, question.images, chunks, work.settings, lambda _: None), strict=True):
        names = [*view_keys(network.views, samples).values()]
        files.append(store.content(names, chunk_key(samples, question.split)))
    node = {"name": nodes.name(), **hardware(device), "pillow": dict(nodes.versions())["pillow"]}
    opened = Opened(store.root.name, network.digest, network.folded, network.reading, _numerics(work), session.notes)
    return Computed(opened, node, os.getpid(), tuple(files), network.seconds, network.busy() - before)


@functools.lru_cache(maxsize=1)
def _session(assignment: Assignment, runs: tuple[tuple[str, str], ...], number: int) -> _Session:
    """Opens a network for the questions with these ids. Raises ``BenchsuiteError`` if they are others on this node."""
    said = _Notes()
    with nodes.results_folder(assignment.errand) as results:
        request, planned = _planned(assignment, results)
        known = {v.run_id: v for q in planned for p in {p for _, p in runs} for v in (at_precision(q, p, ()),)}
        absent = [run_id for run_id, _ in runs if run_id not in known]
        if absent:
            got = f"others, so that there is no {absent[0]}"
            raise BenchsuiteError(expected("weights and plugins", "those of the first machine", got))
        work = begin(request, [known[run_id] for run_id, _ in runs], said)
        member, views = [*networks(work.questions).values()][number]
        return _Session(work, work.open_network(member, views), tuple(said.kept))


def _planned(assignment: Assignment, results: Path) -> tuple[RunRequest, list[Question]]:
    """The request as this node carries it out, and its questions. Raises ``BenchsuiteError`` for other images."""
    for file in assignment.files:
        path = (cache_dir() if file.in_cache else results) / file.name
        if not path.is_file():
            with writing(path) as part:
                part.write_bytes(file.content)
    request = dataclasses.replace(assignment.request, results=results)
    questions = plan(request, load_plugins())
    if questions[0].data_digest != assignment.data_digest:
        got = f"others in {request.data}"
        raise BenchsuiteError(expected("the images", "those of the first machine", got))
    return request, questions


def _numerics(work: Pass) -> dict[str, Any]:
    """What a manifest says of how the pass is computed on this node."""
    import torch

    settings = work.settings
    return {
        "device": work.device,
        "batch_size": settings.batch_size,
        "workers": settings.workers,
        "threads": torch.get_num_threads(),
    }


def sent_files(questions: Sequence[Question], request: RunRequest) -> tuple[SentFile, ...]:
    """The files of a request in the cache or the results folder: weights that were trained here, runs as networks.

    Of a run the manifest says which network it is; its predictions are not read, and are sent empty.
    """
    paths = {m.weights.path.absolute() for q in questions for m in q.members if m.weights.path is not None}
    bases = {True: cache_dir().absolute(), False: request.results.absolute()}
    files = [
        SentFile(in_cache, str(path.relative_to(base)), path.read_bytes())
        for path in sorted(paths)
        for in_cache, base in bases.items()
        if path.is_relative_to(base) and path.is_file()
    ]
    for name in request.architectures:
        manifest = Path("runs", name, "manifest.json")
        if (request.results / manifest).is_file():
            files.append(SentFile(False, str(manifest), (request.results / manifest).read_bytes()))
            files.append(SentFile(False, str(manifest.with_name("predictions.parquet")), b""))
    return tuple(files)
