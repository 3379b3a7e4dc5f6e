"""Draws what a page shows about spatial frequencies: filtered pictures, kernels and their spectra."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchsuite.data import resize
from benchsuite.explanation.frequency.analysis import Kernels, Triple
from benchsuite.specs.dataset import Split
from benchsuite.specs.view import View, resized_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TINY = 64
"""Pictures of at most this many pixels per side are enlarged by the page without interpolation, and stored as PNG."""

SHOWN, SHOWN_LARGE = 12, 6
"""At most this many triples are shown, of tiny and of larger pictures."""

TILE, GAP = 40, 4
"""The side of a drawn kernel, and the space between two, in pixels."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as a data URI."""

    uri: str
    width: int
    height: int

    @property
    def tiny(self) -> bool:
        """Whether the page enlarges it without interpolation."""
        return max(self.width, self.height) <= TINY


@dataclass(frozen=True, slots=True)
class DrawnTriple:
    """An image as it is, its low-pass picture, and its high-pass picture plus 0.5."""

    triple: Triple
    original: Drawn
    low: Drawn
    high: Drawn


def triples(shown: Sequence[Triple], views: tuple[View, View, View], split: Split) -> tuple[DrawnTriple, ...]:
    """Draws the first triples in these views. Raises ``DataError`` for an image that cannot be read."""
    samples = {sample.id: sample for sample in split.samples}
    drawn = list[DrawnTriple]()
    for triple in shown[:SHOWN]:
        if triple.id not in samples or (len(drawn) >= SHOWN_LARGE and not drawn[0].original.tiny):
            break
        image = split.read(samples[triple.id])
        original, low, high = (seen(image, view) for view in views)
        drawn.append(DrawnTriple(triple, picture(original), picture(low), picture(high + 0.5)))
    return tuple(drawn)


def seen(image: Any, view: View) -> NDArray[np.float64]:
    """What a network sees of a decoded image in a view, in [0, 1] before any perturbation: float64 (h, w, 3).

    The perturbation is computed by its NumPy ``reference``, without torch. It must not need the image's id or gradient.
    """
    import numpy as np

    shape = resized_shape(*resize.size(image), view)
    pixels = resize.cut(resize.resize(image, *shape, view), view)
    unit = np.asarray(pixels[:, ::-1] if view.flip else pixels, dtype=np.float64) / 255
    if view.perturbation is None:
        return unit
    changed: NDArray[np.float64] = view.perturbation.function("reference")(unit, None, **view.perturbation.keywords)
    return changed


def picture(pixels: NDArray[np.float64]) -> Drawn:
    """Pixels (h, w, 3) as a PNG, or as a JPEG of high quality if they are many; values outside [0, 1] are cut off."""
    import numpy as np
    from PIL import Image

    levels = np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    return _encoded(Image.fromarray(levels), lossless=max(levels.shape[:2]) <= TINY)


def kernels(found: Kernels) -> tuple[Drawn, Drawn]:
    """The kernels side by side, and the size of their spectra in the same order; each is scaled by its own maximum.

    A kernel of three channels is drawn in colour, where mid-grey is 0; of another number as the mean over its channels.
    In a spectrum the mean is in the centre, and the Nyquist frequency at the middle of each side.
    """
    import numpy as np

    weights = [np.array(kernel) for kernel in found.weights]
    tiles, spectra = [], []
    for kernel in weights:
        largest = float(np.abs(kernel).max()) or 1.0
        shown = kernel if len(kernel) == 3 else kernel.mean(axis=0, keepdims=True).repeat(3, axis=0)
        tiles.append(0.5 + 0.5 * shown.transpose(1, 2, 0) / largest)
        size = np.abs(np.fft.fft2(kernel, s=(found.side, found.side)))
        whole = np.fft.fftshift(np.sqrt((size**2).sum(axis=0)))
        spectra.append((whole / (float(whole.max()) or 1.0))[:, :, None].repeat(3, axis=2))
    return _sheet(tiles), _sheet(spectra)


def _sheet(tiles: Sequence[NDArray[np.float64]]) -> Drawn:
    """Small pictures in rows, each enlarged without interpolation, on a transparent background."""
    import numpy as np
    from PIL import Image

    columns = min(8, math.ceil(math.sqrt(len(tiles))))
    rows = math.ceil(len(tiles) / columns)
    step = TILE + GAP
    canvas = Image.new("RGBA", (columns * step - GAP, rows * step - GAP))
    for number, tile in enumerate(tiles):
        one = Image.fromarray(np.rint(255 * np.clip(tile, 0, 1)).astype(np.uint8))
        at = number % columns * step, number // columns * step
        canvas.paste(one.resize((TILE, TILE), Image.Resampling.NEAREST), at)
    return _encoded(canvas, lossless=True)


def _encoded(image: Any, *, lossless: bool) -> Drawn:
    buffer = io.BytesIO()
    options: Mapping[str, Any] = {"optimize": True} if lossless else {"quality": 90, "subsampling": 0}
    image.save(buffer, "PNG" if lossless else "JPEG", **options)
    kind = "png" if lossless else "jpeg"
    return Drawn(f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode(), *image.size)
