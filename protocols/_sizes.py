"""The sizes that protocols test at, and the choices that several of them offer."""

from __future__ import annotations

from typing import Literal

from benchsuite import BadParameter, Preprocess, expected

Rounding = Literal["round", "ceil", "floor"]
Spatial = Literal["mean", "gap", "prob", "avgmax"]


def short_side(preprocess: Preprocess) -> int:
    """The shorter side, in pixels, that the weights were published with."""
    return min(preprocess.resize) if isinstance(preprocess.resize, tuple) else preprocess.resize


def roomy_side(preprocess: Preprocess) -> int:
    """The shorter side for protocols that move a crop about.

    It is the published one, but ``round(crop * 256 / 224)`` where that leaves no margin around the crop (CIFAR's 32
    of 32): every crop would be the same.
    """
    short = short_side(preprocess)
    return round(preprocess.crop * 256 / 224) if short == preprocess.crop else short


def sized(preprocess: Preprocess, short: int) -> int | tuple[int, int]:
    """A resize to ``short`` pixels that ignores the aspect ratio where the preprocessing ignores it."""
    if not isinstance(preprocess.resize, tuple):
        return short
    height, width = preprocess.resize
    return round(height * short / min(height, width)), round(width * short / min(height, width))


def checked(scales: tuple[int, ...]) -> tuple[int, ...]:
    """The short sides that a user asked for. Raises ``BadParameter`` when there is none, or one given twice."""
    if not scales:
        raise BadParameter(expected("scales", "one short side or more, such as 224+256", "none"))
    if len(set(scales)) < len(scales):
        raise BadParameter(expected("scales", "given once each", "+".join(map(str, scales))))
    return scales
