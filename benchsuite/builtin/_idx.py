"""The idx format of MNIST: a magic number, the size of each axis as 32-bit big-endian integers, then bytes."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite import DataError, expected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_UBYTE = 0x08


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
