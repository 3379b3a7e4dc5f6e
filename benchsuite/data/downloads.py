"""Downloads a data set into a folder, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchsuite.errors import StorageError
from benchsuite.progress import Progress
from benchsuite.specs.dataset import Fetch
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import digest
from benchsuite.storage.locks import held


def download(fetch: Fetch, folder: Path, progress: Progress) -> bool:
    """Calls ``fetch`` with a new folder next to ``folder``, and renames that when all files are there.

    Nothing is done, and False is returned, if ``folder`` holds something already: another process that downloads it is
    waited for. If anything fails or is interrupted, nothing is kept; what a killed process left is deleted by the next
    download. Raises what ``fetch`` raises, and ``StorageError`` for a folder that cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    with held(cache_dir() / "downloads" / f"{digest(str(folder))[:16]}.lock", wait=True):
        try:
            if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
                return False
            shutil.rmtree(part, ignore_errors=True)
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
    return True
