"""The reference decoder: Pillow, bit for bit. Every failure names the file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import Any

from benchsuite.errors import DataError, expected

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM", b"GIF8", b"II*\x00", b"MM\x00*")
_MAGIC += tuple(f"P{i}".encode() for i in range(1, 7))


def decode(path: str | os.PathLike[str]) -> Any:
    """A file as a Pillow image in mode RGB, as ``Image.open(path).convert("RGB")`` gives it: EXIF is ignored.

    Raises ``DataError`` with the path for a file that is missing, no image, truncated, or a decompression bomb.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Palette images with Transparency")
            warnings.filterwarnings("ignore", "(?i).*(exif|metadata|tiff)")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.convert("RGB") if image.mode != "RGB" else _loaded(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"Refused {path}: {str(error).split('.')[0]}") from None
    except FileNotFoundError:
        raise DataError(expected("an image", "at its place", "no file", str(path))) from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise many types for broken files
        reason = str(error).split(os.fspath(path))[0].strip(" '\"") or type(error).__name__
        raise DataError(expected("an image", "whole and readable", reason, str(path))) from None


def check_headers(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Reads the first bytes of each file. Raises ``DataError`` naming the first one that is empty or no image."""
    for path in paths:
        try:
            with open(path, "rb", buffering=0) as file:
                head = file.read(12)
        except OSError as error:
            raise DataError(expected("an image", "readable", error.strerror or str(error), str(path))) from None
        if not head.startswith(_MAGIC):
            got = "an empty file" if not head else f"a file that begins with {head[:8]!r}"
            raise DataError(expected("an image", "in a format that Pillow reads", got, str(path)))


def _loaded(image: Any) -> Any:
    image.load()
    return image.copy() if image.readonly else image
