"""The folders of the cache and of the config, and files that are written atomically."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from benchsuite.errors import StorageError


def cache_dir() -> Path:
    """The user's cache folder: BENCHSUITE_CACHE, else XDG_CACHE_HOME/benchsuite, else ~/.cache/benchsuite."""
    own = os.environ.get("BENCHSUITE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base, "benchsuite")


NO_CONFIG = "0"
"""The value of BENCHSUITE_CONFIG with which no config file is read."""


def config_folder() -> Path:
    """The user's config folder: BENCHSUITE_CONFIG, else benchsuite in XDG_CONFIG_HOME, else that of the system.

    The system's is %LOCALAPPDATA% on Windows, ~/Library/Application Support on macOS, and ~/.config elsewhere.
    """
    own = os.environ.get("BENCHSUITE_CONFIG")
    if own and own != NO_CONFIG:
        return Path(own)
    systems = {
        "win32": os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local",
        "darwin": Path.home() / "Library" / "Application Support",
    }
    return Path(os.environ.get("XDG_CONFIG_HOME") or systems.get(sys.platform) or Path.home() / ".config", "benchsuite")


def config_files() -> list[Path]:
    """The files that may hold settings, the one that counts most first: the project's, then the user's own.

    Those of a project are each pyproject.toml from the working folder up to the root of its repository, if it may have
    the table ``[tool.benchsuite]``. Nothing is parsed, as this is done at the start of every command. There are none
    with BENCHSUITE_CONFIG=0.
    """
    if os.environ.get("BENCHSUITE_CONFIG") == NO_CONFIG:
        return []
    found, folder = list[Path](), os.path.realpath(os.curdir)
    while True:
        found.append(Path(folder, "pyproject.toml"))
        above = os.path.dirname(folder)  # noqa: PTH120  (which is faster than pathlib)
        if above == folder or os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118
            break
        folder = above
    own = config_folder() / "config.toml"
    return [*filter(_may_have_table, found), *([own] if own.is_file() else [])]


def _may_have_table(file: Path) -> bool:
    """Whether a pyproject.toml may have the table of settings, or exists and cannot be read."""
    try:
        content = file.read_bytes()
    except OSError:
        return file.is_file()
    table = rb"""tool["'\s]*\.["'\s]*benchsuite|^\s*\[?\s*["']?tool["']?\s*[]=]"""
    return b"benchsuite" in content and re.search(table, content, re.MULTILINE) is not None


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
