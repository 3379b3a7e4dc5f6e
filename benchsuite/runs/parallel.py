"""One evaluation by several processes: they share out the chunks through files, and the leader joins them.

A chunk is computed by the process that claims it, alone and in the same batches whoever it is. Each process begins with
every ``size``-th chunk and then helps with those that nobody has in hand. The claim of a process that dies is free
again, so another one takes over. Nothing is padded, and nobody waits but the leader, at the end.
"""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby

from benchsuite.distributed.crew import Crew, Work
from benchsuite.errors import BenchsuiteError, StorageError, expected
from benchsuite.evaluate import Answer, Identity, OpenNetwork, Settings, evaluate, fill, networks
from benchsuite.evaluation.question import Member, Question, at_precision
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.files import cache_dir, writing
from benchsuite.storage.keys import chunk_key, view_key
from benchsuite.storage.logit_cache import CHUNK, chunked

PAUSE = 0.1
"""Seconds between two looks at the chunks that others have in hand."""

NetworkOpener = Callable[[Member, tuple[View, ...]], OpenNetwork]


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One chunk for one network."""

    network: OpenNetwork
    views: tuple[View, ...]
    view_keys: Sequence[str]
    samples: Sequence[Sample]
    key: str

    def is_there(self) -> bool:
        """Whether somebody has written it."""
        return self.network.store.holds(self.view_keys, self.key)


def evaluate_together(
    questions: Sequence[Question],
    open_network: NetworkOpener,
    settings: Settings,
    advance: Callable[[int], None],
    crew: Crew,
) -> Iterator[Answer]:
    """``evaluate`` by a crew: the leader gives the same answers, the others none.

    Raises what any of the processes ran into. Chunks that are finished stay, whatever happens.
    """
    if crew.size == 1:
        yield from evaluate(questions, open_network, settings, advance)
        return
    once = dataclasses.replace(settings, fresh=False)
    opened: dict[Identity, OpenNetwork] = {}
    with _told(crew) as tell:
        for identity, (member, views) in networks(questions).items():
            opened[identity] = open_network(member, views)
        tasks = list(_tasks(questions, opened))
        if crew.leads:
            for task in tasks if settings.fresh else ():
                task.network.store.forget(task.view_keys, task.key)
            left = sum(not task.is_there() for task in tasks)
            if left:  # else nobody is needed, and nothing has to be written
                tell({"left": left, "runs": {q.run_id: [q.fingerprint, q.precision] for q in questions}})
        with _own_cores(crew):
            share(tasks, questions[0], once, advance, crew)
    if crew.leads:
        with _own_cores(crew):
            yield from evaluate(questions, lambda member, _: opened[member.identity], once, lambda _: None)


def share(
    tasks: Sequence[Task], question: Question, settings: Settings, advance: Callable[[int], None], crew: Crew
) -> None:
    """Does what nobody else does. The leader comes back when everything is done, the others when all is in hand."""

    def told(steps: int) -> None:
        crew.check()
        advance(steps)

    def seen(task: Task) -> bool:
        """Whether somebody else has written a chunk, which is progress."""
        if task.is_there():
            told(len(task.samples) * len(task.views))
            return True
        return False

    def not_seen(tasks: Sequence[Task]) -> list[Task]:
        """Those that nobody has written yet; of the others this process hears now."""
        waiting = [task for task in tasks if not seen(task)]
        for task in (t for t in tasks if t not in waiting):
            task.network.seconds.images += len(task.samples)
        return waiting

    own = [t for i, t in enumerate(tasks) if i % crew.size == crew.rank]
    others = [t for i, t in enumerate(tasks) if i % crew.size != crew.rank]
    left = [t for t in own + others if not seen(t)]
    while left:
        begun, first, idle = time.perf_counter(), left[0], True
        for _, group in groupby([*left], key=lambda t: id(t.network)):
            for _ in _computed([*group], left, question, settings, told):
                idle = False
                if crew.leads:
                    left[:] = not_seen(left)  # so that progress is that of all
        if not crew.leads:
            return
        left[:] = not_seen(left)
        if left:
            crew.check()
            time.sleep(PAUSE)
        if idle:
            first.network.seconds.total += time.perf_counter() - begun


def _tasks(questions: Sequence[Question], opened: dict[Identity, OpenNetwork]) -> Iterator[Task]:
    for identity, (_, views) in networks(questions).items():
        keys = [view_key(v) for v in views]
        for samples in chunked(questions[0].samples, CHUNK):
            yield Task(opened[identity], views, keys, samples, chunk_key(samples, questions[0].split))


def _computed(
    tasks: Sequence[Task],
    left: list[Task],
    question: Question,
    settings: Settings,
    advance: Callable[[int], None],
) -> Iterator[Task]:
    """Computes the tasks of one network that are ``left`` and in nobody's hands; yields each when it is done.

    What this process has in hand is no longer ``left``: on a disk without locks, somebody else may write it as well.
    """
    network, views, taken = tasks[0].network, tasks[0].views, deque[Task]()
    with network.store.claims() as claims:

        def mine() -> Iterator[Sequence[Sample]]:
            for task in tasks:
                if task in left and not task.is_there() and claims.take(task.key):
                    if task.is_there():  # since
                        claims.drop(task.key)
                        continue
                    left.remove(task)
                    taken.append(task)
                    yield task.samples

        for _ in fill(network, question, mine(), views, settings, advance):
            task = taken.popleft()
            claims.drop(task.key)
            yield task


def heard(crew: Crew, questions: Sequence[Question]) -> list[Question]:
    """Which questions the leader wants answered.

    Raises ``StorageError`` where its cache is another folder, ``BenchsuiteError`` where it sees other files.
    """
    work = crew.hear()
    if work and not (cache_dir() / work["token"]).is_file():
        work = crew.hear()  # the leader may have come to the end since
        if work:
            got = "another one than that of the first process"
            raise StorageError(expected("the cache", "a folder that all processes share", got, str(cache_dir())))
    runs = work.get("runs", {})
    precisions = sorted({precision for _, precision in runs.values()})  # what auto came to, if that was asked
    asked = [made for q in questions for made in (q, *(at_precision(q, p, ()) for p in precisions if p != q.precision))]
    own = {q.run_id: q for q in asked}
    other = [name for name, (seen, _) in runs.items() if name not in own or own[name].fingerprint != seen]
    if other:
        got = f"others for {other[0]}"
        raise BenchsuiteError(expected(f"the images of process {crew.rank}", "those of the first process", got))
    return [own[name] for name in runs]


@contextmanager
def _told(crew: Crew) -> Iterator[Callable[[Work], None]]:
    """How the leader tells the others what to do; at the end they are stopped.

    A file shows them that the cache is the same folder.
    """
    token = cache_dir() / f".shared-{uuid.uuid4().hex}"

    def tell(work: Work) -> None:
        with writing(token) as part:
            part.touch()
        crew.tell({"token": token.name, **work})

    try:
        yield tell
    finally:
        crew.stop()
        with suppress(OSError):  # of a folder that cannot be written, which has its error by now
            token.unlink(missing_ok=True)


@contextmanager
def _own_cores(crew: Crew) -> Iterator[None]:
    """Meanwhile torch keeps to this process's share of the cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(crew.threads(before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
