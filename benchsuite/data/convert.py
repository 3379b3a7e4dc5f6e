"""How an image becomes RGB of 8 bits if the user says how, instead of by Pillow's ``convert("RGB")`` does it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchsuite.errors import DataError, expected
from benchsuite.specs.dataset import Conversion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OTHER = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
"""The other byte order of Pillow's names of raw data: read in it, the upper byte of a value is the lower one."""


def destroyed(mode: str) -> bool:
    """Whether Pillow's conversion to RGB would cut off the values of this mode at 255: 16 bits, integers, floats."""
    return mode.startswith(("I", "F"))


def deep(image: Any) -> bool:
    """Whether an opened image, not yet loaded, has colours of 16 bits, of which Pillow reads the upper 8."""
    return not destroyed(image.mode) and any(_raw(tile)[-3:] in _OTHER for tile in getattr(image, "tile", ()))


def transparent(image: Any) -> bool:
    """Whether an opened image has an alpha band or a transparent colour."""
    return "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa")


def converted(image: Any, conversion: Conversion, reopen: Callable[[], Any], name: str) -> Any:
    """An opened image as a Pillow image in mode RGB. ``reopen()`` opens the same file again.

    16 bits are scaled as the nearest integer to value * 255 / 65535, which is never halfway between two; floats as
    that to value * 255, half to even; alpha a over white or black as the nearest to (c * a + ground * (255 - a)) / 255.

    Raises ``DataError`` for floats outside 0 to 1, and for integers and layouts whose full scale is not known.
    """
    from PIL import Image

    grey, colours = destroyed(image.mode), deep(image)
    if conversion.depth == "scale" and (grey or colours):
        if conversion.alpha != "drop" and "transparency" in image.info:
            raise _refused("a transparent colour of 16 bits", name)
        picture = Image.fromarray(_grey(image, name) if grey else _colours(image, reopen, name))
    else:
        picture = image
    if conversion.alpha == "drop" or not transparent(picture):
        return picture.convert("RGB")
    return Image.fromarray(_over(picture.convert("RGBA"), 255 if conversion.alpha == "white" else 0))


def _grey(image: Any, name: str) -> NDArray[np.uint8]:
    """The values of an image with one band of more than 8 bits: (h, w) uint8."""
    import numpy as np

    values = np.asarray(image)
    if image.mode == "F":
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 1):  # also for NaN
            raise _refused(f"floats from {low:g} to {high:g}", name)
        return np.rint(values.astype(np.float64) * 255).astype(np.uint8)
    if image.mode == "I" and image.format != "PPM":  # Pillow reads PGM files as 0 to 65535, whatever their maximum
        raise _refused("integers of unknown scale", name)
    return _scaled(values)


def _colours(image: Any, reopen: Callable[[], Any], name: str) -> NDArray[np.uint8]:
    """The values of an image with colours of 16 bits: (h, w, 3) or (h, w, 4) uint8."""
    import numpy as np

    kinds = {_raw(tile).partition(";")[0] for tile in image.tile}
    if kinds not in ({"RGB"}, {"RGBA"}):
        raise _refused(f"16 bits as {' and '.join(sorted(kinds))}", name)
    upper = np.asarray(image)
    with reopen() as again:
        again.tile = [_swapped(tile) for tile in again.tile]
        lower = np.asarray(again)
    return _scaled(upper.astype(np.uint16) * 256 + lower)


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """16 bits to 8: the nearest integer to value / 257."""
    import numpy as np

    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _over(picture: Any, ground: int) -> NDArray[np.uint8]:
    """An RGBA image over a ground of one grey: (h, w, 3) uint8."""
    import numpy as np

    values = np.asarray(picture).astype(np.uint32)
    alpha = values[..., 3:]
    return ((values[..., :3] * alpha + ground * (255 - alpha) + 127) // 255).astype(np.uint8)


def _raw(tile: Any) -> str:
    """Pillow's name of the raw data of a tile, such as ``RGB;16B``; empty if it has none."""
    words = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
    return words[0] if words and isinstance(words[0], str) else ""


def _swapped(tile: Any) -> Any:
    """A tile that is read in the other byte order."""
    raw = _raw(tile)
    other = raw[:-3] + _OTHER[raw[-3:]]
    return tile._replace(args=(other, *tile[3][1:]) if isinstance(tile[3], tuple) else other)


def _refused(got: str, name: str) -> DataError:
    return DataError(expected("an image with depth=scale", "of 8 or 16 bits, or of floats from 0 to 1", got, name))
