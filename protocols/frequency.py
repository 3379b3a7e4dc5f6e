"""``lowpass`` and ``highpass``: the pictures without their high, or without their low, spatial frequencies."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Literal

from benchsuite import BadParameter, Perturbation, Protocol, expected, hookimpl, perturbing

Rule = Literal["le", "lt"]
Range = Literal["none", "clip", "max"]
Unit = Literal["pixels", "fraction"]
Extent = Literal["crop", "image"]

_FILTER = "benchsuite.protocols._frequency_filter"


def _filter(
    name: str,
    *,
    r: Fraction = Fraction(12),
    unit: Unit = "pixels",
    rule: Rule = "le",
    range: Range = "none",
    on: Extent = "crop",
) -> Perturbation:
    """Keeps the frequencies within the radius ``r``, or the others. ``range`` treats pixels outside [0, 1].

    ``r`` is in pixels of the spectrum: whole waves per side of a square picture, per shorter side of another one. With
    ``unit=fraction`` it is in waves per pixel, of which 0.5 is the most along a row. Raises ``BadParameter`` for a
    radius below 0.
    """
    if r < 0:
        raise BadParameter(expected(f"r of {name}", "0 or more", r))
    if unit == "fraction" and r > 1:
        raise BadParameter(expected(f"r of {name} with unit=fraction", "from 0 to 1, in waves per pixel", r))
    parameters = (("r", r), ("unit", unit), ("rule", rule), ("range", range))
    return Perturbation(name, f"{_FILTER}:{name}", parameters, on=on, reference=f"{_FILTER}:{name}_reference")


low_pass = partial(_filter, "lowpass")
high_pass = partial(_filter, "highpass")

_NOTE = (
    "The pictures without their {lost} spatial frequencies. Each channel of the crop, pixels in [0, 1], is transformed "
    "(FFT), the frequencies {kept} the disc of radius r around the mean are kept, and the picture is transformed back. "
    "rule=le counts the circle itself to the disc, as the paper writes; rule=lt does not, as its code. Pixels may "
    "leave [0, 1]: range=none leaves them, clip cuts them off, max divides each picture by its largest value, as the "
    "code does (its test originals are not divided). on=image filters the whole resized image before the crop. of= "
    "names the protocol whose views are filtered. The paper uses r = 4, 8, 12, 16 on 32 pixels, and the code 20, 24, "
    "28 too: --sweep r=4,8,12,16,20,24,28. A picture of another size needs another r: unit=fraction gives it in waves "
    "per pixel."
)
_SOURCE = "Wang et al. 2020 (arXiv:1905.13545), sec. 3, and HaohanWang/HFC"

LOW_PASS = perturbing("lowpass", low_pass, note=_NOTE.format(lost="high", kept="inside"), source=_SOURCE)
HIGH_PASS = perturbing("highpass", high_pass, note=_NOTE.format(lost="low", kept="outside"), source=_SOURCE)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``lowpass`` and ``highpass``."""
    return LOW_PASS, HIGH_PASS
