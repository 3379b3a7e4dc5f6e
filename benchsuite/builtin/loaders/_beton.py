"""Writes ``.beton`` files that ffcv's own readers read too: in one pass, in order, each image with its class index.

ffcv's own writer waits for ever if an image cannot be read, so this one lays out the file with ffcv's types and
encoders.
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
"""Smallest page in bytes. No image crosses the end of a page, so that ffcv's process cache can read it."""

SIDE = 2**16 - 1
"""Longest side in pixels that ffcv can store."""
LONGEST, QUALITY = 500, 90
"""Of ffcv's ImageNet configuration: the longer side of an image in pixels at most, and the quality of its JPEG."""


class _Pages:
    """Assigns encoded images their places in the file, so that none crosses the end of a page.

    Pages double to fit the largest image. The ends of larger pages are also ends of smaller ones, so images that were
    placed before still cross none.
    """

    def __init__(self, start: int) -> None:
        self.page = PAGE
        self.end = -(-start // PAGE) * PAGE
        self.buffer: Any = None
        self.places: list[tuple[int, int, int]] = []

    def place(self, row: int, size: int) -> tuple[int, Any]:
        """The ``malloc`` that ffcv's encoders call: returns the offset in the file and the buffer to fill."""
        while self.page < size:
            self.page *= 2
        if self.end % self.page + size > self.page:
            self.end = -(-self.end // self.page) * self.page
        place, self.end, self.buffer = self.end, self.end + size, np.empty(size, dtype=np.uint8)
        self.places.append((row, place, size))
        return place, self.buffer


def write(path: Path, count: int, images: Iterator[tuple[Sample, Any]], mode: str) -> None:
    """Writes fields ``image`` (``mode`` raw or jpg) and ``label``. Raises ``DataError`` for what ffcv cannot store."""
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
    except Exception as error:  # OpenCV raises its own error if a side shrinks to 0 pixels
        rule = "one that ffcv can store"
        raise DataError(expected("an image", rule, first_line(error), sample.where)) from None


def _descriptors(fields: dict[str, Any]) -> Any:
    descriptors = np.zeros(len(fields), dtype=FieldDescType)
    kinds = {kind: number for number, kind in TYPE_ID_HANDLER.items()}
    for descriptor, (name, field) in zip(descriptors, fields.items(), strict=True):
        descriptor["type_id"] = kinds[type(field)]
        descriptor["name"][: len(name)] = np.frombuffer(name.encode(), dtype=np.uint8)
        descriptor["arguments"][:] = field.to_binary()[0]
    return descriptors


def _header(count: int, fields: int, pages: _Pages) -> Any:
    header = np.zeros(1, dtype=HeaderType)
    header["version"], header["num_fields"], header["num_samples"] = CURRENT_VERSION, fields, count
    header["page_size"], header["alloc_table_ptr"] = pages.page, pages.end
    return header
