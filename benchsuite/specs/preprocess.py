"""How pixels reach a network: short side, crop, interpolation, mean and standard deviation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
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


def from_data(data: Mapping[str, Any]) -> Preprocess:
    """The inverse of ``dataclasses.asdict``, also after JSON."""
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return Preprocess(**fields)


def in_words(preprocess: Preprocess) -> str:
    """``short side 256, crop 224, bilinear, RGB from 0 to 1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225``."""
    p = preprocess
    size = f"short side {p.resize}" if isinstance(p.resize, int) else f"{p.resize[0]}x{p.resize[1]} pixels"
    how = p.interpolation if p.antialias else f"{p.interpolation} without antialiasing"
    return ", ".join([size, f"crop {p.crop}", how, *normalisation_in_words(p)])


def normalisation_in_words(preprocess: Preprocess) -> list[str]:
    """``RGB from 0 to 1``, ``mean 0.485 0.456 0.406``, ``std 0.229 0.224 0.225``: all but sizes and resampling."""
    p = preprocess
    numbers = [f"{name} {' '.join(f'{v:g}' for v in values)}" for name, values in (("mean", p.mean), ("std", p.std))]
    return [f"{p.channel_order} from 0 to {p.range:g}", *numbers]
