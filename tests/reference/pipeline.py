"""The pixels that a network receives for its own centre crop, computed with benchsuite's functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from benchsuite import Preprocess, center
from benchsuite.data import resize
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.specs.view import resized_shape


def pixels(image: Any, preprocess: Preprocess, module: Any) -> Any:
    """A Pillow image -> float32 (1, 3, crop, crop)."""
    view = center(preprocess)
    height, width = resized_shape(image.height, image.width, view)
    cut = resize.cut(resize.resize(image, height, width, view), view)
    return Network(module, preprocess, Compute(), {}).normalised(cut[None].copy(), np.zeros(1, dtype=bool))


def noise(height: int, width: int) -> Any:
    """A Pillow image of smooth noise with sharp spots, RGB."""
    generator = np.random.default_rng(height * 1000 + width)
    small = Image.fromarray(generator.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    image = np.array(small.resize((width, height), Image.Resampling.BILINEAR))
    image[:: 1 + height // 9, :: 1 + width // 7] = generator.integers(0, 256, 3, dtype=np.uint8)
    return Image.fromarray(image)
