"""Downloads a data set into a folder, whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from benchsuite.errors import StorageError
from benchsuite.progress import Progress
from benchsuite.specs.dataset import Fetch


def download(fetch: Fetch, folder: Path, progress: Progress) -> None:
    """Calls ``fetch`` with a new folder next to ``folder``, and renames that when all files are there.

    ``folder`` must not exist, or be empty. If anything fails or is interrupted, nothing is kept. Raises what ``fetch``
    raises, and ``StorageError`` for a folder that cannot be written.
    """
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        part.mkdir(parents=True)
        fetch(str(part), progress.start, progress.advance)
        if folder.is_dir():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise StorageError(f"Cannot write {folder}: {error.strerror or error}") from error
    finally:
        progress.stop()
        shutil.rmtree(part, ignore_errors=True)
