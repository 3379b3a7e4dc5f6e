"""Crews: processes that share an evaluation through files. They are told once what to do, and never wait again."""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from benchsuite import errors
from benchsuite.distributed import process_group
from benchsuite.errors import BenchsuiteError, expected, first_line

Work = Mapping[str, Any]
"""What the leader tells the others: plain JSON data."""

_PATIENCE = timedelta(days=7)
"""The others wait so long while the leader trains what has to be trained."""

_MOMENT = timedelta(seconds=20)
"""One that cannot begin waits so long whether the leader cannot either."""


class Crew:
    """The processes of one evaluation, of which this is number ``rank`` of ``size``. This one is alone.

    ``here`` is how many of them are on this machine.
    """

    def __init__(self, rank: int = 0, size: int = 1, here: int = 1) -> None:
        self.rank, self.size, self.here = rank, size, here

    @property
    def leads(self) -> bool:
        """Whether this process writes the results and talks."""
        return self.rank == 0

    def tell(self, work: Work) -> None:
        """The leader is ready and the others may begin."""

    def hear(self) -> Work:
        """What the leader told; nothing to do where it gave up."""
        return {}

    def given_up(self) -> bool:
        """Whether the leader has ended already: what is wrong with the command it has said then."""
        return False

    def threads(self, usual: int) -> int:
        """This process's share of the threads that torch computes with."""
        return max(1, usual // self.here)

    def check(self) -> None:
        """Raises the error that another process ran into."""

    def stop(self) -> None:
        """Ends what is still under way."""


ALONE = Crew()


class SpawnedWorker(Crew):
    """One of the processes that ``--processes`` started; the leader had told what to do before."""

    def __init__(self, rank: int, size: int, work: Work) -> None:
        super().__init__(rank, size, _needed(size, work))
        self.work = work

    def hear(self) -> Work:
        return self.work


class SpawningLeader(Crew):
    """The process that the user started, with ``--processes N``: it leads, and starts the others once it is ready.

    It starts no more than have something to do: ``left`` is how many chunks there are.
    ``target(crew, *arguments)`` is what they do; it is imported there by its name.
    """

    def __init__(self, size: int, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        super().__init__(0, size, size)
        self.target, self.arguments = target, arguments
        self.started: dict[Any, Any] = {}

    def tell(self, work: Work) -> None:
        import multiprocessing

        context = multiprocessing.get_context("spawn")  # a forked process would hang in torch's threads
        self.here = _needed(self.size, work)
        for rank in range(1, self.here):
            heard, said = context.Pipe(duplex=False)
            crew = SpawnedWorker(rank, self.size, work)
            process = context.Process(target=_help, args=(said, crew, self.target, self.arguments))
            with interrupts_blocked():
                process.start()
            said.close()
            self.started[heard] = process

    def check(self) -> None:
        from multiprocessing.connection import wait

        ready: list[Any] = wait([*self.started], timeout=0) if self.started else []
        for heard in ready:
            try:
                kind, text = heard.recv()
            except (EOFError, OSError):  # it has finished, or was killed: then others do what it left
                self.started.pop(heard).join()
            else:
                raise getattr(errors, kind, BenchsuiteError)(text)

    def stop(self) -> None:
        for process in self.started.values():
            process.terminate()
        for heard, process in self.started.items():
            process.join()
            heard.close()
        self.started.clear()


def _needed(size: int, work: Work) -> int:
    """How many of ``size`` processes have something to do."""
    return max(1, min(size, int(work.get("left", size))))


class TorchrunWorker(Crew):
    """Processes that ``torchrun`` started, on one machine or many; ``name`` is that of the evaluation."""

    def __init__(self, name: str) -> None:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        super().__init__(rank, size, int(os.environ.get("LOCAL_WORLD_SIZE", size)))
        self.name = name

    def tell(self, work: Work) -> None:
        _meeting_place().set(self.name, json.dumps(work))
        _meeting_place().get(self.name)  # setting alone does not wait until it is set

    def hear(self) -> Work:
        try:
            return self._told(_PATIENCE)
        except RuntimeError as error:
            raise _unreachable(error) from error

    def given_up(self) -> bool:
        if self.leads:
            return False
        try:
            return not self._told(_MOMENT)
        except RuntimeError:
            return False

    def _told(self, patience: timedelta) -> Work:
        """What the leader has told, once it has. Raises ``RuntimeError`` when that takes longer than the patience."""
        _meeting_place().wait([self.name], patience)
        found: Work = json.loads(_meeting_place().get(self.name))
        return found

    def threads(self, usual: int) -> int:
        """``OMP_NUM_THREADS`` holds for each process, and ``torchrun`` sets it to 1 where the user did not."""
        return usual if "OMP_NUM_THREADS" in os.environ else super().threads(usual)

    def stop(self) -> None:
        if self.leads:
            self.tell({})


@functools.cache
def _meeting_place() -> Any:
    """The store of ``torchrun``; when it starts its processes again after a failure, nothing of before counts."""
    from torch.distributed import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(minutes=10)))
    except (RuntimeError, ValueError) as error:
        raise _unreachable(error) from error
    return PrefixStore(f"benchsuite/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _unreachable(error: Exception) -> BenchsuiteError:
    return BenchsuiteError(expected("the meeting place of torchrun's processes", "reachable", first_line(error)))


def gather(size: int, name: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> Crew:
    """The crew of an evaluation: ``torchrun``'s processes, or ``size`` on this machine.

    Raises ``BadParameter`` where both are asked.
    """
    if process_group.asked():
        if size > 1:
            raise errors.BadParameter(expected("--processes", "left to torchrun", size))
        return TorchrunWorker(name)
    return SpawningLeader(size, target, arguments) if size > 1 else ALONE


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes that are started meanwhile never hear of Ctrl-C: it is for the one that starts them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _help(said: Any, crew: SpawnedWorker, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """The life of a process that ``--processes`` started."""
    threading.Thread(target=_die_with_leader, daemon=True).start()
    own = {"RANK": crew.rank, "LOCAL_RANK": crew.rank, "WORLD_SIZE": crew.size, "LOCAL_WORLD_SIZE": crew.size}
    os.environ |= {name: str(value) for name, value in own.items()}
    try:
        target(crew, *arguments)
    except BenchsuiteError as error:
        said.send((type(error).__name__, str(error)))
    except Exception as error:
        said.send(("BenchsuiteError", f"process {crew.rank}: {type(error).__name__}: {first_line(error)}"))


def _die_with_leader() -> None:
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    leader = parent_process()
    assert leader is not None, "only processes that were started come here"
    wait([leader.sentinel])
    os._exit(1)
