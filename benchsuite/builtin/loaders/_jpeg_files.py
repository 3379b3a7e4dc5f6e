"""JPEG files for decoders that take many at once; what they may not read as it is goes to the reference decoder."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from time import perf_counter
from typing import Any, TypeVar

from benchsuite import BenchsuiteError, DataError, Sample, Split, TooLarge, expected, file_content, first_line, in_order

T = TypeVar("T")

BATCH = 32
"""Images that are decoded at once."""

Decode = Callable[[Sequence[Any]], list[Any]]
"""Makes an image, uint8 (h, w, 3), of each file of JPEG (bytes) or decoded image (array), in order; at most ``BATCH``.

It may raise any error if one of them cannot be decoded, and is not called again then.
"""

_SIZES, _OTHER_SIZES = (0xC0, 0xC1, 0xC2), (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Markers of frames: baseline, extended and progressive; and those of other kinds of JPEG."""
_ADOBE, _SCAN = 0xEE, 0xDA


def cuda(device: str) -> str:
    """The device of a run if it is a CUDA device, else the current one, ``cuda``: a decoder there needs one."""
    return device if device.startswith("cuda") else "cuda"


def plain_size(content: bytes) -> tuple[int, int] | None:
    """(height, width) of a whole JPEG file, grey or YCbCr of 8 bits, which decoders agree how to read; else None.

    None for other formats, for files without an end, for CMYK, for colours stored as RGB, for more than 8 bits and for
    more pixels than ``Image.MAX_IMAGE_PIXELS``.
    """
    if not content.startswith(b"\xff\xd8") or not content.rstrip(b"\0").endswith(b"\xff\xd9"):
        return None
    at, transformed = 2, True
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        body = content[at + 4 : at + 2 + length]
        if marker in _SIZES:
            return _frame(body, transformed)
        if marker in (*_OTHER_SIZES, _SCAN):
            return None
        if marker == _ADOBE and body.startswith(b"Adobe") and len(body) > 11:
            transformed = body[11] != 0
        at += 1 if marker == 0xFF else 2 + length
    return None


def _frame(body: bytes, transformed: bool) -> tuple[int, int] | None:
    """The size in the header of a frame: bits, height, width, the number of components, three bytes for each."""
    from PIL import Image

    if len(body) < 6 or body[0] != 8 or len(body) != 6 + 3 * body[5]:
        return None
    height, width, bands = int.from_bytes(body[1:3]), int.from_bytes(body[3:5]), body[5]
    as_rgb = not transformed or body[6::3] == b"RGB"
    limit = Image.MAX_IMAGE_PIXELS
    if not height or not width or bands not in (1, 3) or (bands == 3 and as_rgb):
        return None
    return (height, width) if limit is None or height * width <= limit else None


def in_batches(
    split: Split,
    samples: Sequence[Sample],
    then: Callable[[Any, float], T],
    workers: int,
    opened: Callable[[], Decode],
    check_size: Callable[[int, int], None] = lambda height, width: None,
) -> Iterator[T]:
    """The ``images`` of a loader whose decoder takes many files at once; ``opened`` makes a decoder.

    ``workers`` threads read the files, and call ``then``. A file of another kind than ``plain_size`` says, an array and
    a file that the decoder refuses are read by ``split.read``; only its errors leave here. ``check_size`` raises
    ``TooLarge`` for a size of an image, before it is decoded.
    """
    images = _decoded(split, samples, workers, opened, check_size)

    def one(image: tuple[Sample, Any, float]) -> T:
        try:
            return then(image[1], image[2])
        except TooLarge as error:
            raise error.at(image[0].where) from None

    with closing(images):
        yield from in_order(images, one, workers, lambda image: int(image[1].nbytes))


def _decoded(
    split: Split,
    samples: Sequence[Sample],
    workers: int,
    opened: Callable[[], Decode],
    check_size: Callable[[int, int], None],
) -> Generator[tuple[Sample, Any, float], None, None]:
    """Yields each sample with its image and its seconds, in order."""
    import numpy as np

    content, decode = file_content(split), opened()

    def load(sample: Sample) -> Any:
        item: Any = content(sample) if content is not None else b""
        size = plain_size(item)
        if size is None:
            item = np.ascontiguousarray(split.read(sample))
            size = int(item.shape[0]), int(item.shape[1])
        try:
            check_size(*size)
        except TooLarge as error:
            raise error.at(sample.where) from None
        return item

    for start in range(0, len(samples), BATCH):
        part, began = samples[start : start + BATCH], perf_counter()
        items = list(in_order(part, load, workers))
        try:
            images = decode(items)
        except BenchsuiteError:
            raise
        except Exception:  # a library's own; it says nothing of which file it was
            images = [_alone(sample, split, item, opened) for sample, item in zip(part, items, strict=True)]
            decode = opened()
        each = (perf_counter() - began) / len(part)
        yield from ((sample, image, each) for sample, image in zip(part, images, strict=True))


def _alone(sample: Sample, split: Split, item: Any, opened: Callable[[], Decode]) -> Any:
    """The image of one sample; a file that the decoder refuses is read by ``split.read``."""
    import numpy as np

    try:
        return opened()([item])[0]
    except Exception as error:
        if not isinstance(item, bytes):
            raise DataError(expected("an image", "one that is resized", first_line(error), sample.where)) from None
    return opened()([np.ascontiguousarray(split.read(sample))])[0]
