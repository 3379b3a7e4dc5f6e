"""Datasets stored as arrays: rows of pixels in a few files, read at once and kept in memory as stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchsuite import Sample, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of one file: uint8 pixels (n, ...) as stored, n class indices, n row numbers in the file, and its stamp."""

    pixels: NDArray[np.uint8]
    labels: Sequence[int]
    numbers: Sequence[int]
    file: str
    stamp: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RowReader:
    """Reads a sample of rows: ``picture`` turns a stored row into uint8 (h, w, 3), RGB."""

    rows: dict[str, NDArray[np.uint8]]
    picture: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

    def __call__(self, sample: Sample) -> Any:
        """The pixels of a sample, as a copy."""
        return self.picture(self.rows[sample.id])


def row_split(
    name: str, parts: Sequence[Part], ids: Sequence[str], classes: tuple[str, ...], *, mirror: bool, picture: Any
) -> Split:
    """A split of the rows of ``parts``; ``ids`` ascend, one per row. A row's stamp is ``ROW_DIGEST@FILE_STAMP``."""
    samples = []
    rows = {}
    names = iter(ids)
    for part in parts:
        for row, label, number in zip(part.pixels, part.labels, part.numbers, strict=True):
            digest = hashlib.sha256(row.tobytes()).hexdigest()[:16]
            stamp = f"{digest}@{part.stamp}" if part.stamp else digest
            sample = Sample(next(names), int(label), f"row {number} of {part.file}", stamp)
            samples.append(sample)
            rows[sample.id] = row
    return Split(name, tuple(samples), classes, mirror, RowReader(rows, picture))


def grey_picture(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) grey -> (h, w, 3) RGB with three equal channels."""
    import numpy as np

    return np.repeat(row[:, :, None], 3, axis=2)


def planes_last(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(3, h, w) -> (h, w, 3), a copy."""
    return row.transpose(1, 2, 0).copy()
