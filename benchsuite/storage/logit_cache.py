"""The cache of logits: one file for a view of a chunk of images, and which process computes which chunk."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.storage.files import _delete, writing
from benchsuite.storage.locks import Locks, locks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Part = tuple[NDArray[np.float32], NDArray[np.int64]]


T = TypeVar("T")


def chunked(items: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]:
    """Consecutive parts of ``size`` items; the last one is what remains."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


CHUNK = 512
"""Samples in a chunk: fixed, so that any number of processes makes the same chunks."""

_DIGEST, _NAME = 32, 16


class ChunkStore:
    """The chunks of one network under one numeric setting. A damaged or missing chunk reads as None.

    Which views share their batches decides the last bit of a logit. So a chunk's views that were computed together, its
    company, count together: when one is missing or damaged none is there, and the pass that makes them again is the
    same and comes to the same bits.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, view_key: str, chunk_key: str) -> Path:
        """Where a chunk lies; the keys are digests."""
        return self.root / view_key[:_NAME] / f"{chunk_key[:32]}.logits"

    def read(self, view_key: str, chunk_key: str) -> Part | None:
        """(n, c) float32 logits and (n,) places, or None where there is no whole chunk."""
        return self.read_all((view_key,), chunk_key).get(view_key)

    def read_all(self, view_keys: Sequence[str], chunk_key: str) -> dict[str, Part]:
        """What is there of these views, by their keys. A damaged file is deleted, and its company with it."""
        found = {key: part for key in view_keys if (part := self._load(key, chunk_key)) is not None}
        others = {name for *_, company in found.values() for name in company}
        unread = {key[:_NAME] for key in view_keys if key not in found}  # whatever is there now
        absent = {name for name in others if name in unread or not self.path(name, chunk_key).is_file()}
        return {key: (x, n) for key, (x, n, company) in found.items() if absent.isdisjoint(company)}

    def holds(self, view_keys: Sequence[str], chunk_key: str) -> bool:
        """Whether every one of these views has a file; what is in them is not looked at."""
        return all(self.path(key, chunk_key).is_file() for key in view_keys)

    def write(
        self,
        view_key: str,
        chunk_key: str,
        logits: NDArray[Any],
        locations: NDArray[Any],
        company: Sequence[str] = (),
    ) -> None:
        """Writes a chunk; a reader sees all of it or nothing. Raises ``StorageError`` when the disk is full.

        ``company`` are the keys of the views that were computed together.
        """
        import numpy as np

        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(logits, dtype=np.float32), allow_pickle=False)
        np.save(buffer, np.ascontiguousarray(locations, dtype=np.int64), allow_pickle=False)
        np.save(buffer, np.array([key[:_NAME] for key in company], dtype=f"U{_NAME}"), allow_pickle=False)
        body = buffer.getvalue()
        with writing(self.path(view_key, chunk_key)) as part:
            part.write_bytes(hashlib.sha256(body).digest() + body)

    def forget(self, view_keys: Sequence[str], chunk_key: str) -> None:
        """Deletes a chunk of these views."""
        for key in view_keys:
            _delete(self.path(key, chunk_key))

    @contextlib.contextmanager
    def claims(self) -> Iterator[Claims]:
        """Chunks that this process has in hand, of which there are none at the end."""
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
            _delete(path)
            return None
        buffer = io.BytesIO(data)
        buffer.seek(_DIGEST)
        logits, places = (np.load(buffer, allow_pickle=False) for _ in range(2))
        company = np.load(buffer, allow_pickle=False).tolist() if buffer.tell() < len(data) else []
        return logits, places, company


class Claims:
    """Which chunks a process has in hand: no other gets them meanwhile, unless this one dies."""

    def __init__(self, file: Locks) -> None:
        self.file = file

    def take(self, chunk_key: str) -> bool:
        """Whether no other process has the chunk in hand; from now on this one has."""
        return self.file.take(int(chunk_key[:15], 16), wait=False)

    def drop(self, chunk_key: str) -> None:
        """Others may have it again."""
        self.file.drop(int(chunk_key[:15], 16))
