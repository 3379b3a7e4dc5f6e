"""The cache of logits: one file for each view of a chunk of images; and the claims of processes on chunks."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.errors import StorageError, expected
from benchsuite.storage.files import delete, writing
from benchsuite.storage.locks import Locks, locks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.float32], NDArray[np.int64]]


T = TypeVar("T")


def chunked(items: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]:
    """Consecutive parts of ``size`` items; the last part may be smaller."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


CHUNK = 512
"""Samples in a chunk. Fixed, so that the chunks are the same for any number of processes."""

_DIGEST, _NAME = 32, 16


class ChunkStore:
    """The cached chunks of one network with one numeric setting. A damaged or missing chunk is read as None.

    Views that were computed in the same batches must be reused or recomputed together, because batching changes the
    last bit of a logit. Each file therefore stores the group of views it was computed with (``group``). If one file
    of the group is missing or damaged, the whole group counts as missing; recomputing it gives the same bits.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, view_key: str, chunk_key: str) -> Path:
        """The file of a chunk; both keys are digests."""
        return self.root / view_key[:_NAME] / f"{chunk_key[:32]}.logits"

    def read(self, view_key: str, chunk_key: str) -> Part | None:
        """(n, c) float32 logits and (n,) int64 numbers of places; None if the chunk is missing or damaged."""
        return self.read_all((view_key,), chunk_key).get(view_key)

    def read_all(self, view_keys: Sequence[str], chunk_key: str) -> dict[str, Part]:
        """The usable views of a chunk, by key. A damaged file is deleted; the other views of its group are left out."""
        loaded = {key: part for key in view_keys if (part := self._load(key, chunk_key)) is not None}
        others = {name for *_, group in loaded.values() for name in group}
        unread = {key[:_NAME] for key in view_keys if key not in loaded}  # even if another process has written it since
        absent = {name for name in others if name in unread or not self.path(name, chunk_key).is_file()}
        return {key: (x, n) for key, (x, n, group) in loaded.items() if absent.isdisjoint(group)}

    def holds(self, view_keys: Sequence[str], chunk_key: str) -> bool:
        """Whether every one of these views has a file; the contents are not checked."""
        return all(self.path(key, chunk_key).is_file() for key in view_keys)

    def write(
        self,
        view_key: str,
        chunk_key: str,
        logits: NDArray[Any],
        locations: NDArray[Any],
        group: Sequence[str] = (),
    ) -> None:
        """Writes a chunk atomically. Raises ``StorageError``, for example when the disk is full.

        ``group`` has the keys of all views that were computed in the same batches.
        """
        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(logits, dtype=np.float32), allow_pickle=False)
        np.save(buffer, np.ascontiguousarray(locations, dtype=np.int64), allow_pickle=False)
        np.save(buffer, np.array([key[:_NAME] for key in group], dtype=f"U{_NAME}"), allow_pickle=False)
        body = buffer.getvalue()
        with writing(self.path(view_key, chunk_key)) as part:
            part.write_bytes(hashlib.sha256(body).digest() + body)

    def content(self, view_keys: Sequence[str], chunk_key: str) -> dict[str, bytes]:
        """The files of these views of a chunk and of their whole groups, byte for byte, for another store.

        The keys are the names of views in groups. Raises ``StorageError`` if a file is missing or damaged.
        """
        loaded = [self._load(key, chunk_key) for key in view_keys]
        names = {key[:_NAME] for key in view_keys} | {name for found in loaded if found for name in found[2]}
        try:
            if all(loaded):
                return {name: self.path(name, chunk_key).read_bytes() for name in sorted(names)}
        except OSError:
            pass
        rule, got = "unchanged until the run is over", "a chunk that is missing or damaged"
        raise StorageError(expected("the cache", rule, got, str(self.root)))

    def put(self, content: Mapping[str, bytes], chunk_key: str) -> None:
        """Writes the files of a chunk that another store has the ``content`` of. Raises ``StorageError``."""
        for key, data in content.items():
            with writing(self.path(key, chunk_key)) as part:
                part.write_bytes(data)

    def forget(self, view_keys: Sequence[str], chunk_key: str) -> None:
        """Deletes the files of these views of a chunk."""
        for key in view_keys:
            delete(self.path(key, chunk_key))

    @contextlib.contextmanager
    def claims(self) -> Iterator[Claims]:
        """Yields the claims of this process on chunks; all are released at the end."""
        with locks(self.root / "claims") as file:
            yield Claims(file)

    def _load(self, view_key: str, chunk_key: str) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]] | None:
        import numpy as np

        path = self.path(view_key, chunk_key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(memoryview(data)[_DIGEST:]).digest() != data[:_DIGEST]:
            delete(path)
            return None
        buffer = io.BytesIO(data)
        buffer.seek(_DIGEST)
        logits, places = (np.load(buffer, allow_pickle=False) for _ in range(2))
        group = np.load(buffer, allow_pickle=False).tolist() if buffer.tell() < len(data) else []
        return logits, places, group


class Claims:
    """Chunks that this process has claimed. No other process can claim them until they are dropped or this one ends."""

    def __init__(self, file: Locks) -> None:
        self.file = file

    def take(self, chunk_key: str) -> bool:
        """Claims a chunk; returns False if another process has claimed it."""
        return self.file.take(int(chunk_key[:15], 16), wait=False)

    def drop(self, chunk_key: str) -> None:
        """Releases the claim on a chunk."""
        self.file.drop(int(chunk_key[:15], 16))
