"""Sizes of resized images, and parameter types that several protocols share."""

from __future__ import annotations

from typing import Literal

from benchsuite import BadParameter, Preprocess, expected

Rounding = Literal["round", "ceil", "floor"]
Spatial = Literal["mean", "gap", "prob", "avgmax"]


def short_side(preprocess: Preprocess) -> int:
    """The shorter side, in pixels, that the weights were published with."""
    return min(preprocess.resize) if isinstance(preprocess.resize, tuple) else preprocess.resize


def roomy_side(preprocess: Preprocess) -> int:
    """The shorter side for protocols with crops at several positions.

    It is the published one, or ``round(crop * 256 / 224)`` if that leaves no margin around the crop (32 of 32 for
    CIFAR), since then all crops would be equal.
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
