"""How pixels reach a network: short side, crop, interpolation, mean and standard deviation."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchsuite.specs.view import Crop, Interpolation, LongSide, View


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How pixels reach a network; declared next to the weights.

    ``resize`` is the shorter side in pixels, or (height, width) to ignore the aspect ratio; ``crop`` the side of the
    centre square. Pixels are divided by 255 and multiplied by ``range`` (1.0 or 255.0), then normalised by ``mean`` and
    ``std`` in ``channel_order``. ``long_side`` says how the longer side is rounded; torchvision truncates (floor), and
    so does most code with Pillow.
    """

    resize: int | tuple[int, int]
    crop: int
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    antialias: bool = True
    channel_order: Literal["RGB", "BGR"] = "RGB"
    range: float = 1.0
    long_side: LongSide = "floor"


def view(preprocess: Preprocess, resize: int | tuple[int, int], **fields: Any) -> View:
    """A view at the size ``resize`` with the interpolation, antialiasing and rounding of ``preprocess``."""
    return View(
        resize,
        interpolation=preprocess.interpolation,
        antialias=preprocess.antialias,
        long_side=preprocess.long_side,
        **fields,
    )


def center(preprocess: Preprocess, **fields: Any) -> View:
    """The one view that the weights were published with: resize, then the centre crop."""
    return view(preprocess, preprocess.resize, crop=Crop(preprocess.crop), **fields)


def with_overrides(preprocess: Preprocess, overrides: Sequence[tuple[str, Any]]) -> Preprocess:
    """The preprocessing with the fields that a user set after the protocol's colon."""
    return dataclasses.replace(preprocess, **dict(overrides))
