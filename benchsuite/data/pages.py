"""Where the values of a Parquet column lie in its file, so that one is read without the rest of its row group.

A page of values that is not compressed holds them as they are. One that is compressed by Snappy is a row of parts of
64 KiB, none of which refers to an earlier one in what the usual libraries write: a value is read from the parts that it
touches. Every place is tried before it is used, so that a file of another make loses speed only.

Formats: https://github.com/apache/parquet-format (README.md, Encodings.md, parquet.thrift),
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md,
https://github.com/google/snappy/blob/main/format_description.txt
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from benchsuite.data.places import inflated
from benchsuite.specs.dataset import Block, Place, Span

PART = 2**16
"""Bytes of the text that a part of a Snappy stream holds."""
CODECS = ("UNCOMPRESSED", "SNAPPY")
"""Compressions in which a value can be found."""
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
"""Types of pages; each has its own header, in the field ``_OWN`` of a page's header."""
_OWN = {_DATA: 5, _DICTIONARY: 7, _DATA_2: 8}
_PLAIN = 0
_LENGTH = struct.Struct("<I")

Marks = list[tuple[int, int]]
"""Where parts begin: positions in the text and in the compressed bytes."""


def places(file: str, raw: bytes, base: int, codec: str, optional: bool, values: Sequence[Any]) -> list[Place | None]:
    """The place of each value of a column of a row group; None where it cannot be found, or is empty.

    ``raw`` are the bytes of the column in the row group, which begin at ``base`` in ``file``; ``values`` are buffers
    or None. ``optional`` says that a value may be missing.
    """
    import pyarrow as pa

    wanted = {_key(value): value for value in values if value}
    found: dict[tuple[int, bytes], Place] = {}
    try:
        for place, text in _stored(file, raw, base, codec == "SNAPPY", optional):
            key = _key(text)
            if key not in found and key in wanted and _holds(place, raw, base, pa.py_buffer(text), wanted[key]):
                found[key] = place
    except Exception:  # noqa: S110  # a page of another kind raises many types; its values are read by row groups
        pass
    keys = (_key(value) if value and value.equals(wanted[_key(value)]) else None for value in values)
    return [found.get(key) if key else None for key in keys]


def _key(value: Any) -> tuple[int, bytes]:
    """The length and the end of a value: two that share it are told apart by all their bytes."""
    return len(value), bytes(memoryview(value)[-64:])


def _holds(place: Place, raw: bytes, base: int, text: Any, value: Any) -> bool:
    """Whether a value is that of a page, and is read from its place."""
    if not value.equals(text):
        return False
    if isinstance(place, Block):
        try:
            start = place.offset - base
            return bool(value.equals(inflated(place, memoryview(raw)[start : start + place.length])))
        except OSError:  # a part that refers to an earlier one
            return False
    return True


def _stored(file: str, raw: bytes, base: int, snappy: bool, optional: bool) -> Iterator[tuple[Place, memoryview]]:
    """The places and the bytes of the values in the pages of a column."""
    at = 0
    while at < len(raw):
        header, start = _struct(raw, at)
        kind, at = header[1], start + header[3]
        own = header.get(_OWN.get(kind, -1), {})
        if not own or (kind != _DICTIONARY and own[4 if kind == _DATA_2 else 2] != _PLAIN):
            continue
        start += own[5] + own.get(6, 0) if kind == _DATA_2 else 0  # which values are missing: never compressed
        packed = snappy and own.get(7, True) is not False if kind == _DATA_2 else snappy
        marks, text = _unpacked(raw, start, at) if packed else ([], memoryview(raw)[start:at])
        first = 4 + _LENGTH.unpack_from(text)[0] if kind == _DATA and optional else 0
        for begin, size in _plain(text, first):
            value = text[begin : begin + size]
            if packed:
                yield _block(file, base, marks, begin, size), value
            else:
                yield Span(file, base + start + begin, size, size), value


def _plain(text: memoryview, at: int) -> Iterator[tuple[int, int]]:
    """The position and the length of each value: each is written after its length."""
    while at < len(text):
        (size,) = _LENGTH.unpack_from(text, at)
        yield at + 4, size
        at += 4 + size


def _block(file: str, base: int, marks: Marks, begin: int, size: int) -> Block:
    """The parts that a value touches."""
    first = bisect.bisect_right(marks, (begin, 2**63)) - 1
    last = bisect.bisect_left(marks, (begin + size, 0))
    (start, offset), (end, stop) = marks[first], marks[last]
    return Block(file, base + offset, stop - offset, end - start, begin - start, size)


def _unpacked(raw: bytes, start: int, end: int) -> tuple[Marks, memoryview]:
    """Where the parts of a Snappy stream begin, its end, and its text."""
    import pyarrow as pa

    total, at = _varint(raw, start)
    text, marks = 0, Marks()
    while at < end:
        if text % PART == 0:
            marks.append((text, at))
        tag = raw[at]
        kind, number = tag & 3, tag >> 2
        if kind == 0:  # as many bytes as they are
            more = max(number - 59, 0)
            size = 1 + (int.from_bytes(raw[at + 1 : at + 1 + more], "little") if more else number)
            at += 1 + more + size
        else:  # bytes that came before
            size = 4 + (number & 7) if kind == 1 else 1 + number
            at += (2, 3, 5)[kind - 1]
        text += size
    marks.append((text, at))
    return marks, memoryview(pa.decompress(memoryview(raw)[start:end], total, codec="snappy"))


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = shift = 0
    while True:
        number |= (raw[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if raw[at - 1] < 128:
            return number, at


def _struct(raw: bytes, at: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct in Thrift's compact protocol, by their numbers, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    while raw[at]:
        kind, step, at = raw[at] & 15, raw[at] >> 4, at + 1
        if step:
            number += step
        else:
            number, at = _zigzag(raw, at)
        fields[number], at = _value(raw, at, kind)
    return fields, at + 1


def _zigzag(raw: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(raw, at)
    return (number >> 1) ^ -(number & 1), at


def _value(raw: bytes, at: int, kind: int) -> tuple[Any, int]:
    """A field of a page's header: a flag, a number, bytes or a struct; headers have no other kinds."""
    if kind in (1, 2):
        return kind == 1, at
    if kind in (4, 5, 6):
        return _zigzag(raw, at)
    if kind == 8:
        size, at = _varint(raw, at)
        return raw[at : at + size], at + size
    if kind == 12:
        return _struct(raw, at)
    raise ValueError(kind)
