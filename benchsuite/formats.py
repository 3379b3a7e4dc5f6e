"""The file that a fast loader reads in place of a data set's own: how it is written, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from typing import Protocol as Structural

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
