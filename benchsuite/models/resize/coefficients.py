"""The integer coefficients of Pillow's antialiased resize, and the order of its two passes.

Pillow resizes 8-bit images in fixed point: coefficients are made in double precision, divided by their sum, rounded to
``BITS`` bits after the point, and pixels are sums in int32. Source: src/libImaging/Resample.c and Geometry.c (nearest)
of Pillow 12.1 and 13.0, which differ in the order of the passes only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


BITS = 32 - 8 - 2
"""Bits after the point: int32 without the 8 of a pixel, and two for sums that are negative or above the largest."""

VERTICAL_FIRST = 13
"""The major version of Pillow from which on the vertical pass may come first."""

KEPT = 4096
"""How many tables of coefficients are kept. One of 500 to 256 pixels takes 11 KB."""


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """How one axis is resized: output pixel i is the sum of ``weights[j, i] * input[index[j, i]]`` over its k taps.

    Both are int32 (k, size). ``weights`` are multiplied by 2**BITS; a tap that is not needed weighs 0.
    """

    index: NDArray[np.int32]
    weights: NDArray[np.int32]


@functools.lru_cache(maxsize=KEPT)
def coefficients(length: int, size: int, interpolation: str) -> Coefficients:
    """The coefficients for an axis of ``length`` pixels that becomes ``size`` pixels long."""
    if interpolation == "nearest":
        return _nearest(length, size)
    support, weigh = _FILTERS[interpolation]
    scale = length / size
    stretch = max(scale, 1.0)
    centre = (np.arange(size) + 0.5) * scale
    first = np.maximum(np.trunc(centre - support * stretch + 0.5), 0).astype(np.int64)
    end = np.minimum(np.trunc(centre + support * stretch + 0.5), length).astype(np.int64)
    place = first + np.arange(int((end - first).max()))[:, None]
    weights = np.where(place < end, weigh((place - centre + 0.5) * (1.0 / stretch)), 0.0)
    total = functools.reduce(np.add, weights)  # in Pillow's order
    weights = np.divide(weights, total, out=weights, where=total != 0)
    rounded = np.trunc(weights * (1 << BITS) + np.where(weights < 0, -0.5, 0.5))
    return Coefficients(np.minimum(place, length - 1).astype(np.int32), rounded.astype(np.int32))


def passes(height: int, width: int, to_height: int, to_width: int, pillow: int) -> list[tuple[int, int]]:
    """(axis, size) of each pass in its order; axis 0 is the height. ``pillow`` is the major version to follow.

    Pillow resizes the width first. From version 13 on the height is first if it shrinks by more than twice as many
    pixels as the width. An axis that keeps its size has no pass.
    """
    shrinks = height - to_height
    vertical = pillow >= VERTICAL_FIRST and shrinks > 0 and shrinks > 2 * (width - to_width)
    both = [(0, to_height), (1, to_width)] if vertical else [(1, to_width), (0, to_height)]
    return [(axis, size) for axis, size in both if size != (height, width)[axis]]


def _nearest(length: int, size: int) -> Coefficients:
    """One tap of weight 1. Pillow adds the positions up, which rounds some to another pixel than a product."""
    scale = length / size
    place = np.add.accumulate(np.concatenate([[0.5 * scale], np.full(size - 1, scale)])).astype(np.int32)[None]
    return Coefficients(np.minimum(place, length - 1), np.full((1, size), 1 << BITS, dtype=np.int32))


def _box(x: Doubles) -> Doubles:
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def _bilinear(x: Doubles) -> Doubles:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _bicubic(x: Doubles) -> Doubles:
    x, a = np.abs(x), -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    return np.where(x < 1.0, near, np.where(x < 2.0, (((x - 5) * x + 8) * x - 4) * a, 0.0))


def _each(function: Callable[[float], float]) -> Callable[[Doubles], Doubles]:
    """A function of numbers for arrays: the sines of the C library, as NumPy's own may differ in the last bit."""
    return lambda x: np.array([function(v) for v in x.ravel().tolist()]).reshape(x.shape)


@_each
def _hamming(x: float) -> float:
    x = abs(x)
    if x == 0.0:
        return 1.0
    if x >= 1.0:
        return 0.0
    x = x * math.pi
    return math.sin(x) / x * (_HAMMING[0] + _HAMMING[1] * math.cos(x))


@_each
def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


def _sinc(x: float) -> float:
    if x == 0.0:
        return 1.0
    x = x * math.pi
    return math.sin(x) / x


_HAMMING = float(np.float32(0.54)), float(np.float32(0.46))
"""Pillow has these in single precision."""

_FILTERS: dict[str, tuple[float, Callable[[Doubles], Doubles]]] = {
    "box": (0.5, _box),
    "bilinear": (1.0, _bilinear),
    "hamming": (1.0, _hamming),
    "bicubic": (2.0, _bicubic),
    "lanczos": (3.0, _lanczos),
}
"""The support in pixels to each side, and the weight of a tap at a distance."""
