"""Images that are no files: what the conformance kit tries loaders on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.errors import DataError, expected
from benchsuite.specs.dataset import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROBES = tuple(Sample(f"probe-{i:02d}", i % 2, "memory") for i in range(33))


def _probe_image(sample: Sample) -> NDArray[np.uint8]:
    """A plain picture of one colour, whose size and colour tell the sample's number."""
    import numpy as np

    number = int(sample.id[-2:])
    return np.full((1 + number % 5, 2 + number % 3, 3), (number, 2 * number, 255 - number), dtype=np.uint8)


def _broken_probe(sample: Sample) -> NDArray[np.uint8]:
    """Cannot be read."""
    raise DataError(expected("an image", "whole and readable", "a probe that is neither", sample.where))
