"""Crews: processes that share an evaluation through files.

The leader sends the list of runs once. After that the processes only share work through file locks.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from benchsuite import errors
from benchsuite.distributed import process_group
from benchsuite.distributed.failure import Failure, failure
from benchsuite.errors import BenchsuiteError, expected, first_line

Work = Mapping[str, Any]
"""What the leader sends to the other processes: plain JSON data."""

_PATIENCE = timedelta(days=7)
"""How long the others wait for the leader, which first trains the networks that have to be trained."""

_MOMENT = timedelta(seconds=20)
"""How long a process that failed to start waits to learn whether the leader failed too."""


class Crew:
    """The processes of one evaluation; this process is number ``rank`` of ``size``. This class is a single process.

    ``local_size`` is the number of these processes on this machine.
    """

    def __init__(self, rank: int = 0, size: int = 1, local_size: int = 1) -> None:
        self.rank, self.size, self.local_size = rank, size, local_size

    @property
    def leads(self) -> bool:
        """Whether this process writes the results and prints."""
        return self.rank == 0

    def send(self, work: Work) -> None:
        """Sends the work to the other processes, which then begin. Called by the leader."""

    def receive(self) -> Work:
        """Returns the work that the leader sent; empty if the leader stopped."""
        return {}

    def leader_stopped(self) -> bool:
        """Whether the leader has already stopped; it has then printed what is wrong with the command."""
        return False

    def threads(self, usual: int) -> int:
        """Returns how many of ``usual`` torch threads this process should use: its share, at least 1."""
        return max(1, usual // self.local_size)

    def check(self) -> None:
        """Raises the error of another process, if one failed."""

    def stop(self) -> None:
        """Stops the processes that still run."""


ALONE = Crew()


class SpawnedWorker(Crew):
    """One of the processes that ``--processes`` started; it receives its work at its start."""

    def __init__(self, rank: int, size: int, work: Work) -> None:
        super().__init__(rank, size, _needed(size, work))
        self.work = work

    def receive(self) -> Work:
        return self.work


class SpawningLeader(Crew):
    """The process that the user started with ``--processes N``: it leads, and starts the others when it is ready.

    It starts only as many as have work: ``work["left"]`` is the number of chunks to compute. Each of them calls
    ``target(crew, *arguments)``, which it imports by name.
    """

    def __init__(self, size: int, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        super().__init__(0, size, size)
        self.target, self.arguments = target, arguments
        self.started: dict[Any, Any] = {}

    def send(self, work: Work) -> None:
        import multiprocessing
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # to start it later would unblock Ctrl-C for the first process
        context = multiprocessing.get_context("spawn")  # a forked process would hang in torch's threads
        self.local_size = _needed(self.size, work)
        for rank in range(1, self.local_size):
            receiver, sender = context.Pipe(duplex=False)
            crew = SpawnedWorker(rank, self.size, work)
            process = context.Process(target=_run_worker, args=(sender, crew, self.target, self.arguments))
            with interrupts_blocked():
                process.start()
            sender.close()
            self.started[receiver] = process

    def check(self) -> None:
        from multiprocessing.connection import wait

        ready: list[Any] = wait([*self.started], timeout=0) if self.started else []
        for receiver in ready:
            try:
                failed: Failure = receiver.recv()
            except (EOFError, OSError):  # it has finished, or was killed: then others compute its unfinished chunks
                self.started.pop(receiver).join()
            else:
                raise failed.error

    def stop(self) -> None:
        for process in self.started.values():
            process.terminate()
        for receiver, process in self.started.items():
            process.join()
            receiver.close()
        self.started.clear()


def _needed(size: int, work: Work) -> int:
    """How many of ``size`` processes have work: at most one for each chunk, at least 1."""
    return max(1, min(size, int(work.get("left", size))))


class TorchrunWorker(Crew):
    """A process that ``torchrun`` started, on one machine or several; ``name`` identifies the evaluation."""

    def __init__(self, name: str) -> None:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        super().__init__(rank, size, int(os.environ.get("LOCAL_WORLD_SIZE", size)))
        self.name = name

    def send(self, work: Work) -> None:
        _store().set(self.name, json.dumps(work))
        _store().get(self.name)  # set() may return before the value is stored

    def receive(self) -> Work:
        try:
            return self._receive(_PATIENCE)
        except RuntimeError as error:
            raise _unreachable(error) from error

    def leader_stopped(self) -> bool:
        if self.leads:
            return False
        try:
            return not self._receive(_MOMENT)
        except RuntimeError:
            return False

    def _receive(self, patience: timedelta) -> Work:
        """Waits for the work that the leader sends. Raises ``RuntimeError`` after ``patience``."""
        _store().wait([self.name], patience)
        work: Work = json.loads(_store().get(self.name))
        return work

    def threads(self, usual: int) -> int:
        """``usual`` if ``OMP_NUM_THREADS`` is set, as it is per process; ``torchrun`` sets it to 1 if unset."""
        return usual if "OMP_NUM_THREADS" in os.environ else super().threads(usual)

    def stop(self) -> None:
        if self.leads:
            self.send({})


@functools.cache
def _store() -> Any:
    """The key-value store of ``torchrun``; after a restart of its processes, keys from before are not seen."""
    from torch.distributed import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(minutes=10)))
    except (RuntimeError, ValueError) as error:
        raise _unreachable(error) from error
    return PrefixStore(f"benchsuite/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _unreachable(error: Exception) -> BenchsuiteError:
    return BenchsuiteError(expected("the store of torchrun's processes", "reachable", first_line(error)))


def gather(size: int, name: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> Crew:
    """The crew of an evaluation: the processes of ``torchrun``, or ``size`` processes on this machine.

    Raises ``BadParameter`` if both are requested.
    """
    if process_group.under_torchrun():
        if size > 1:
            raise errors.BadParameter(expected("--processes", "left to torchrun", size))
        return TorchrunWorker(name)
    return SpawningLeader(size, target, arguments) if size > 1 else ALONE


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Processes that are started inside the block ignore Ctrl-C; only the process that starts them receives it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_worker(sender: Any, crew: SpawnedWorker, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """The main function of a process that ``--processes`` started; an error is sent to the leader."""
    threading.Thread(target=_exit_with_leader, daemon=True).start()
    own = {"RANK": crew.rank, "LOCAL_RANK": crew.rank, "WORLD_SIZE": crew.size, "LOCAL_WORLD_SIZE": crew.size}
    os.environ |= {name: str(value) for name, value in own.items()}
    try:
        target(crew, *arguments)
    except KeyboardInterrupt:
        return  # the leader, which was interrupted too, says so
    except BenchsuiteError as error:
        report = failure(error)
    except Exception as error:
        report = failure(error).at(f"process {crew.rank}")
    else:
        return
    with suppress(OSError):  # the leader has ended
        sender.send(report)


def _exit_with_leader() -> None:
    """Waits until the leader has ended, then ends this process with exit status 1."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    leader = parent_process()
    assert leader is not None, "only started processes call this"
    wait([leader.sentinel])
    os._exit(1)
