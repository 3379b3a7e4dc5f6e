"""The idx format of MNIST: a magic number, the size of each axis as 32-bit big-endian integers, then bytes.

Four files hold a data set: pictures and labels, of ``t10k`` for testing and of ``train``.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite import DataError, Dataset, Split, SplitName, expected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UBYTE = 0x08
_SIDE = 28


def open_idx(dataset: Dataset, root: Path, split: SplitName, classes: tuple[str, ...]) -> Split:
    """The grey pictures of 28 x 28 pixels in ``root`` or its folder ``raw``, from idx files, raw or .gz.

    Raises ``DataError`` for files that are missing, broken, or do not fit together.
    """
    from benchsuite.builtin import _files, _rows

    prefix = "t10k" if split == "test" else "train"
    pictures = _file(root, f"{prefix}-images-idx3-ubyte", dataset.download)
    names = _file(root, f"{prefix}-labels-idx1-ubyte", dataset.download)
    pixels, labels = read_idx(pictures, 3), read_idx(names, 1)
    if pixels.shape[1:] != (_SIDE, _SIDE):
        size = " x ".join(map(str, pixels.shape[1:]))
        raise DataError(expected("the pictures", f"of {_SIDE} x {_SIDE} pixels", size, str(pictures)))
    if len(labels) != len(pixels):
        raise DataError(expected("the labels", f"as many as the {len(pixels)} pictures", len(labels), str(names)))
    if not len(labels) or labels.max() >= len(classes):
        got = labels.max() if len(labels) else "no labels"
        raise DataError(expected("the labels", f"from 0 to {len(classes) - 1}", f"{got}", str(names)))
    part = _rows.Part(pixels, labels.tolist(), range(len(pixels)), str(pictures), _files.file_stamp(pictures))
    ids = [f"{split}-{i:05d}" for i in range(len(pixels))]
    return _rows.row_split(dataset.name, [part], ids, classes, mirror=dataset.mirror, picture=_rows.grey_picture)


def _file(root: Path, name: str, download: str) -> Path:
    places = [folder / f"{name}{end}" for folder in (root, root / "raw") for end in ("", ".gz")]
    for place in places:
        if place.is_file():
            return place
    raise DataError(expected(f"{name} or {name}.gz", "at its place", "no file", f"{root}: {download}"))


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The uint8 array of an idx file, raw or .gz, with that many axes. Raises ``DataError`` naming the file."""
    import numpy as np

    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(expected("an idx file", "whole and readable", str(error), str(path))) from None
    header = 4 * (1 + axes)
    magic = _UBYTE << 8 | axes
    if len(data) < header or struct.unpack_from(">I", data)[0] != magic:
        raise DataError(
            expected("an idx file", f"one that begins with {struct.pack('>I', magic)!r}", data[:4], str(path))
        )
    shape = struct.unpack_from(f">{axes}I", data, 4)
    if len(data) - header != math.prod(shape):
        size = " x ".join(map(str, shape))
        raise DataError(expected("an idx file", f"{size} bytes after its header", len(data) - header, str(path)))
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)
