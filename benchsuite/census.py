"""What a whole copy of a data set holds, as data: what ``benchsuite data check`` compares a copy with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


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
