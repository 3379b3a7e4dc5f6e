"""Downloads a data set into a folder, which appears when it is whole. What a failed download got, the next one uses."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchsuite.errors import StorageError
from benchsuite.progress import Progress
from benchsuite.specs.dataset import Fetch
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import digest
from benchsuite.storage.locks import held

PARTIAL = ".partial"
"""End of the names of files that a download which failed leaves to the next one."""


def download(fetch: Fetch, folder: Path, progress: Progress) -> bool:
    """Calls ``fetch`` with a folder next to ``folder``, and renames that when all files are there.

    Nothing is done, and False is returned, if ``folder`` holds something already: another process that downloads it is
    waited for. If anything fails or is interrupted, or the process is killed, only the files of ``fetch`` whose names
    end in ``PARTIAL`` are there at the next call; ``progress`` gets a note of them. Raises what ``fetch`` raises, and
    ``StorageError`` for a folder that cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    with held(cache_dir() / "downloads" / f"{digest(str(folder))[:16]}.lock", wait=True):
        try:
            if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
                return False
            _clear(part)
            part.mkdir(parents=True, exist_ok=True)
            fetch(str(part), progress.start, progress.advance)
            if folder.is_dir():
                folder.rmdir()
            part.rename(folder)
        except OSError as error:
            raise StorageError(f"Cannot write {folder}: {error.strerror or error}") from error
        finally:
            progress.stop()
            kept = _clear(part)
            if kept:
                progress.note(f"{kept:,} bytes of the download are kept in {part}: the same command goes on from there")
    return True


def _clear(part: Path) -> int:
    """Deletes all but the partial files of a folder, and the folder if none is left; returns their bytes."""
    kept = [path for path in part.glob(f"*{PARTIAL}") if path.is_file()]
    if not kept:
        shutil.rmtree(part, ignore_errors=True)
        return 0
    for path in part.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path not in kept:
            path.unlink(missing_ok=True)
    return sum(path.stat().st_size for path in kept)
