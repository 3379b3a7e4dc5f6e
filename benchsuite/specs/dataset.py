"""Data sets: splits, samples, and how many images a whole split has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Census:
    """What a whole ``split`` holds. None stands for what is not known, or is not the same everywhere.

    ``images`` in all, ``classes`` that have any, ``each`` images of every one of these, and the ``size`` (height,
    width) in pixels of every image. ``accepted()`` are the classes that reassessed labels accept for an image, by its
    id; none for an image that they know nothing of.
    """

    split: Literal["train", "test"]
    images: int | None = None
    classes: int | None = None
    each: int | None = None
    size: tuple[int, int] | None = None
    accepted: Callable[[], Mapping[str, Sequence[int]]] | None = None


def words(census: Census) -> str:
    """``test: 50,000 images, 1,000 classes, 50 of each``."""
    known = (
        (census.images, "images"),
        (census.classes, "classes"),
        (census.each, "of each"),
    )
    size = [f"{census.size[1]} x {census.size[0]} pixels"] if census.size else []
    return f"{census.split}: " + ", ".join([f"{n:,} {what}" for n, what in known if n is not None] + size)


def faults(censuses: Sequence[Census]) -> list[str]:
    """What no split can have, in words: a number below 1, classes that do not add up, a split that is there twice."""
    found = []
    for c in censuses:
        numbers = [n for n in (c.images, c.classes, c.each, *(c.size or ())) if n is not None]
        if min(numbers, default=1) < 1:
            found.append(f"a number below 1 in {c.split}")
        if None not in (c.images, c.classes, c.each) and c.images != (c.classes or 0) * (c.each or 0):
            found.append(f"{c.images} images of {c.split} for {c.classes} classes of {c.each}")
    if len({c.split for c in censuses}) < len(censuses):
        found.append("one split twice")
    return found


SplitName = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One image: its ``id`` (unique in the split), class index, where it lies, and a stamp that changes with it.

    ``where`` is a path, or a row of a file. Of the stamp, the part before the first ``@`` is the same on every machine
    (bytes of the file, or the digest of the row's pixels); what follows is this machine's, such as a time. ``real``
    holds the classes that reassessed labels accept (none: left out of that count), in all samples of a split or in no.
    """

    id: str
    label: int
    where: str
    stamp: str = ""
    real: tuple[int, ...] | None = None

    @property
    def content(self) -> str:
        """The part of the stamp that is the same on every machine."""
        return self.stamp.partition("@")[0]

    @property
    def state(self) -> str:
        """What tells this image from another one of its id: the stamp, or without one where it lies."""
        return self.stamp or self.where


@dataclass(frozen=True, slots=True)
class Split:
    """An opened dataset: samples in the order of their ids, and how to read one.

    ``classes`` are the readable names of all class indices, those without samples too. ``read(sample)`` returns uint8
    (H, W, 3) RGB, as an array of its own or a Pillow image, and may be called by several threads at once; it raises
    ``DataError`` with the file's name. ``mirror`` says that a mirror image keeps its class. ``among`` are the classes
    that an answer is chosen among, rising: the logits of others are left out before any softmax (empty: of none).
    """

    name: str
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    mirror: bool
    read: Callable[[Sample], Any]
    among: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where samples come from. ``open(path, split)`` returns a ``Split``; ``path`` is None when the user gave none.

    ``open`` finds what can be known before a network runs, and raises ``DataError`` in one line that names the file or
    folder: nothing at ``path`` (and what to download), unknown or empty classes, equal ids, files that are no images.
    ``download`` says what to get and where it goes. A dataset with ``recipe`` trains the asked network once when no
    weights are given; ``preprocess`` is used for networks that were trained on this dataset. ``census``: whole splits.
    """

    name: str
    open: Callable[[str | None, SplitName], Split]
    mirror: bool
    note: str
    source: str
    download: str = ""
    path: Literal["none", "optional", "required"] = "required"
    recipe: Recipe | None = None
    preprocess: Preprocess | None = None
    census: tuple[Census, ...] = ()


def spread(items: tuple[T, ...], limit: int | None) -> tuple[T, ...]:
    """``limit`` items at even distances, in order; all of them without a limit or with one that is no limit."""
    if limit is None or limit >= len(items):
        return items
    return tuple(items[i * len(items) // limit] for i in range(limit))
