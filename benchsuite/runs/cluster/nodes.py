"""What every node is told beside its jobs, and how it says what is wrong with it. Nodes need no folder in common."""

from __future__ import annotations

import socket
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

from benchsuite.distributed.failure import Failure, failure
from benchsuite.distributed.places import Place
from benchsuite.errors import BenchsuiteError, StorageError, expected
from benchsuite.specs.catalog import Catalog
from benchsuite.storage.data_places import full_path, located
from benchsuite.storage.files import writing

R = TypeVar("R")

SAME = ("benchsuite", "torch", "pillow")
"""Packages of which all nodes need the same version: others may give other pixels or other last bits of logits."""

_MARK = ".results"
"""A file in the results folder with a random text, by which a node knows whether it sees the same folder."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What goes to every node: the results folder of the command and its mark, and the versions that are required.

    ``versions`` is empty if any will do.
    """

    results: Path
    mark: str
    versions: tuple[tuple[str, str], ...]


def errand(results: Path, place: Place) -> Errand:
    """The errand of a command; marks its results folder. Raises ``StorageError``."""
    path = results.absolute() / _MARK
    if not path.is_file():
        with writing(path) as part:
            part.write_text(uuid.uuid4().hex, encoding="ascii")
    try:
        mark = path.read_text(encoding="ascii")
    except OSError as error:
        raise StorageError(f"Cannot read {path}: {error.strerror or error}") from error
    return Errand(results.absolute(), mark, () if place.any_versions else versions())


def data_in_full(text: str, catalog: Catalog) -> str:
    """A data set as all nodes understand it: the path that was added for a name, and no relative paths."""
    name, colon, path = located(text, catalog).partition(":")
    return f"{name}{colon}{full_path(path)}"


def versions() -> tuple[tuple[str, str], ...]:
    """The versions of ``SAME`` here, without what follows a +, such as the version of CUDA."""
    return tuple((name, metadata.version(name).partition("+")[0]) for name in SAME)


def name() -> str:
    """The name of this node."""
    return socket.gethostname()


def on_node(told: Errand, do: Callable[[], R]) -> R | Failure:
    """What ``do`` returns, or in one line why this node, which is named in it, cannot do it."""
    try:
        for (package, own), (_, wanted) in zip(versions(), told.versions, strict=False):
            if own != wanted:
                rule = f"{wanted}, that of the first machine, or allowed to differ by versions=any"
                raise BenchsuiteError(expected(f"the version of {package}", rule, own))
        return do()
    except Exception as error:
        return failure(error).at(f"node {name()}")


@contextmanager
def results_folder(told: Errand) -> Iterator[Path]:
    """Yields the results folder of the command if this node sees it, else an empty folder until the end."""
    try:
        seen = (told.results / _MARK).read_text(encoding="ascii") == told.mark
    except (OSError, UnicodeDecodeError):
        seen = False
    if seen:
        yield told.results
        return
    with tempfile.TemporaryDirectory(prefix="benchsuite-") as own:
        yield Path(own)
