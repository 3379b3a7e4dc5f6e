"""Small made-up files in the formats of MNIST and SVHN."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_mnist(root: Path, prefix: str, count: int, *, packed: bool = False) -> tuple[NDArray[np.uint8], list[int]]:
    """Noise with a bright square at the position of the class. Returns the (n, 28, 28) pixels and the labels."""
    random = np.random.default_rng(count)
    labels = [i % 10 for i in range(count)]
    pixels = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    for i, label in enumerate(labels):
        row, column = divmod(label, 5)
        pixels[i, 2 + 12 * row : 12 + 12 * row, 5 * column + 1 : 5 * column + 6] = 250
    root.mkdir(parents=True, exist_ok=True)
    for name, axes, data in (
        ("images-idx3", pixels.shape, pixels.tobytes()),
        ("labels-idx1", (count,), bytes(labels)),
    ):
        content = struct.pack(f">I{len(axes)}I", 0x800 | len(axes), *axes) + data
        file = root / f"{prefix}-{name}-ubyte{'.gz' if packed else ''}"
        file.write_bytes(gzip.compress(content) if packed else content)
    return pixels, labels


def write_svhn(root: Path, split: str, count: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Noise, with labels 1 to 10 as MATLAB stores them. Returns the (n, 32, 32, 3) pixels and the labels as stored."""
    from scipy.io import savemat

    pixels = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = [1 + i % 10 for i in range(count)]
    root.mkdir(parents=True, exist_ok=True)
    y = np.array(labels, dtype=np.uint8)[:, None]
    savemat(root / f"{split}_32x32.mat", {"X": pixels.transpose(1, 2, 3, 0), "y": y}, do_compression=True)
    return pixels, labels
