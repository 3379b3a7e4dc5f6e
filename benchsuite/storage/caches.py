"""What lies in the cache folder: how much of each kind, and what of it is old and used by no process."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import BadParameter, StorageError, expected
from benchsuite.storage.files import cache_dir
from benchsuite.storage.locks import unused

KEPT = ("data", "downloads")
"""Folders of the cache that are never cleared: data sets that were downloaded, and the locks of downloads."""

_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"(\d+)([hdw])")


@dataclass(frozen=True, slots=True)
class CacheFile:
    """A file of the cache: its ``kind`` (the folder in the cache), size in bytes, and when it was written."""

    path: Path
    kind: str
    size: int
    written: float


def seconds(age: str) -> int:
    """``30d`` -> seconds; h, d and w are hours, days and weeks. Raises ``BadParameter``."""
    found = _AGE.fullmatch(age)
    if not found:
        raise BadParameter(expected("--older-than", "a number and h, d or w, such as 30d", age))
    return int(found[1]) * _UNITS[found[2]]


def files() -> Iterator[CacheFile]:
    """Every file in the folders of the cache but locks, in the order of their paths."""
    root = cache_dir()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.parent == root or name == "claims" or name.endswith(".lock"):
                continue
            try:
                state = path.lstat()
            except OSError:
                continue  # another process has deleted it
            yield CacheFile(path, path.relative_to(root).parts[0], state.st_size, state.st_mtime)


def old(age: int) -> tuple[CacheFile, ...]:
    """The files that were written more than ``age`` seconds ago, without those that are never cleared."""
    before = time.time() - age
    return tuple(file for file in files() if file.kind not in KEPT and file.written < before)


def in_use(file: CacheFile) -> bool:
    """Whether another process holds a lock that guards the file. Locks are described in ``locks``."""
    return any(not free for free in map(_is_unused, _guards(file)))


def delete(file: CacheFile) -> bool:
    """Deletes a file of the cache unless it is used, and its folders if they are empty; returns whether it did.

    Locks stay. Raises ``StorageError`` for a file that cannot be deleted.
    """
    if in_use(file):
        return False
    try:
        file.path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"Cannot delete {file.path}: {error.strerror or error}") from None
    for folder in file.path.parents:
        if folder.parent == cache_dir():
            break
        try:
            folder.rmdir()
        except OSError:
            break
    return True


def _guards(file: CacheFile) -> list[Path]:
    """The files whose locks a process holds while it writes this file or others of its folder."""
    path, root = file.path, cache_dir()
    near = [path.with_suffix(".lock"), path.with_name(f"{path.name}.lock"), root / f"{file.kind}.claims"]
    inside = [folder / "claims" for folder in path.parents if root in folder.parents]
    return [guard for guard in [*near, *inside] if guard.is_file()]


def _is_unused(guard: Path) -> bool:
    with unused(guard) as free:
        return free
