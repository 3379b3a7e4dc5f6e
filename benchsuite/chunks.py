"""Logits on disk: one file per chunk of samples and view, written once, atomically, with a checksum."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.errors import StorageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 512
"""Samples in a chunk: fixed, so that any number of processes makes the same chunks."""

_DIGEST = 32


def cache_dir() -> Path:
    """The user's cache: BENCHSUITE_CACHE, else XDG_CACHE_HOME/benchsuite, else ~/.cache/benchsuite."""
    own = os.environ.get("BENCHSUITE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base, "benchsuite")


class ChunkStore:
    """The chunks of one network under one numeric setting. A damaged or missing chunk reads as None."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, view_key: str, chunk_key: str) -> Path:
        """Where a chunk lies; the keys are digests."""
        return self.root / view_key[:16] / f"{chunk_key[:32]}.logits"

    def read(self, view_key: str, chunk_key: str) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
        """(n, c) float32 logits and (n,) places, or None where there is no whole chunk."""
        import numpy as np

        try:
            data = self.path(view_key, chunk_key).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(memoryview(data)[_DIGEST:]).digest() != data[:_DIGEST]:
            return None
        buffer = io.BytesIO(data)
        buffer.seek(_DIGEST)
        return np.load(buffer, allow_pickle=False), np.load(buffer, allow_pickle=False)

    def write(self, view_key: str, chunk_key: str, logits: NDArray[Any], locations: NDArray[Any]) -> None:
        """Writes a chunk; a reader sees all of it or nothing. Raises ``StorageError`` when the disk is full."""
        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(logits, dtype=np.float32), allow_pickle=False)
        np.save(buffer, np.ascontiguousarray(locations, dtype=np.int64), allow_pickle=False)
        body = buffer.getvalue()
        with writing(self.path(view_key, chunk_key)) as part:
            part.write_bytes(hashlib.sha256(body).digest() + body)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A name to write to, beside ``path``; it becomes ``path`` at the end, or nothing is left behind.

    Raises ``StorageError`` naming the place for a full disk or a folder that cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
