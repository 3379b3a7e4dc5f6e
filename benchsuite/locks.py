"""Locks between processes, on one machine or on several that share a folder: they save work, nothing relies on them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from benchsuite.errors import StorageError

_TAKEN = (errno.EACCES, errno.EAGAIN)


@contextlib.contextmanager
def held(path: Path, place: int = 0, *, wait: bool) -> Iterator[bool]:
    """Whether this process holds a lock, one byte of a file, meanwhile; ``wait`` until it does.

    The system gives up the locks of a process that dies, however it dies, and those of a machine that is gone. Where
    there are no locks (Windows, some network file systems) everybody holds them all: work may then be done twice. A
    process never shuts itself out. Raises ``StorageError`` for a folder that cannot be written.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, place)
        except OSError as error:
            yield error.errno not in _TAKEN
        else:
            yield True
