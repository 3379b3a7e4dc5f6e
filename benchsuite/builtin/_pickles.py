"""CIFAR's python pickles, read without running code: only arrays of bytes, numbers, texts, lists and dictionaries."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite import DataError, expected, first_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROW = 3 * 32 * 32
"""Bytes of a picture: 32 x 32 red values, then green, then blue."""


def read_batch(path: Path, classes: int) -> tuple[NDArray[np.uint8], list[int]]:
    """The (n, 3, 32, 32) uint8 pixels and n class indices of one batch. Raises ``DataError`` naming the file."""
    import numpy as np

    try:
        found = _Reader(io.BytesIO(path.read_bytes()), str(path)).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises many types
        raise DataError(expected("a CIFAR batch", "whole and readable", first_line(error), str(path))) from None
    content = found if isinstance(found, dict) else {}
    pixels, labels = (content.get(key, content.get(key.encode())) for key in ("data", "labels"))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (ROW,):
        got = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise DataError(expected("data of a CIFAR batch", f"uint8 (n, {ROW})", got, str(path)))
    if not isinstance(labels, list) or len(labels) != len(pixels):
        got = f"{len(labels)}" if isinstance(labels, list) else type(labels).__name__
        raise DataError(expected("labels of a CIFAR batch", f"a list of {len(pixels)}", got, str(path)))
    for label in labels:
        if type(label) is not int or not 0 <= label < classes:
            raise DataError(expected("labels of a CIFAR batch", f"from 0 to {classes - 1}", label, str(path)))
    return pixels.reshape(-1, 3, 32, 32), labels


class _Reader(pickle.Unpickler):
    """Finds what an array of bytes is made of, under the names of numpy 1 and numpy 2, and refuses the rest."""

    def __init__(self, file: io.BytesIO, where: str) -> None:
        super().__init__(file, encoding="latin1")
        self.where = where

    def find_class(self, module: str, name: str) -> Any:
        import numpy as np

        sample = np.zeros(0, dtype=np.uint8)
        known = {
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": _bytes_type,
            "_codecs.encode": _latin1,
            "multiarray._reconstruct": sample.__reduce__()[0],
            "numeric._frombuffer": sample.__reduce_ex__(5)[0],
        }
        short = f"{module.removeprefix('numpy.core.').removeprefix('numpy._core.')}.{name}"
        if short not in known:
            raise DataError(
                expected(
                    "a CIFAR batch",
                    "arrays and lists only",
                    f"one that would call {module}.{name} (refused)",
                    self.where,
                )
            )
        return known[short]


def _bytes_type(code: str, *_: object) -> np.dtype[np.uint8]:
    import numpy as np

    if code != "u1":
        raise pickle.UnpicklingError(f"an array of type {code!r}")
    return np.dtype(np.uint8)


def _latin1(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"a text in {encoding!r}")
    return text.encode("latin1")
