"""One ``run`` on all nodes of a cluster: they compute chunks, and this machine joins them as one process alone does.

A lot is some chunks of one network. The nodes return the files that their caches hold of them; here they are written
to the cache under the same name, so that a command that was stopped continues from there. A node that dies costs the
lots that it had not returned.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from benchsuite.distributed import executors, process_group
from benchsuite.distributed.crew import Crew
from benchsuite.distributed.executors import Executor
from benchsuite.distributed.failure import Failure
from benchsuite.distributed.places import Place
from benchsuite.errors import BadParameter, BenchsuiteError, StorageError, expected
from benchsuite.evaluation.question import Member, Question, RunRequest, at_precision, networks
from benchsuite.evaluation.timing import Seconds
from benchsuite.evaluator import Answer, OpenNetwork, Settings, evaluate
from benchsuite.progress import Progress
from benchsuite.runs import auto_precision
from benchsuite.runs import manifest as run_manifest
from benchsuite.runs.cluster import nodes
from benchsuite.runs.cluster.assignment import Assignment, Computed, Lot, choose_precision, compute, sent_files
from benchsuite.runs.plan import plan
from benchsuite.runs.run import answer, finished, note_data, sharing, train_missing
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.view import View
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import chunk_key, view_keys
from benchsuite.storage.logit_cache import CHUNK, ChunkStore, chunked

if TYPE_CHECKING:
    from benchsuite.storage.logit_cache import Part

LOTS = 4
"""Lots for each job that runs at once: the more, the less is lost with a node, and the more networks are opened."""

LOT_BYTES = 64 * 2**20
"""Logits in a lot, which are in memory on the node and here."""


def run_on(place: Place, request: RunRequest, catalog: Catalog, progress: Progress) -> list[dict[str, Any]]:
    """Carries out a ``run`` command on a cluster; returns its rows. The predictions are those of one process alone.

    This machine needs the images and weights too, but no GPU. Raises a ``BenchsuiteError`` for every mistake of a
    user, and the first error of a node, with the node's name.
    """
    if process_group.under_torchrun():
        raise BadParameter(expected("--on", "local under torchrun", place.name))
    if request.processes > 1:
        raise BadParameter(expected("--processes", f"left to {place.name}", request.processes))
    questions = plan(request, catalog)
    note_data(request, questions, progress)
    auto = all(q.request.precision == "auto" for q in questions) and auto_precision.worth_it(questions)
    if not auto and not request.fresh and len(finished(request.results, questions)) == len(questions):
        return answer(request, questions, progress)
    errand = nodes.errand(request.results, place)
    with executors.opened(place, request.results / place.name, gpus=request.device != "cpu") as executor:
        cluster = _Cluster(executor, errand, place.name, catalog)
        if auto:
            questions = cluster.in_chosen_precision(request, questions, progress)
        return answer(request, questions, progress, work=cluster.evaluated)


@dataclass(frozen=True, slots=True)
class _Cluster:
    executor: Executor
    errand: nodes.Errand
    place: str
    catalog: Catalog

    def in_chosen_precision(
        self, request: RunRequest, questions: Sequence[Question], progress: Progress
    ) -> list[Question]:
        """The questions in the precision that ``--precision auto`` chooses on a node."""
        progress.note(f"choosing a precision on a node of {self.place}")
        assignment = self._assignment(request, questions, progress)
        (choice,) = (found for _, found in self._results(assignment, [None], choose_precision))
        for line in choice.notes:
            progress.note(line)
        chosen = zip(questions, choice.precisions, strict=True)
        return [at_precision(q, precision, checks) for q, (precision, checks) in chosen]

    def evaluated(
        self, request: RunRequest, todo: list[Question], progress: Progress, crew: Crew
    ) -> Iterator[tuple[Answer, dict[str, Any]]]:
        """Evaluates questions of one precision; yields each answer with its manifest. ``crew`` is ignored."""
        try:
            gathered, wall = self._gathered(request, todo, progress)
            scale = wall / max(1e-9, sum(one.seconds.total for one in gathered))
            opened = {one.member.identity: one.network(scale) for one in gathered}
            numerics = gathered[0].first.opened.numerics
            settings = Settings(numerics["batch_size"], numerics["workers"])
            for answered in evaluate(todo, lambda member, _: opened[member.identity], settings, lambda _: None):
                manifest = run_manifest.make(answered, settings, "cpu", sharing(answered.question, todo))
                own = {m.identity for m in answered.question.members}
                yield answered, manifest | _where([one for one in gathered if one.member.identity in own], manifest)
        finally:
            progress.stop()

    def _gathered(self, request: RunRequest, todo: list[Question], progress: Progress) -> tuple[list[_Gathered], float]:
        """The networks of the questions, all of whose chunks are in the cache here by the end, and the seconds taken.

        Opening the networks is not counted.
        """
        assignment = self._assignment(request, todo, progress)
        runs, wanted = tuple((q.run_id, q.precision) for q in todo), networks(todo)
        chunks, split = list(chunked(todo[0].samples, CHUNK)), todo[0].split
        looks = [Lot(runs, i) for i in range(len(wanted))]
        first = dict(self._results(assignment, looks, compute))
        gathered = [_Gathered(*found, split, chunks, first[i]) for i, found in enumerate(wanted.values())]
        for line in dict.fromkeys(line for one in gathered for line in one.first.opened.notes):
            progress.note(line)
        lots = [lot for look, one in zip(looks, gathered, strict=True) for lot in self._lots(look, one, request.fresh)]
        images = len(todo[0].samples)
        total = images * sum(len(one.views) for one in gathered)
        left = sum(gathered[lot.network].steps(lot.chunks) for lot in lots)
        progress.start(f"evaluating {images} images on {self.place}", total)
        progress.advance(total - left)
        begun = time.perf_counter()
        for i, computed in self._results(assignment, lots, compute):
            gathered[lots[i].network].add(lots[i], computed)
            progress.advance(gathered[lots[i].network].steps(lots[i].chunks))
        return gathered, time.perf_counter() - begun

    def _assignment(self, request: RunRequest, questions: Sequence[Question], progress: Progress) -> Assignment:
        """What the nodes are told; weights that have to be trained are trained here, so that they are the same."""
        for member, _ in networks(questions).values():
            train_missing(questions[0], member, request.device, progress)
        sent = dataclasses.replace(
            request,
            data=request.data and nodes.data_in_full(request.data, self.catalog),
            workers=self.executor.cores if request.workers is None else request.workers,
        )
        return Assignment(self.errand, sent, questions[0].data_digest, sent_files(questions, request))

    def _lots(self, look: Lot, one: _Gathered, fresh: bool) -> Iterator[Lot]:
        """The chunks of a network that are not here yet, in lots."""
        held = set(one.held(fresh))
        left = tuple(i for i in range(len(one.chunks)) if i not in held)
        fit = LOT_BYTES // (4 * CHUNK * len(one.split.classes) * len(one.views))
        size = max(1, min(len(left) // (LOTS * self.executor.slots), fit))
        yield from (dataclasses.replace(look, chunks=part) for part in chunked(left, size))

    def _results(self, assignment: Assignment, jobs: Sequence[Any], work: Any) -> Iterator[tuple[int, Any]]:
        """What nodes return, as it arrives, with the number of the job. Raises the first error of a node."""
        for i, state, result in self.executor.submit(assignment, jobs, work) if jobs else ():
            if isinstance(result, Failure):
                raise result.error
            if state == "failed":
                raise BenchsuiteError(f"{self.place}: {result}")
            if state == "done":
                yield i, result


class _GatheredStore(ChunkStore):
    """Chunks of one network from several nodes, each in the store of the hardware that computed it."""

    def __init__(self, root: Any, stores: dict[str, ChunkStore]) -> None:
        super().__init__(root)
        self.stores = stores

    def read_all(self, view_keys: Sequence[str], chunk_key: str) -> dict[str, Part]:
        return self.stores.get(chunk_key, ChunkStore(self.root)).read_all(view_keys, chunk_key)


@dataclass(slots=True)
class _Gathered:
    """What the nodes have returned of one network. ``first`` is how the first node opened it."""

    member: Member
    views: tuple[View, ...]
    split: Split
    chunks: Sequence[tuple[Sample, ...]]
    first: Computed
    stores: dict[str, ChunkStore] = field(default_factory=dict)
    seconds: Seconds = field(default_factory=Seconds)
    busy: float = 0.0
    images: Counter[tuple[tuple[str, Any], ...]] = field(default_factory=Counter)
    processes: set[tuple[str, int]] = field(default_factory=set)

    def held(self, fresh: bool) -> list[int]:
        """The numbers of the chunks that are in the cache here, from nodes like the first one; none if ``fresh``."""
        store, names = self._store(self.first), range(0) if fresh else range(len(self.chunks))
        return [i for i in names if len(store.read_all(self._names(i), self._key(i))) == len(self.views)]

    def steps(self, chunks: Sequence[int]) -> int:
        """The number of (sample, view) pairs in these chunks."""
        return len(self.views) * sum(len(self.chunks[i]) for i in chunks)

    def add(self, lot: Lot, computed: Computed) -> None:
        """Writes the chunks of a lot to the cache. Raises ``BenchsuiteError`` if a node has other weights or views."""
        own, other = self.first, computed
        if own.opened.digest != other.opened.digest:
            what = f"the weights of {self.member.architecture.name} on node {other.node['name']}"
            raise BenchsuiteError(expected(what, f"those of node {own.node['name']}", "others"))
        store = self._store(computed)
        for i, content in zip(lot.chunks, computed.chunks, strict=True):
            store.put(content, self._key(i))
            self.stores[self._key(i)] = store
        self.seconds, self.busy = self.seconds + computed.seconds, self.busy + computed.busy
        self.images[tuple(computed.node.items())] += sum(len(self.chunks[i]) for i in lot.chunks)
        self.processes.add((computed.node["name"], computed.process))

    def network(self, scale: float) -> OpenNetwork:
        """The network as it stands in answers: its logits are all here. The nodes' seconds are scaled.

        So the parts of the time add up to the whole, and images per second are those of all nodes together.
        """
        parts = {f.name: getattr(self.seconds, f.name) * scale for f in dataclasses.fields(Seconds)}
        opened, busy = self.first.opened, self.busy * scale
        return OpenNetwork(
            functools.partial(_not_here, self.member.architecture.name),
            self.views,
            _GatheredStore(self._store(self.first).root, self.stores),
            opened.digest,
            folded=opened.folded,
            reading=opened.reading,
            busy=lambda: busy,
            seconds=Seconds(**parts | {"images": self.seconds.images}),
        )

    def _store(self, computed: Computed) -> ChunkStore:
        return ChunkStore(cache_dir() / "chunks" / computed.opened.store)

    def _names(self, chunk: int) -> list[str]:
        return [*view_keys(self.views, self.chunks[chunk]).values()]

    def _key(self, chunk: int) -> str:
        return chunk_key(self.chunks[chunk], self.split)


def _not_here(name: str, *_: Any) -> NoReturn:
    rule = "unchanged until the run is over"
    raise StorageError(expected("the cache", rule, f"logits of {name} that are missing or damaged", str(cache_dir())))


def _where(gathered: Sequence[_Gathered], manifest: dict[str, Any]) -> dict[str, Any]:
    """The keys of a manifest about the nodes: how they computed, and how many images each of them returned."""
    images = sum((one.images for one in gathered), Counter[tuple[tuple[str, Any], ...]]())
    found = [dict(node) | {"images": count} for node, count in images.items()]
    numerics = gathered[0].first.opened.numerics
    devices = sorted({node["device"] for node in found}) or [numerics["device"]]
    processes = set().union(*(one.processes for one in gathered))
    how = {**numerics, "device": "+".join(devices), "processes": max(1, len(processes))}
    return {
        "numerics": manifest["numerics"] | how,
        "nodes": sorted(found, key=lambda node: [str(value) for value in node.values()]),
    }
