"""PNG files of 16 bits a value, which Pillow does not write for colours."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from numpy.typing import NDArray


def png16(values: NDArray[Any]) -> bytes:
    """A PNG of values from 0 to 65535: grey (h, w), grey with alpha (h, w, 2), RGB (h, w, 3) or RGBA (h, w, 4)."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if values.ndim == 2 else values.shape[2]]
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
