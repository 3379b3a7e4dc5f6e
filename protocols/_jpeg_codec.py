"""JPEG in memory, by Pillow on the host: for batches on any device, and for one image in NumPy."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def compress(x: Any, batch: Any, *, quality: int, subsampling: str) -> Any:
    """float32 (n, 3, h, w) in [0, 1] -> the same, as JPEG leaves it: multiples of 1/255. ``batch`` is not used.

    The division by 255 is done on the host, so that the result has the same bits on every device.
    """
    import torch

    levels = (x * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    read = np.stack([written_and_read(image, quality, subsampling) for image in levels])
    return torch.from_numpy(read.astype(np.float32) / np.float32(255)).to(x.device).permute(0, 3, 1, 2)


def compress_reference(x: Any, image: Any, *, quality: int, subsampling: str) -> Any:
    """The same for one image: (h, w, 3). ``image`` is not used."""
    levels = np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)
    return written_and_read(levels, quality, subsampling) / 255


def written_and_read(image: Any, quality: int, subsampling: str) -> Any:
    """uint8 (h, w, 3) RGB -> the same, written as JPEG and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(file) as opened:
        return np.asarray(opened)
