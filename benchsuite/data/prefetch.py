"""Prefetching: processes images in threads, yields results in order, bounds the images and the bytes in flight."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchsuite.errors import BadParameter, expected

if TYPE_CHECKING:
    from concurrent.futures import Future

I = TypeVar("I")  # noqa: E741
T = TypeVar("T")

AHEAD = 4
"""Images in flight per worker: enough to keep it busy, few enough to bound memory."""

BYTES_IN_FLIGHT = 2**30
"""Upper bound in bytes on decoded images in flight. A larger image is let in when it is the oldest in flight."""

LARGE = 2**26
"""From this many bytes of an image on, its freed memory is returned to the system; else the thread's heap keeps it."""

SPINS = 10_000
"""Spins of an idle thread of GNU OpenMP before it sleeps, if nothing else runs: a fraction of a millisecond."""

LOAD = Path("/proc/loadavg")
"""Where Linux tells, in the fourth field, how many threads run or could run."""

_THREAD = threading.local()


def in_order(
    items: Iterable[I],
    work: Callable[[I], T],
    workers: int,
    weight: Callable[[I], int] | None = None,
    *,
    block: int = 1,
) -> Generator[T, None, None]:
    """Yields ``work(item)`` of every item, in order. ``items`` is read as far ahead as there is work in flight.

    ``work`` runs in ``workers`` threads, with at most ``AHEAD * workers`` items and ``BYTES_IN_FLIGHT`` bytes; 0
    means the calling thread. A thread takes ``block`` items at a time, which costs less for short work.

    An item's bytes are its ``weight`` plus what ``work`` requests with ``reserve``; they count until its
    result is taken. An exception of an item is raised unchanged when its turn comes. Closing the iterator cancels items
    that have not begun and waits for the others. Raises ``BadParameter`` for negative ``workers``.
    """
    if workers < 0:
        raise BadParameter(expected("workers", "0 or more", workers))
    if not workers:
        return (work(item) for item in items)
    return _threaded(items, work, workers, weight) if block == 1 else _blocks(items, work, workers, weight, block)


def reserve(count: int) -> None:
    """Waits until ``count`` more bytes fit under the bound of ``in_order``; returns at once outside its threads."""
    take = getattr(_THREAD, "take", None)
    if take is not None:
        take(count)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int:
    """Bytes of memory that are free, at most those that the control group of the process leaves; 0 if unknown."""
    known = [_of_meminfo(), _of_control_group()]
    return min((count for count in known if count is not None), default=0)


def half_of_memory() -> int | None:
    """Half of the bytes of memory that the machine has; None if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _of_meminfo() -> int | None:
    """Linux's estimate of the memory that is free without swapping; elsewhere half of all memory."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return half_of_memory()


def _of_control_group() -> int | None:
    """What the limit of a container leaves; None if there is no limit."""
    for folder, most, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            return max(0, int(Path(folder, most).read_text()) - int(Path(folder, used).read_text()))
        except (OSError, ValueError):  # no such group, or the word "max"
            continue
    return None


def give_way() -> None:
    """Makes idle OpenMP threads of torch sleep soon, so that their cores are free for threads that read images; by
    default they spin for some milliseconds. Where another process is running they sleep at once: a spinning thread may
    hold the core that the thread it waits for needs, and a training then takes twice as long. Has an effect only before
    torch is imported; OpenMP variables that the user has set stay.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "0" if _others_run() else str(SPINS)


def _others_run() -> bool:
    """Whether another thread of the system runs, at each of three readings a millisecond apart; False if unknown."""
    for wait in (0, 0.001, 0.001):
        time.sleep(wait)
        try:
            running = int(LOAD.read_text(encoding="ascii").split()[3].partition("/")[0])
        except (OSError, ValueError, IndexError):
            return False
        if running < 2:  # this one
            return False
    return True


def give_back() -> None:
    """Returns freed memory to the system. Does nothing if the C library is not glibc."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _threaded(
    items: Iterable[I], work: Callable[[I], T], workers: int, weight: Callable[[I], int] | None
) -> Generator[T, None, None]:
    from concurrent.futures import ThreadPoolExecutor

    pool, budget = ThreadPoolExecutor(workers, thread_name_prefix="benchsuite-images"), _ByteBudget(BYTES_IN_FLIGHT)
    in_flight: deque[Future[T]] = deque()

    def one(ticket: int, item: I) -> T:
        _THREAD.take = lambda count: budget.take(ticket, count)
        try:
            return work(item)
        finally:
            _THREAD.take = None
            if budget.held.get(ticket, 0) >= LARGE:
                give_back()

    def take_oldest() -> T:
        result = in_flight.popleft().result()
        budget.release_oldest()
        return result

    try:
        for ticket, item in enumerate(items):
            count = weight(item) if weight else 0
            while in_flight and count and not budget.fits(count):
                yield take_oldest()
            budget.add(ticket, count)
            in_flight.append(pool.submit(one, ticket, item))
            if len(in_flight) == AHEAD * workers:
                yield take_oldest()
        while in_flight:
            yield take_oldest()
    finally:
        budget.close()
        pool.shutdown(cancel_futures=True)


def _blocks(
    items: Iterable[I], work: Callable[[I], T], workers: int, weight: Callable[[I], int] | None, block: int
) -> Generator[T, None, None]:
    """``in_order`` for blocks of items: an error comes after the results of the items before it."""

    def whole(several: list[I]) -> tuple[list[T], BaseException | None]:
        done = list[T]()
        try:
            done.extend(work(item) for item in several)
        except BaseException as error:
            return done, error
        return done, None

    waiting = iter(items)
    several = iter(lambda: list(islice(waiting, block)), [])
    heavy = (lambda some: sum(map(weight, some))) if weight is not None else None
    with contextlib.closing(_threaded(several, whole, workers, heavy)) as results:
        for done, error in results:
            yield from done
            if error is not None:
                raise error


class _ByteBudget:
    """Bytes in flight by ticket. The oldest ticket is always let in, so no image waits for ever, whatever its size."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held: dict[int, int] = {}
        self.oldest = 0
        self.closed = False
        self.changed = threading.Condition()

    def fits(self, count: int) -> bool:
        return sum(self.held.values()) + count <= self.limit

    def take(self, ticket: int, count: int) -> None:
        """Waits until the bytes fit or the ticket is the oldest. Raises ``CancelledError`` if the iterator closed."""
        from concurrent.futures import CancelledError

        with self.changed:
            self.changed.wait_for(lambda: self.closed or ticket == self.oldest or self.fits(count))
            if self.closed:
                raise CancelledError
            self.add(ticket, count)

    def add(self, ticket: int, count: int) -> None:
        with self.changed:
            self.held[ticket] = self.held.get(ticket, 0) + count

    def release_oldest(self) -> None:
        """Frees the bytes of the oldest ticket, whose result has been taken."""
        with self.changed:
            self.held.pop(self.oldest, None)
            self.oldest += 1
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
