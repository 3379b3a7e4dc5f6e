"""The cache folder, and files that are written atomically."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from benchsuite.errors import StorageError


def cache_dir() -> Path:
    """The user's cache folder: BENCHSUITE_CACHE, else XDG_CACHE_HOME/benchsuite, else ~/.cache/benchsuite."""
    own = os.environ.get("BENCHSUITE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base, "benchsuite")


def data_folders(name: str) -> list[Path]:
    """Where a data set is looked for without a path: in BENCHSUITE_DATA if it is set, then in the cache folder."""
    own = os.environ.get("BENCHSUITE_DATA")
    return [*([Path(own).expanduser() / name] if own else []), cache_dir() / "data" / name]


def delete(path: Path) -> None:
    """Deletes a file, if that is possible. Raises nothing."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yields a temporary name next to ``path`` to write to. At the end the file is renamed to ``path``.

    If the block raises, the temporary file is deleted. Raises ``StorageError`` with the path for a full disk or a
    folder that cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.urandom(16).hex()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error
    finally:
        delete(part)
