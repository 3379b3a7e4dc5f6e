"""A short check, before its first use on a device, that the resize there has the bits of the installed Pillow."""

from __future__ import annotations

import functools
from typing import Any, get_args

import numpy as np
import torch

from benchsuite.models.resize.resampling import resized
from benchsuite.specs.view import Interpolation

SHAPES = ((37, 50, 20, 27), (20, 27, 37, 50), (90, 40, 20, 30), (9, 70, 11, 3), (1, 5, 8, 1))
"""Height and width before and after: smaller, larger, the vertical pass first, each its own way, one pixel."""


@functools.cache
def pillow() -> int:
    """The major version of the installed Pillow."""
    import PIL

    return int(PIL.__version__.partition(".")[0])


@functools.cache
def difference(device: Any) -> str:
    """In which way the resize on a device differs from that of the installed Pillow; empty if it does not.

    Every filter resizes noise to ``SHAPES``. Other builds of Pillow, such as pillow-simd, round otherwise; so may
    versions that do not exist yet.
    """
    import PIL
    from PIL import Image

    for height, width, high, wide in SHAPES:
        noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        there = torch.from_numpy(noise)[None].to(device)
        for name in get_args(Interpolation):
            theirs = np.asarray(Image.fromarray(noise).resize((wide, high), Image.Resampling[name.upper()]))
            ours = resized(there, high, wide, name, pillow())[0].cpu().numpy()
            if not np.array_equal(ours, theirs):
                sizes = f"{name} from {width} x {height} to {wide} x {high}"
                return f"the device's resize has other bits than Pillow {PIL.__version__} here ({sizes})"
    return ""
