"""Locks between processes, on one machine or on several that share a folder: they save work, nothing relies on them."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from benchsuite.errors import StorageError

_TAKEN = (errno.EACCES, errno.EAGAIN)


class Locks:
    """Locks on single bytes of one file. Closing it, or another opening of it in this process, gives all of them up."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self.file = file

    def take(self, place: int, *, wait: bool) -> bool:
        """Whether this process holds the lock on a byte now; ``wait`` until it does."""
        if self.file is None:
            return True
        import fcntl

        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, place)
        except OSError as error:
            return error.errno not in _TAKEN
        return True

    def drop(self, place: int) -> None:
        """Gives up the lock on a byte."""
        if self.file is not None:
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, place)


@contextlib.contextmanager
def locks(path: Path) -> Iterator[Locks]:
    """The locks of a file, which are given up at the end. What ``held`` says of locks holds for each of them.

    Raises ``StorageError`` for a folder that cannot be written.
    """
    if importlib.util.find_spec("fcntl") is None:
        yield Locks(None)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error
    with file:
        yield Locks(file)


@contextlib.contextmanager
def held(path: Path, place: int = 0, *, wait: bool) -> Iterator[bool]:
    """Whether this process holds a lock, one byte of a file, meanwhile; ``wait`` until it does.

    The system gives up the locks of a process that dies, however it dies, and those of a machine that is gone. Where
    there are no locks (Windows, some network file systems) everybody holds them all: work may then be done twice. A
    process never shuts itself out. Raises ``StorageError`` for a folder that cannot be written.
    """
    with locks(path) as file:
        yield file.take(place, wait=wait)
