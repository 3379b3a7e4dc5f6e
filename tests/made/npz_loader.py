"""A loader of prepared files that needs only NumPy: all images of a split are in one box, an .npz file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import FileFormat, Loader, Sample, hookimpl


def write(path: Path, count: int, images: Iterator[tuple[Sample, Any]]) -> None:
    """Writes one array for each image, in order."""
    arrays = [pixels for _, pixels in images]
    assert len(arrays) == count
    with path.open("wb") as file:
        np.savez(file, *arrays)


def open_box(path: Path) -> Any:
    """Opens a box; returns its ``rows`` function."""

    def rows(numbers: Sequence[int], then: Callable[[Any, float], Any], workers: int) -> Iterator[Any]:
        with np.load(path) as box:
            for number in numbers:
                yield then(box[f"arr_{number}"], 0.0)

    return rows


def ready() -> None:
    """The check of the format: nothing has to be installed."""


FORMAT = FileFormat(".box", check=ready, write=write, open=open_box)
BOX = Loader("box", images=None, exact=True, note="all images in one file", file=FORMAT)


def darker(path: Path) -> Any:
    """Opens a box; its images lose their two lowest bits."""
    rows = open_box(path)
    return lambda numbers, then, workers: rows(numbers, lambda pixels, s: then(pixels & 0xFC, s), workers)


DARKER = dataclasses.replace(FORMAT, open=darker)
GREYISH = Loader("box:greyish", images=None, exact=False, note="a little darker than they are", file=DARKER)


class BoxPlugin:
    """A plugin with both loaders."""

    @hookimpl
    def benchsuite_loaders(self) -> list[Loader]:
        return [BOX, GREYISH]
