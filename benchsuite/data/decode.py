"""The reference decoder: Pillow, bit for bit. Every error names the file."""

from __future__ import annotations

import io
import os
import re
import threading
import warnings
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from benchsuite.data.convert import converted, destroyed
from benchsuite.data.prefetch import reserve
from benchsuite.errors import DataError, expected
from benchsuite.specs.dataset import AS_PILLOW, Conversion

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""Suffixes of image files, in lower case; other files in a folder of images are ignored."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
"""Formats that are read, whatever the suffix. Pillow's others are refused: reading EPS would start Ghostscript."""

_MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBPVP8[ LX]|BM|GIF8[79]a|II[*+]\0|MM\0[*+]|II\0[*]|MM[*]\0|P[0-6fy]",
    re.DOTALL,
)
MAGIC_BYTES = 16
"""First bytes of a file that tell its format."""
_REASONS = {
    FileNotFoundError: "no file",
    IsADirectoryError: "a folder",
    PermissionError: "a file without read permission",
    MemoryError: "one that does not fit into memory",
}
_BYTES = 4
"""Bytes that Pillow keeps for each pixel, in RGB too; a conversion holds the image twice."""
_PEAKS = {"WEBP": 17, "TIFF": 8}
"""Measured peak in bytes per pixel while these formats are decoded: their libraries hold the whole picture as well."""

_CONVERTED = 64
"""Upper bound in bytes per pixel on the arrays of another conversion: four bands of 32 bits, four times."""

_READERS = 16
_BLOCK = 64


def decode(path: str | os.PathLike[str], content: bytes | None = None, *, conversion: Conversion = AS_PILLOW) -> Any:
    """Decodes a file to a Pillow image in mode RGB, as ``Image.open(path).convert("RGB")`` does: EXIF is ignored.

    With ``content``, these bytes are decoded, and ``path`` is only named in errors. Another ``conversion`` scales
    images of more than 8 bits and puts transparent ones on a ground.

    Thread-safe; in a thread of ``in_order``, memory is reserved before the pixels are decoded. Raises ``DataError``
    with the path if the file is missing, is not an image of ``FORMATS``, is truncated, has more than 8 bits in its only
    band and is not to be scaled, or has more pixels than ``Image.MAX_IMAGE_PIXELS`` (a decompression bomb).
    """
    from PIL import Image, UnidentifiedImageError

    name = os.fspath(path)
    _WARNINGS.ignore()

    def reopen() -> Any:
        return Image.open(name if content is None else io.BytesIO(content), formats=FORMATS)

    try:
        with reopen() as image:
            pixels, limit = image.width * image.height, Image.MAX_IMAGE_PIXELS
            if limit is not None and pixels > limit:
                raise _too_large(pixels, name)
            if conversion.depth == "refuse":
                check_mode(image.mode, name)
            reserve(pixels * (_peak(image) if conversion == AS_PILLOW else _peak(image) + _CONVERTED))
            if conversion != AS_PILLOW:
                return converted(image, conversion, reopen, name)
            if image.mode != "RGB":
                return image.convert("RGB")
            image.load()
            return image  # Pillow never memory-maps a file of mode RGB, so the image owns its pixels
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error).partition("(")[2].partition(" ")[0], name) from None
    except UnidentifiedImageError:
        reason = f"a file that is none of {', '.join(FORMATS)}"
    except Exception as error:  # Pillow's plugins raise many types for broken files
        reason = _reason(error)
    raise DataError(expected("an image", "whole and readable", reason, name)) from None


def check_mode(mode: str, name: str) -> None:
    """Raises ``DataError`` for a mode of more than 8 bits in one band (16 bits, integers, floats).

    Pillow cuts its values off at 255, which makes most of a 16-bit image white; of 16-bit colours it reads 8 bits.
    """
    if destroyed(mode):
        got = f"mode {mode}, which Pillow would cut off at 255: scale it by ,depth=scale after the path of --data"
        raise DataError(expected("an image", "of 8 bits a band", got, name))


def quiet() -> None:
    """Silences Pillow's warnings about metadata in the whole process; they say nothing about pixels."""
    _WARNINGS.ignore()


def check_headers(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Reads the first bytes of each file. Raises ``DataError`` naming the first one that is empty or not an image.

    Files are read in parallel: on a cold or remote disk each read takes milliseconds.
    """
    from concurrent.futures import ThreadPoolExecutor

    names = (os.fspath(path) for path in paths)
    blocks = list(iter(lambda: list(islice(names, _BLOCK)), []))
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="benchsuite-headers")
    try:
        for _ in pool.map(_check_block, blocks):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def check_header(name: str) -> None:
    """Reads the first bytes of a file. Raises ``DataError`` if it is empty or not an image."""
    try:
        descriptor = os.open(name, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            head = os.read(descriptor, MAGIC_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DataError(expected("an image", "readable", _reason(error), name)) from None
    check_head(name, head)


def check_head(name: str, head: bytes) -> None:
    """Raises ``DataError`` if a file with these first bytes is empty or not an image."""
    if not _MAGIC.match(head):
        got = f"a file that begins with {head[:8]!r}" if head else "an empty file"
        raise DataError(expected("an image", f"one of {', '.join(FORMATS)}", got, name))


def _check_block(names: Sequence[str]) -> None:
    for name in names:
        check_header(name)


def _peak(image: Any) -> int:
    """Largest number of bytes per pixel while an opened image is decoded and converted to RGB."""
    least = _BYTES if image.mode == "RGB" else 2 * _BYTES
    if image.info.get("progressive"):  # libjpeg keeps two bytes of each band until the last scan
        return max(least, _BYTES + 2 * len(image.getbands()))
    return max(least, _PEAKS.get(image.format, 0))


def _too_large(pixels: int | str, name: str) -> DataError:
    from PIL import Image

    rule = f"of at most {Image.MAX_IMAGE_PIXELS} pixels (a larger one may be a decompression bomb)"
    return DataError(expected("an image", rule, f"one of {pixels}", name))


def _reason(error: Exception) -> str:
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return reason
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class _WarningFilters:
    """Silences Pillow's warnings about metadata, which say nothing about pixels, and about bombs, refused anyway.

    The filters apply to the whole process: ``warnings.catch_warnings`` is not thread-safe. A test runner may have
    replaced them since, so each decode checks whether they are still installed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filters: tuple[Any, ...] = ()

    def ignore(self) -> None:
        if self._installed():
            return
        with self._lock:
            if not self._installed():
                from PIL import Image

                for category in (UserWarning, Image.DecompressionBombWarning):
                    warnings.filterwarnings("ignore", category=category, module=r"PIL\.")
                self._filters = tuple(warnings.filters[:2])

    def _installed(self) -> bool:
        current = warnings.filters
        return bool(self._filters) and all(f in current for f in self._filters)


_WARNINGS = _WarningFilters()
