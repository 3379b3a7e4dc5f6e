"""Work on images ahead of its turn: in threads, in order, with a bound on the images and on the bytes in flight."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from benchsuite.errors import BadParameter, expected

I = TypeVar("I")  # noqa: E741

T = TypeVar("T")


AHEAD = 4
"""Images in flight for each worker: enough to keep it busy, few enough to bound memory."""

ROOM = 2**30
"""Bytes of decoded images in flight. One image may be larger; it is then alone but for those before it."""

LARGE = 2**26
"""Bytes of an image after which freed memory is given back: each thread's part of the heap would keep its own."""

SPINS = 10_000
"""How often a thread of GNU's OpenMP looks for work before it sleeps: a fraction of a millisecond."""

_TURN = threading.local()


def in_order(
    items: Iterable[I], work: Callable[[I], T], workers: int, weight: Callable[[I], int] | None = None
) -> Generator[T, None, None]:
    """Yields ``work(item)`` of every item, in order.

    ``work`` runs in ``workers`` threads, with at most ``AHEAD * workers`` items and ``ROOM`` bytes in flight; 0 workers
    means the calling thread. An item's bytes are its ``weight``, or what ``work`` asks for with ``reserve`` once it
    knows; they count until its result is taken. An error of an item is raised in its turn, as it is. Closing the
    iterator drops what has not begun and waits for what has. Raises ``BadParameter`` for fewer than 0 workers.
    """
    if workers < 0:
        raise BadParameter(expected("workers", "0 or more", workers))
    return _threaded(items, work, workers, weight) if workers else (work(item) for item in items)


def reserve(count: int) -> None:
    """Waits until ``count`` more bytes fit into the room of ``in_order``; at once where no worker of it asks."""
    take = getattr(_TURN, "take", None)
    if take is not None:
        take(count)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def give_way() -> None:
    """Lets torch's threads that have nothing to do leave their cores to those that read images; their default is to
    look for work for some milliseconds first. Works where torch is not loaded yet; what the user has set counts.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))


def give_back() -> None:
    """Returns freed memory to the system. Does nothing where the C library is not glibc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _threaded(
    items: Iterable[I], work: Callable[[I], T], workers: int, weight: Callable[[I], int] | None
) -> Generator[T, None, None]:
    pool, room = ThreadPoolExecutor(workers, thread_name_prefix="benchsuite-images"), _Room(ROOM)
    flying: deque[Future[T]] = deque()

    def one(ticket: int, item: I) -> T:
        _TURN.take = lambda count: room.take(ticket, count)
        try:
            return work(item)
        finally:
            _TURN.take = None
            if room.held.get(ticket, 0) >= LARGE:
                give_back()

    def landed() -> T:
        result = flying.popleft().result()
        room.leave()
        return result

    try:
        for ticket, item in enumerate(items):
            count = weight(item) if weight else 0
            while flying and count and not room.has(count):
                yield landed()
            room.hold(ticket, count)
            flying.append(pool.submit(one, ticket, item))
            if len(flying) == AHEAD * workers:
                yield landed()
        while flying:
            yield landed()
    finally:
        room.close()
        pool.shutdown(cancel_futures=True)


class _Room:
    """The bytes in flight by ticket. The oldest ticket always gets in: nothing waits for ever, whatever its size."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held: dict[int, int] = {}
        self.oldest = 0
        self.closed = False
        self.changed = threading.Condition()

    def has(self, count: int) -> bool:
        return sum(self.held.values()) + count <= self.limit

    def take(self, ticket: int, count: int) -> None:
        """Waits for room. Raises ``CancelledError`` when nobody wants the result any more."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or ticket == self.oldest or self.has(count))
            if self.closed:
                raise CancelledError
            self.hold(ticket, count)

    def hold(self, ticket: int, count: int) -> None:
        with self.changed:
            self.held[ticket] = self.held.get(ticket, 0) + count

    def leave(self) -> None:
        """The oldest ticket's result is taken."""
        with self.changed:
            self.held.pop(self.oldest, None)
            self.oldest += 1
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify_all()
