"""``jpeg``: pictures that are written as JPEG and read again."""

from __future__ import annotations

from typing import Literal

from benchsuite import BadParameter, Perturbation, Protocol, expected, hookimpl, perturbing

Subsampling = Literal["4:2:0", "4:2:2", "4:4:4"]

_CODEC = "benchsuite.protocols._jpeg_codec"


def compressed(*, quality: int = 75, subsampling: Subsampling = "4:2:0") -> Perturbation:
    """Rounds pixels to whole levels of 255, writes the crop as JPEG in memory, and reads it again.

    Raises ``BadParameter`` for a ``quality`` outside 1..100.
    """
    if not 1 <= quality <= 100:
        raise BadParameter(expected("quality of jpeg", "a whole number from 1 to 100, such as 75", quality))
    parameters = (("quality", quality), ("subsampling", subsampling))
    return Perturbation("jpeg", f"{_CODEC}:compress", parameters, reference=f"{_CODEC}:compress_reference")


JPEG = perturbing(
    "jpeg",
    compressed,
    note=(
        "The crop is rounded to 8 bits, written as JPEG by Pillow with this quality, and read again. quality=75 and "
        "subsampling=4:2:0 are Pillow's defaults. The curve over quality shows what JPEG costs, beside that of lowpass "
        "over r: --sweep quality=10,30,50,75,95. Images that are JPEG files are compressed a second time."
    ),
    source="Pillow's JPEG encoder and its scale of quality; no published test",
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``jpeg``."""
    return (JPEG,)
