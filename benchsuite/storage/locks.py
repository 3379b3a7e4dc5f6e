"""Locks between processes, on one machine or on several that share a folder.

They only avoid duplicate work. Results are correct without them.
"""

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
    """Locks on single bytes of one file. Closing any handle of that file in this process releases all of them."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self.file = file

    def take(self, place: int, *, wait: bool) -> bool:
        """Takes the lock on a byte; returns whether this process holds it now. With ``wait`` it blocks until then."""
        if self.file is None:
            return True
        import fcntl

        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, place)
        except OSError as error:
            return error.errno not in _TAKEN
        return True

    def take_all(self) -> bool:
        """Takes the locks on all bytes; returns False if another process holds any of them."""
        if self.file is None:
            return True
        import fcntl

        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 0)
        except OSError as error:
            return error.errno not in _TAKEN
        return True

    def drop(self, place: int) -> None:
        """Releases the lock on a byte."""
        if self.file is not None:
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.lockf(self.file, fcntl.LOCK_UN, 1, place)


@contextlib.contextmanager
def locks(path: Path) -> Iterator[Locks]:
    """Yields the locks of a file and releases all of them at the end. The notes of ``held`` apply to each lock.

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
    """Takes the lock on one byte of a file; yields whether this process holds it. With ``wait`` it blocks until then.

    The operating system releases the locks of a process that dies for any reason, and those of a machine that is lost.
    Where locks do not exist (Windows, some network file systems) every process holds every lock; work may then be done
    twice. A process is never blocked by its own locks. Raises ``StorageError`` for a folder that cannot be written.
    """
    with locks(path) as file:
        yield file.take(place, wait=wait)


@contextlib.contextmanager
def unused(path: Path) -> Iterator[bool]:
    """Yields whether no other process holds a lock of a file; if so, this one holds them all until the block ends.

    Where locks do not exist, no file is used. Raises ``StorageError`` for a folder that cannot be written.
    """
    with locks(path) as file:
        yield file.take_all()
