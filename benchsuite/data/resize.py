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


def crop_origin(height: int, width: int, crop: Crop) -> tuple[int, int]:
    """(top, left) of a crop in an image of that size; a shift is clipped at the border."""
    origin = []
    for margin, fraction, shift in zip(
        (height - crop.size, width - crop.size), crop.fractions, crop.shift, strict=True
    ):
        exact = margin * fraction
        position = round(exact) if crop.rounding == "round" else getattr(math, crop.rounding)(exact)
        origin.append(min(max(position + shift, 0), margin))
    return origin[0], origin[1]


def resize(image: Any, height: int, width: int, view: View) -> NDArray[np.uint8]:
    """Resamples a Pillow image or a uint8 (H, W, 3) array to uint8 (height, width, 3).

    With antialias this is Pillow's resize; without it, each output pixel samples its nearest input pixels, as
    ``torch.nn.functional.interpolate(antialias=False)`` does. Raises ``TooLarge`` if the result would have more than
    ``Image.MAX_IMAGE_PIXELS`` pixels, as that of a very narrow image may.
    """
    import numpy as np
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is not None and height * width > Image.MAX_IMAGE_PIXELS:
        before, rule = size(image), f"of at most {Image.MAX_IMAGE_PIXELS} pixels after its resize"
        raise TooLarge(expected("an image", rule, f"{before[1]} x {before[0]} resized to {width} x {height}"))
    if view.antialias or view.interpolation == "nearest":
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        if picture.size == (width, height):
            return np.asarray(picture)
        return np.asarray(picture.resize((width, height), Image.Resampling[view.interpolation.upper()]))
    pixels = np.asarray(image)
    if pixels.shape[:2] == (height, width):
        return pixels
    rows = _sample(pixels.astype(np.float32), height, 0, view.interpolation)
    both = _sample(rows, width, 1, view.interpolation)
    return np.asarray(np.clip(np.rint(both), 0, 255).astype(np.uint8))


def resize_bytes(height: int, width: int, view: View) -> int:
    """Upper bound on the bytes ``resize`` needs for a result of that size: Pillow's image and the array, or floats."""
    return (8 if view.antialias or view.interpolation == "nearest" else 32) * height * width


def cut(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    """The crop of a view from a resized image, not yet mirrored. (H, W, 3) -> (h, w, 3), a slice.

    A mirrored view crops the mirrored image, so its columns are counted from the right. A view whose perturbation needs
    the whole image is not cropped here. Of a view with a border, it is a copy.
    """
    crop, pad = view.early_crop, view.pad
    height, width = (side + 2 * pad for side in pixels.shape[:2])
    if crop is None:
        return pixels if not pad else _bordered(pixels, -pad, -pad, (height, width), view.border)
    top, left = crop_origin(height, width, crop)
    if view.flip:
        left = width - crop.size - left
    if pad:
        return _bordered(pixels, top - pad, left - pad, (crop.size, crop.size), view.border)
    return pixels[top : top + crop.size, left : left + crop.size]


def _bordered(
    pixels: NDArray[np.uint8], top: int, left: int, shape: tuple[int, int], border: Border
) -> NDArray[np.uint8]:
    """A part of an image that may reach beyond it, by less than a side where the image is reflected."""
    import numpy as np

    index, inside = [], []
    for start, length, side in zip((top, left), shape, pixels.shape[:2], strict=True):
        place = np.abs(np.arange(start, start + length))
        index.append(np.minimum(place, 2 * (side - 1) - place).clip(0))
        inside.append((np.arange(start, start + length) >= 0) & (place < side))
    part = pixels[np.ix_(*index)]
    if border == "zero":
        part[~(inside[0][:, None] & inside[1])] = 0
    return part


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
