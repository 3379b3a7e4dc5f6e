"""Loaders: how images are read, one by one or from a prepared file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from typing import Protocol as Structural

from benchsuite.specs.dataset import Sample, Split

if TYPE_CHECKING:
    from pathlib import Path


T = TypeVar("T")


class Rows(Structural):
    """``rows(numbers, then, workers)`` yields ``then(pixels, seconds)`` of every row asked, in order.

    ``numbers`` count images from 0 in the order in which they were written; any of them, in any order. The rest is as
    for a loader's ``images``: ``pixels`` are an array of its own, uint8 (h, w, 3), and no thread is left behind.
    """

    def __call__(self, numbers: Sequence[int], then: Callable[[Any, float], T], workers: int) -> Iterator[T]: ...


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A kind of file that holds all images of a split. Which images they are is benchsuite's to know, not the file's.

    ``check()`` raises a ``BenchsuiteError`` that says in one line what to install when something is missing.
    ``write(path, count, images)`` makes the file from ``count`` pairs of a ``Sample`` and its pixels, uint8 (h, w, 3);
    it raises ``DataError`` for an image that the format cannot hold, and lets every other error pass.
    ``open(path)`` returns ``Rows``, or raises ``DataError`` for a file that is damaged. An exact loader's format gives
    back the very pixels that it was given.
    """

    suffix: str
    check: Callable[[], None]
    write: Callable[[Path, int, Iterator[tuple[Any, Any]]], None]
    open: Callable[[Path], Rows]


class Images(Structural):
    """``images(split, samples, then, workers)`` yields ``then(pixels, seconds)`` of every sample, in order.

    ``pixels`` is what ``split.read`` gives, ``seconds`` what reading and decoding took. ``then`` runs where the image
    was read, perhaps in a thread; 0 workers means the calling thread. Closing the iterator leaves no thread behind.
    """

    def __call__(
        self, split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int
    ) -> Iterator[T]: ...


@dataclass(frozen=True, slots=True)
class Loader:
    """How images are read: ``exact`` loaders give the reference decoder's pixels, bit for bit.

    One that reads a prepared ``file`` has no ``images`` until that is opened. ``NAME:VARIANT`` is a name, too.
    """

    name: str
    images: Images | None
    exact: bool
    note: str
    file: FileFormat | None = None
