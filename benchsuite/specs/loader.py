"""Loaders: how images are read, one by one or from a prepared file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar
from typing import Protocol as Structural

from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.view import View

if TYPE_CHECKING:
    from pathlib import Path


T = TypeVar("T")


class Rows(Structural):
    """``rows(numbers, then, workers)`` yields ``then(pixels, seconds)`` for every requested row, in order.

    ``numbers`` are indices from 0 in the order in which the images were written; any subset, in any order. The rest is
    as for a loader's ``images``: ``pixels`` is an array that does not change any more, uint8 (h, w, 3), and no
    thread is left running.
    """

    def __call__(self, numbers: Sequence[int], then: Callable[[Any, float], T], workers: int) -> Iterator[T]: ...


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format that holds all images of a split. Benchsuite records which images a file holds, not the format.

    If a package is missing, ``check()`` raises a ``BenchsuiteError`` that says in one line what to install.
    ``write(path, count, images)`` makes the file from ``count`` pairs of a ``Sample`` and its pixels, uint8 (h, w, 3);
    it raises ``DataError`` for an image that the format cannot hold, and does not catch other errors. ``open(path)``
    returns ``Rows``, or raises ``DataError`` for a damaged file. The format of an exact loader returns the same pixels
    that were written. ``streams`` is that of its loader: the numbers of rows may be any iterable.
    """

    suffix: str
    check: Callable[[], None]
    write: Callable[[Path, int, Iterator[tuple[Any, Any]]], None]
    open: Callable[[Path], Rows]
    streams: bool = False


class Images(Structural):
    """``images(split, samples, then, workers)`` yields ``then(pixels, seconds)`` for every sample, in order.

    ``pixels`` is what ``split.read`` returns, ``seconds`` the time for reading and decoding. ``then`` runs in the
    thread that read the image; with 0 workers this is the calling thread. Closing the iterator ends all its threads.
    """

    def __call__(
        self, split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int
    ) -> Iterator[T]: ...


@dataclass(frozen=True, slots=True)
class Loader:
    """A way to read images. ``exact`` loaders return the pixels of the reference decoder, bit for bit.

    For a loader that reads a prepared ``file``, ``images`` is None; the opened file reads them. For one that also
    resizes, it is None too: ``resized(view)`` returns ``images`` at the resize of a view. ``decoder()`` returns the
    name and version of what decodes, on which the pixels of a loader that is not exact depend, so they are part of the
    keys of the logits; it raises ``DataError`` if a package is missing. A name may be ``NAME:VARIANT``. ``resident`` is
    set by the user, with ``NAME,resident``: images stay in memory once they are read.

    ``streams`` promises that ``samples`` may be any iterable, from which ``images`` takes a bounded number more than it
    has yielded, in the thread that iterates: then a pass reads on into the next chunk without a pause.

    For a loader that decodes on a device, ``on(device)`` returns the same loader for the device of a run (``cuda:1``,
    ``cpu``), from which its ``decoder`` also takes the name. It is called before anything is read.
    """

    name: str
    images: Images | None
    exact: bool
    note: str
    file: FileFormat | None = None
    resident: bool = False
    resized: Callable[[View], Images] | None = None
    decoder: Callable[[], str] | None = None
    streams: bool = False
    on: Callable[[str], Loader] | None = None

    def at(self, device: str) -> Loader:
        """The loader of a run on a device; unchanged if it uses none."""
        return self if self.on is None else replace(self.on(device), resident=self.resident)

    def check(self) -> None:
        """Raises a ``BenchsuiteError`` that says in one line what to install if the loader lacks something."""
        if self.decoder is not None:
            self.decoder()
        if self.file is not None:
            self.file.check()
