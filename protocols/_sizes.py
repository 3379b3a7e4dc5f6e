"""Sizes of resized images, and parameter types that several protocols share."""

from __future__ import annotations

from typing import Literal

from benchsuite import BadParameter, Crop, Preprocess, View, expected, view

Rounding = Literal["round", "ceil", "floor"]
Spatial = Literal["mean", "gap", "prob", "avgmax"]
Border = Literal["reflect", "zero"]

SMALL = 96
"""Largest crop, in pixels, of data sets whose images are stored at the size that networks read.

MNIST's have 28 pixels, CIFAR's 32, those of Tiny ImageNet 64 and of STL-10 96. Nothing lies around such a crop.
"""


def short_side(preprocess: Preprocess) -> int:
    """The shorter side, in pixels, that the weights were published with."""
    return min(preprocess.resize) if isinstance(preprocess.resize, tuple) else preprocess.resize


def roomy_side(preprocess: Preprocess) -> int:
    """The shorter side for protocols with crops at several positions.

    It is the published one, or ``round(crop * 256 / 224)`` if that leaves no margin around the crop (32 of 32 for
    CIFAR), since then all crops would be equal. Small images get a border instead, see ``usual_pad``.
    """
    short = short_side(preprocess)
    return round(preprocess.crop * 256 / 224) if short == preprocess.crop else short


def sized(preprocess: Preprocess, short: int) -> int | tuple[int, int]:
    """The resize to a short side of ``short`` pixels; (height, width) if the preprocessing ignores the aspect ratio."""
    if not isinstance(preprocess.resize, tuple):
        return short
    height, width = preprocess.resize
    return round(height * short / min(height, width)), round(width * short / min(height, width))


def checked(scales: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the short sides of a user unchanged. Raises ``BadParameter`` if there are none or one is given twice."""
    if not scales:
        raise BadParameter(expected("scales", "one short side or more, such as 224+256", "none"))
    if len(set(scales)) < len(scales):
        raise BadParameter(expected("scales", "given once each", "+".join(map(str, scales))))
    return scales


def usual_pad(preprocess: Preprocess, short: int) -> int:
    """The border in pixels around an image of that short side, for crops at several positions.

    An eighth of the crop for small images without a margin, which is 4 of 32, as CIFAR's images are padded in training
    (He et al. 2015, arXiv:1512.03385, sec. 4.2). 0 for all others.
    """
    return preprocess.crop // 8 if short == preprocess.crop <= SMALL else 0


def framed(preprocess: Preprocess, short: int, crop: Crop, flip: bool, pad: int, border: Border) -> View:
    """The view of a crop of an image with a border. The centre crop needs none: it is the view of ``1crop``."""
    size = sized(preprocess, short)
    if pad == 0 or (crop.fractions == (0.5, 0.5) and crop.shift == (0, 0) and crop.size <= short):
        return view(preprocess, size, crop=crop, flip=flip)
    return view(preprocess, size, crop=crop, flip=flip, pad=pad, border=border)
