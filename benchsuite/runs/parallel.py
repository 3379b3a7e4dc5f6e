"""One evaluation by several processes. They share the chunks through files, and the leader joins the results.

Each chunk is computed by the process that claims it; its batches do not depend on which process that is. A process
begins with every ``size``-th chunk and then takes chunks that nobody has claimed. The claim of a process that dies is
released, so another process computes the chunk. Nothing is padded. Only the leader waits, at the end.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby

from benchsuite.distributed.crew import Crew, Work
from benchsuite.errors import BenchsuiteError, StorageError, expected
from benchsuite.evaluation.question import Identity, ImageSource, Member, Question, at_precision, networks
from benchsuite.evaluator import Answer, OpenNetwork, Settings, evaluate, fill
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.files import cache_dir, writing
from benchsuite.storage.keys import chunk_key, view_keys
from benchsuite.storage.logit_cache import CHUNK, chunked

PAUSE = 0.1
"""Seconds between two checks of the chunks that other processes have claimed."""

NetworkOpener = Callable[[Member, tuple[View, ...]], OpenNetwork]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One chunk of samples to compute with one network."""

    network: OpenNetwork
    view_keys: Sequence[str]
    samples: Sequence[Sample]
    key: str

    def is_done(self) -> bool:
        """Whether the cache has its logits, from any process."""
        return self.network.store.holds(self.view_keys, self.key)


def evaluate_together(
    questions: Sequence[Question],
    open_network: NetworkOpener,
    settings: Settings,
    advance: Callable[[int], None],
    crew: Crew,
) -> Iterator[Answer]:
    """``evaluate`` by a crew: the leader yields the same answers, the other processes none.

    Raises the error of any of the processes. Finished chunks stay in the cache, whatever happens.
    """
    if crew.size == 1:
        yield from evaluate(questions, open_network, settings, advance)
        return
    once = dataclasses.replace(settings, fresh=False)
    opened: dict[Identity, OpenNetwork] = {}
    with _announced(crew) as announce:
        for identity, (member, views) in networks(questions).items():
            opened[identity] = open_network(member, views)
        tasks = list(_tasks(questions, opened.values()))
        if crew.leads:
            for task in tasks if settings.fresh else ():
                task.network.store.forget(task.view_keys, task.key)
            left = sum(not task.is_done() for task in tasks)
            if left:  # else no other process is needed, and nothing is written
                announce({"left": left, "runs": {q.run_id: [q.fingerprint, q.precision] for q in questions}})
        with _own_cores(crew):
            SharedPass(questions[0].images, once, advance, crew).run(tasks)
    if crew.leads:
        with _own_cores(crew):
            yield from evaluate(questions, lambda member, _: opened[member.identity], once, lambda _: None)


@dataclass(frozen=True, slots=True)
class SharedPass:
    """This process's part of a pass. ``progress(k)`` is called for every k (sample, view) pairs that are done."""

    images: ImageSource
    settings: Settings
    progress: Callable[[int], None]
    crew: Crew

    def run(self, tasks: Sequence[Task]) -> None:
        """Computes tasks that no other process has claimed.

        In the leader it returns when all tasks are done, in other processes when all are claimed.
        """
        crew = self.crew
        own = [t for i, t in enumerate(tasks) if i % crew.size == crew.rank]
        others = [t for i, t in enumerate(tasks) if i % crew.size != crew.rank]
        left = [t for t in own + others if not self._seen(t)]
        while left:
            begun, first, idle = time.perf_counter(), left[0], True
            for _, group in groupby([*left], key=lambda t: id(t.network)):
                for _ in self._computed([*group], left):
                    idle = False
                    if crew.leads:
                        left[:] = self._not_seen(left)  # so that the progress shown is that of all processes
            if not crew.leads:
                return
            left[:] = self._not_seen(left)
            if left:
                crew.check()
                time.sleep(PAUSE)
            if idle:
                first.network.seconds.total += time.perf_counter() - begun

    def _advance(self, steps: int) -> None:
        self.crew.check()
        self.progress(steps)

    def _seen(self, task: Task) -> bool:
        """Whether a task is done by now, which counts as progress."""
        if task.is_done():
            self._advance(len(task.samples) * len(task.network.views))
            return True
        return False

    def _not_seen(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks that are not done yet; those that other processes have finished are counted."""
        waiting = [task for task in tasks if not self._seen(task)]
        for task in (t for t in tasks if t not in waiting):
            task.network.seconds.images += len(task.samples)
        return waiting

    def _computed(self, tasks: Sequence[Task], left: list[Task]) -> Iterator[Task]:
        """Claims and computes those of one network's tasks that are ``left``; yields each when it is done.

        A claimed task is removed from ``left``: on a disk without locks another process may write it as well.
        """
        network, claimed = tasks[0].network, deque[Task]()
        with network.store.claims() as claims:

            def mine() -> Iterator[Sequence[Sample]]:
                for task in tasks:
                    if task in left and not task.is_done() and claims.take(task.key):
                        if task.is_done():  # since the check before the claim
                            claims.drop(task.key)
                            continue
                        left.remove(task)
                        claimed.append(task)
                        yield task.samples

            for _ in fill(network, self.images, mine(), self.settings, self._advance):
                task = claimed.popleft()
                claims.drop(task.key)
                yield task


def left(questions: Sequence[Question], network: OpenNetwork) -> bool:
    """Whether the cache lacks a chunk of a network for these questions, so that it will be written."""
    return not all(task.is_done() for task in _tasks(questions, [network]))


def _tasks(questions: Sequence[Question], opened: Iterable[OpenNetwork]) -> Iterator[Task]:
    for network in opened:
        for samples in chunked(questions[0].samples, CHUNK):
            names = [*view_keys(network.views, samples).values()]
            yield Task(network, names, samples, chunk_key(samples, questions[0].split))


def announced(crew: Crew, questions: Sequence[Question]) -> list[Question]:
    """The questions that the leader has announced, among those that this process has planned.

    Raises ``StorageError`` if the leader uses another cache folder, and ``BenchsuiteError`` if it sees other files.
    """
    work = crew.receive()
    if work and not (cache_dir() / work["token"]).is_file():
        work = crew.receive()  # the leader may have finished since
        if work:
            got = "another folder than that of the first process"
            raise StorageError(expected("the cache", "a folder that all processes share", got, str(cache_dir())))
    runs = work.get("runs", {})
    precisions = sorted({precision for _, precision in runs.values()})  # of --precision auto, if it was used
    known = [v for q in questions for v in (q, *(at_precision(q, p, ()) for p in precisions if p != q.precision))]
    own = {q.run_id: q for q in known}
    different = [name for name, (seen, _) in runs.items() if name not in own or own[name].fingerprint != seen]
    if different:
        got = f"others for {different[0]}"
        raise BenchsuiteError(expected(f"the images of process {crew.rank}", "those of the first process", got))
    return [own[name] for name in runs]


@contextmanager
def _announced(crew: Crew) -> Iterator[Callable[[Work], None]]:
    """Yields the function by which the leader sends the work to the other processes. They are stopped at the end.

    It also writes a file to the cache, by which they see whether their cache is the same folder.
    """
    token = cache_dir() / f".shared-{uuid.uuid4().hex}"

    def announce(work: Work) -> None:
        with writing(token) as part:
            part.touch()
        crew.send({"token": token.name, **work})

    try:
        yield announce
    finally:
        crew.stop()
        with suppress(OSError):  # the folder cannot be written, which has been reported by now
            token.unlink(missing_ok=True)


@contextmanager
def _own_cores(crew: Crew) -> Iterator[None]:
    """Limits torch to this process's share of the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(crew.threads(before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
