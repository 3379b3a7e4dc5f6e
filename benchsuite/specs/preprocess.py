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


def describe(preprocess: Preprocess) -> str:
    """A preprocessing in words: short side, crop, interpolation, mean and std, and what is unusual."""
    p = preprocess
    side = f"short side {p.resize}" if isinstance(p.resize, int) else f"resize to {p.resize[0]}x{p.resize[1]}"
    mean, std = (", ".join(f"{x:g}" for x in values) for values in (p.mean, p.std))
    words = [side, f"crop {p.crop}", p.interpolation, *([] if p.antialias else ["no antialiasing"])]
    words += [f"mean {mean}", f"std {std}", *([] if p.channel_order == "RGB" else [p.channel_order])]
    return ", ".join([*words, *([] if p.range == 1 else [f"range 0 to {p.range:g}"])])


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
