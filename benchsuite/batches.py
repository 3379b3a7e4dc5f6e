"""Batching: pieces of equal shape go together, whatever image and view they come from. Nothing is padded or dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from benchsuite.specs.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")


HELD_BYTES = 256 * 2**20
"""Pixels that may wait for company before the fullest group is sent as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The pixels that one view sees of one sample: uint8 (h, w, 3), and where their score belongs."""

    sample: int
    view: int
    pixels: NDArray[np.uint8]


def batches(
    pieces: Iterable[Piece], views: tuple[View, ...], size: int, held: int = HELD_BYTES
) -> Iterator[list[Piece]]:
    """Groups pieces by shape and kind of view; a batch holds as many pixels as ``size`` views of the usual shape.

    The order of the pieces alone decides which batches are made. ``held`` bounds the bytes that wait.
    """
    waiting: dict[tuple[object, ...], list[Piece]] = {}
    usual = min(_side(v) for v in views) ** 2
    bytes_held = 0
    for piece in pieces:
        view = views[piece.view]
        height, width = piece.pixels.shape[:2]
        key: tuple[object, ...] = (height, width, view.dense, view.nominal, view.spatial)
        group = waiting.setdefault(key, [])
        group.append(piece)
        bytes_held += height * width * 3
        if len(group) >= max(1, size * usual // (height * width)):
            full = key
        elif bytes_held > held:
            full = max(waiting, key=lambda k: sum(p.pixels.size for p in waiting[k]))
        else:
            continue
        batch = waiting.pop(full)
        bytes_held -= sum(p.pixels.shape[0] * p.pixels.shape[1] * 3 for p in batch)
        yield batch
    yield from waiting.values()


def _side(view: View) -> int:
    """The side of the smallest square that a view may look at."""
    if view.crop is not None:
        return view.crop.size
    return view.nominal or (min(view.resize) if isinstance(view.resize, tuple) else view.resize)
