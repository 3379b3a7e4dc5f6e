"""Geometry and resampling of uint8 images, equal to Pillow's and torchvision's down to the last bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchsuite.errors import TooLarge, expected
from benchsuite.specs.view import Border, Crop, View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def size(image: Any) -> tuple[int, int]:
    """(height, width) of a Pillow image or a (H, W, 3) array."""
    if hasattr(image, "shape"):
        return int(image.shape[0]), int(image.shape[1])
    return int(image.height), int(image.width)


def crop_origin(height: int, width: int, crop: Crop, pad: int = 0) -> tuple[int, int]:
    """(top, left) of a crop in an image of that size; a shift is clipped where the image or its border ends.

    Negative in a border of ``pad`` pixels. Half a pixel is rounded as without a border, which moves no centre crop.
    """
    origin = []
    for side, fraction, shift in zip((height, width), crop.fractions, crop.shift, strict=True):
        first, last = -pad, side + pad - crop.size
        exact = first + (last - first) * fraction
        position = round(exact) if crop.rounding == "round" else getattr(math, crop.rounding)(exact)
        origin.append(min(max(position + shift, first), last))
    return origin[0], origin[1]


def resize(image: Any, height: int, width: int, view: View) -> NDArray[np.uint8]:
    """Resamples a Pillow image or a uint8 (H, W, 3) array to uint8 (height, width, 3).

    With antialias this is Pillow's resize; without it, each output pixel samples its nearest input pixels, as
    ``torch.nn.functional.interpolate(antialias=False)`` does. An array of that size is returned itself.

    Raises ``TooLarge`` if the result would have more than ``Image.MAX_IMAGE_PIXELS`` pixels, as that of a very narrow
    image may.
    """
    import numpy as np
    from PIL import Image

    refuse_large(size(image), (height, width))
    if size(image) == (height, width):
        return np.asarray(image)
    if by_pillow(view):
        picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
        return np.asarray(picture.resize((width, height), Image.Resampling[view.interpolation.upper()]))
    pixels = np.asarray(image)
    rows = _sample(pixels.astype(np.float32), height, 0, view.interpolation)
    both = _sample(rows, width, 1, view.interpolation)
    return np.asarray(np.clip(np.rint(both), 0, 255).astype(np.uint8))


def by_pillow(view: View) -> bool:
    """Whether the resize of a view is Pillow's."""
    return view.antialias or view.interpolation == "nearest"


def refuse_large(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Raises ``TooLarge`` if an image would have more than ``Image.MAX_IMAGE_PIXELS`` pixels after its resize.

    Sizes are (height, width). A loader that resizes calls it before it decodes an image.
    """
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None and math.prod(after) > Image.MAX_IMAGE_PIXELS:
        rule = f"of at most {Image.MAX_IMAGE_PIXELS} pixels after its resize"
        raise TooLarge(expected("an image", rule, "{1} x {0} resized to {3} x {2}".format(*before, *after)))


def resize_bytes(height: int, width: int, view: View) -> int:
    """Upper bound on the bytes ``resize`` needs for a result of that size: Pillow's image and the array, or floats."""
    return (8 if by_pillow(view) else 32) * height * width


Square = tuple[int, int, int]
"""(top, left, size) of a crop in a resized image; negative in a border."""


def square(height: int, width: int, view: View) -> Square | None:
    """Where the crop of a view lies in an image resized to this size, before it is mirrored; None for a whole image.

    A mirrored view crops the mirrored image, so its columns are counted from the right. A view whose perturbation needs
    the whole image is not cropped yet.
    """
    crop = view.early_crop
    if crop is None:
        return None
    top, left = crop_origin(height, width, crop, view.pad)
    return top, width - crop.size - left if view.flip else left, crop.size


def cut(pixels: NDArray[np.uint8], view: View, at: Square | None = None) -> NDArray[np.uint8]:
    """The crop of a view from a resized image, not yet mirrored. (H, W, 3) -> (h, w, 3), a slice.

    ``at`` is its ``square``, if that is known. A view of the whole image has no border yet. Of a view with a border, it
    is a copy.
    """
    found = at or square(pixels.shape[0], pixels.shape[1], view)
    if found is None:
        return pixels
    top, left, side = found
    if view.pad:
        return _bordered(pixels, top, left, side, view.border)
    return pixels[top : top + side, left : left + side]


def _bordered(pixels: NDArray[np.uint8], top: int, left: int, size: int, border: Border) -> NDArray[np.uint8]:
    """A square of an image that may reach beyond it, by less than a side where the image is reflected."""
    import numpy as np

    (rows, high), (columns, wide) = (reach(*at, size) for at in zip((top, left), pixels.shape[:2], strict=True))
    part = pixels[np.ix_(rows, columns)]
    if border == "zero":
        part[~(high[:, None] & wide)] = 0
    return part


def reach(start: int, side: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which pixels of a side are seen from ``start`` on, reflected beyond its ends; and which of these are inside."""
    import numpy as np

    wanted = np.arange(start, start + size)
    place = np.abs(wanted)
    return np.minimum(place, 2 * (side - 1) - place).clip(0), (wanted >= 0) & (place < side)


def _sample(pixels: NDArray[Any], size: int, axis: int, interpolation: str) -> NDArray[Any]:
    """Samples one axis at ``size`` half-pixel centres with 2 (bilinear) or 4 (bicubic, a = -0.75) taps."""
    import numpy as np

    length = pixels.shape[axis]
    centres = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(length / size) - 0.5
    if interpolation == "bilinear":
        centres = np.maximum(centres, 0)
        base = np.floor(centres)
        t = centres - base
        taps = [(0, 1 - t), (1, t)]
    else:
        base = np.floor(centres)
        t = centres - base
        taps = [(k - 1, _cubic(np.abs(t - (k - 1)))) for k in range(4)]
    shape = [1, 1, 1]
    shape[axis] = size
    total = np.zeros([size if i == axis else n for i, n in enumerate(pixels.shape)], dtype=np.float32)
    for offset, weight in taps:
        index = np.clip(base.astype(np.int64) + offset, 0, length - 1)
        total += np.take(pixels, index, axis=axis) * weight.astype(np.float32).reshape(shape)
    return total


def _cubic(d: NDArray[Any], a: float = -0.75) -> NDArray[Any]:
    import numpy as np

    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.asarray(np.where(d <= 1, near, far))
