"""Reference for views and resizing: whole images are mirrored, pixels copied one at a time, with exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchsuite import View


def half_to_even(value: Fraction) -> int:
    """The nearest whole number; halves go to the even one."""
    below = math.floor(value)
    rest = value - below
    if rest == Fraction(1, 2):
        return below if below % 2 == 0 else below + 1
    return below if rest < Fraction(1, 2) else below + 1


def short_side(height: int, width: int, size: int, long_side: str = "floor") -> tuple[int, int]:
    """(height, width) with the shorter side at ``size`` and the longer one in proportion, by exact fractions."""
    longer = Fraction(size * max(height, width), min(height, width))
    whole = math.floor(longer) if long_side == "floor" else math.floor(longer + Fraction(1, 2))
    return (size, whole) if height <= width else (whole, size)


def look(image: Image.Image, view: View) -> NDArray[np.uint8]:
    """The pixels of a view of a Pillow image: Pillow resizes and mirrors the whole image, then the crop is copied."""
    shape = (
        view.resize
        if isinstance(view.resize, tuple)
        else short_side(image.height, image.width, view.resize, view.long_side)
    )
    assert view.antialias, "Pillow always takes the mean over the input pixels that an output pixel covers"
    resized = image.resize((shape[1], shape[0]), Image.Resampling[view.interpolation.upper()])
    pixels = np.asarray(ImageOps.mirror(resized) if view.flip else resized)
    if view.pad:
        widths = ((view.pad, view.pad), (view.pad, view.pad), (0, 0))
        pixels = np.pad(pixels, widths, mode="reflect") if view.border == "reflect" else np.pad(pixels, widths)
    if view.crop is None:
        return pixels
    shape = pixels.shape[0], pixels.shape[1]
    rounded = {"round": half_to_even, "ceil": math.ceil, "floor": math.floor}[view.crop.rounding]
    size, origin = view.crop.size, []
    for length, fraction, shift in zip(shape, view.crop.fractions, view.crop.shift, strict=True):
        origin.append(min(max(rounded((length - size) * Fraction(fraction)) + shift, 0), length - size))
    seen = np.zeros((size, size, 3), dtype=np.uint8)
    for row in range(size):
        for column in range(size):
            seen[row, column] = pixels[origin[0] + row, origin[1] + column]
    return seen
