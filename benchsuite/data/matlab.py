"""Reads numbers and texts of an array of structs in a MATLAB file (level 5), such as ``meta.mat`` of development kits.

scipy's reader can end the process with a segmentation fault on a damaged file. The format:
https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _CHAR = 2, 4
_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
"""The format of a number by its type."""
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}
"""The encoding of a text by its type."""

Element = tuple[int, memoryview]
"""The type and the bytes of a part of a file."""


def matlab_structs(content: bytes, name: str) -> list[dict[str, float | str | None]]:
    """The first number or the text of each field of each struct of the array ``name``; None for a field of another
    kind. Raises ``ValueError`` if there is no such array, and for a damaged file.
    """
    try:
        order = {b"IM": "<", b"MI": ">"}[content[126:128]]
        for kind, data in _elements(memoryview(content)[_HEADER:], order):
            inner = next(_elements(memoryview(zlib.decompress(data)), order)) if kind == _COMPRESSED else (kind, data)
            found = _matrix(inner, order)
            if found is not None and found[0] == name and isinstance(found[1], list):
                return found[1]
    except (struct.error, zlib.error, IndexError, KeyError, StopIteration, RecursionError) as error:
        raise ValueError(f"a damaged MATLAB file ({type(error).__name__})") from None
    raise ValueError(f"no array {name} of structs")


def _elements(data: memoryview, order: str) -> Iterator[Element]:
    """The parts in these bytes, one after the other."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # at most four bytes, in the second half of the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            at += 8
        else:
            at = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > len(data):
            raise IndexError
        yield kind, data[start : start + size]


def _matrix(element: Element, order: str) -> tuple[str, Any] | None:
    """The name and the value of an array: the structs, the first number, a text, or None for other kinds."""
    kind, data = element
    if kind != _MATRIX or not data:
        return None
    parts = _elements(data, order)
    what, _, named = (next(parts)[1] for _ in range(3))
    name = bytes(named).decode("latin-1")
    form = struct.unpack_from(f"{order}I", what)[0] & 255
    if form == _STRUCT:
        (width,) = struct.unpack_from(f"{order}i", next(parts)[1])
        text = bytes(next(parts)[1])
        fields = [text[i : i + width].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), width)]
        values = [found and found[1] for found in (_matrix(part, order) for part in parts)]
        return name, [dict(zip(fields, values[i:], strict=False)) for i in range(0, len(values), len(fields))]
    stored, content = next(parts, (0, memoryview(b"")))
    if form == _CHAR:
        encoding = _TEXTS[stored]
        ending = {"<": "-le", ">": "-be"}[order] if encoding == "utf-16" else ""
        return name, bytes(content).decode(encoding + ending)
    if stored in _NUMBERS and content:
        return name, struct.unpack_from(order + _NUMBERS[stored], content)[0]
    return name, None
