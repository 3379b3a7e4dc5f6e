"""Writes ``.beton`` files, which ffcv's own readers read too: in one pass, in order, each image with its class index.

ffcv's writer waits for ever when an image cannot be read, so the layout is made here, of ffcv's types and encoders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.types import ALLOC_TABLE_TYPE, CURRENT_VERSION, TYPE_ID_HANDLER, FieldDescType, HeaderType, get_metadata_type

from benchsuite import DataError, Sample, expected, first_line

PAGE = 2**23
"""Bytes of a page, at least: no image lies across the end of one, so that ffcv's process cache can read it."""

SIDE = 2**16 - 1
LONGEST, QUALITY = 500, 90
"""What ffcv's ImageNet configuration does to an image: the longer side in pixels, and the quality of the JPEG."""


class _Pages:
    """Where an encoded image goes. Pages grow with the largest image: a boundary of theirs is one of the smaller."""

    def __init__(self, start: int) -> None:
        self.page = PAGE
        self.end = -(-start // PAGE) * PAGE
        self.buffer: Any = None
        self.places: list[tuple[int, int, int]] = []

    def place(self, row: int, size: int) -> tuple[int, Any]:
        """What ffcv's encoders call malloc: the place in the file and the bytes to fill."""
        while self.page < size:
            self.page *= 2
        if self.end % self.page + size > self.page:
            self.end = -(-self.end // self.page) * self.page
        place, self.end, self.buffer = self.end, self.end + size, np.empty(size, dtype=np.uint8)
        self.places.append((row, place, size))
        return place, self.buffer


def write(path: Path, count: int, images: Iterator[tuple[Sample, Any]], mode: str) -> None:
    """Fields ``image`` (``mode`` raw or jpg) and ``label``. Raises ``DataError`` for an image that ffcv cannot hold."""
    shrunk = {"max_resolution": LONGEST, "jpeg_quality": QUALITY} if mode == "jpg" else {}
    fields = {"image": RGBImageField(write_mode=mode, **shrunk), "label": IntField()}
    about = _descriptors(fields)
    table = np.zeros(count, dtype=get_metadata_type(list(fields.values())))
    pages = _Pages(HeaderType.itemsize + about.nbytes + table.nbytes)
    with path.open("wb") as file:
        for row, (sample, pixels) in enumerate(images):
            here = table[row : row + 1]
            _encode(fields["image"], here["f0"], sample, pixels, lambda size, row=row: pages.place(row, size))
            fields["label"].encode(here["f1"], sample.label, None)
            file.seek(pages.places[-1][1])
            file.write(pages.buffer)
        file.seek(pages.end)
        file.write(np.array(pages.places, dtype=ALLOC_TABLE_TYPE).tobytes())
        file.seek(0)
        file.write(_header(count, len(fields), pages).tobytes() + about.tobytes() + table.tobytes())


def _encode(field: Any, here: Any, sample: Sample, pixels: Any, place: Any) -> None:
    height, width = pixels.shape[:2]
    if max(height, width) > SIDE:
        got = f"{width} x {height}"
        raise DataError(expected("an image", f"of at most {SIDE} pixels a side, as ffcv stores it", got, sample.where))
    try:
        field.encode(here, pixels, place)
    except Exception as error:  # OpenCV raises an error of its own for sides that shrink to nothing
        rule = "one that ffcv can store"
        raise DataError(expected("an image", rule, first_line(error), sample.where)) from None


def _descriptors(fields: dict[str, Any]) -> Any:
    made = np.zeros(len(fields), dtype=FieldDescType)
    kinds = {kind: number for number, kind in TYPE_ID_HANDLER.items()}
    for descriptor, (name, field) in zip(made, fields.items(), strict=True):
        descriptor["type_id"] = kinds[type(field)]
        descriptor["name"][: len(name)] = np.frombuffer(name.encode(), dtype=np.uint8)
        descriptor["arguments"][:] = field.to_binary()[0]
    return made


def _header(count: int, fields: int, pages: _Pages) -> Any:
    made = np.zeros(1, dtype=HeaderType)
    made["version"], made["num_fields"], made["num_samples"] = CURRENT_VERSION, fields, count
    made["page_size"], made["alloc_table_ptr"] = pages.page, pages.end
    return made
