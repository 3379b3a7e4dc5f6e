"""``svhn:PATH``: house numbers, one digit in the middle of each picture of 32 x 32, from the MATLAB files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite import Census, DataError, Dataset, Preprocess, Split, SplitName, expected, first_line, hookimpl
from benchsuite.builtin.datasets._torchvision import fetch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CLASSES = tuple("0123456789")
DOWNLOAD = (
    "get it with `benchsuite data download svhn`, or "
    "train_32x32.mat and test_32x32.mat (format 2, cropped digits) of http://ufldl.stanford.edu/housenumbers; "
    "their folder is PATH"
)
_SIDE = 32


def open_svhn(path: str | None, split: SplitName) -> Split:
    """26,032 test or 73,257 train digits of ``PATH/test_32x32.mat`` or ``PATH/train_32x32.mat``. Label 10 is digit 0.

    Raises ``DataError`` for a file that is missing, broken, or holds other arrays than pictures ``X`` and labels ``y``.
    """
    import numpy as np

    from benchsuite.builtin.datasets import _files, _rows

    file = _files.existing("svhn", path, DOWNLOAD) / f"{split}_32x32.mat"
    stamp = _files.file_stamp(file) if file.is_file() else ""
    pictures, labels = _arrays(file)
    digits = (labels % 10).tolist()
    pixels = np.ascontiguousarray(pictures.transpose(3, 0, 1, 2))
    part = _rows.Part(pixels, digits, range(len(pixels)), str(file), stamp)
    ids = [f"{split}-{i:05d}" for i in range(len(pixels))]
    return _rows.row_split("svhn", [part], ids, CLASSES, mirror=False, picture=_copy)


def _arrays(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The pictures, uint8 (32, 32, 3, n), and the labels, (n,) in 1..10, of a MATLAB file."""
    import numpy as np

    if not file.is_file():
        raise DataError(expected(file.name, "in this folder", "no file", f"{file.parent}: {DOWNLOAD}"))
    arrays = _read(file)
    x, y = arrays["X"], arrays["y"]
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (_SIDE, _SIDE, 3):
        raise DataError(expected("X", f"uint8 ({_SIDE}, {_SIDE}, 3, n)", f"{x.dtype} {x.shape}", str(file)))
    if y.size != x.shape[3] or not y.size or y.dtype.kind not in "uif":
        raise DataError(expected("y", f"a number for each of {x.shape[3]} pictures", f"{y.dtype} {y.shape}", str(file)))
    if not np.isin(y, np.arange(1, 11)).all():
        odd = y[~np.isin(y, np.arange(1, 11))][0]
        raise DataError(expected("y", "from 1 to 10, where 10 is the digit 0", f"{odd}", str(file)))
    return x, y.reshape(-1).astype(np.int64)


def _read(file: Path) -> dict[str, Any]:
    """The arrays ``X`` and ``y`` of a MATLAB 5 file. Nothing in it is executed."""
    from scipy.io import loadmat

    try:
        arrays: dict[str, Any] = loadmat(file, variable_names=("X", "y"))
    except Exception as error:  # a damaged file raises many types
        raise DataError(expected("a MATLAB 5 file", "whole and readable", first_line(error), str(file))) from None
    for name in ("X", "y"):
        if name not in arrays:
            raise DataError(expected("a MATLAB file of SVHN", "one with X and y", f"one without {name}", str(file)))
    return arrays


def _copy(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(32, 32, 3), a copy."""
    return row.copy()


SVHN = Dataset(
    "svhn",
    open=open_svhn,
    mirror=False,
    note="73,257 train and 26,032 test house numbers of 32 x 32 pixels in 10 classes, by the digit in the middle",
    source="http://ufldl.stanford.edu/housenumbers; mean and std as in juefeix/lbcnn.torch",
    download=DOWNLOAD,
    preprocess=Preprocess(
        resize=32,
        crop=32,
        interpolation="bilinear",
        mean=(111.6 / 255, 113.2 / 255, 120.6 / 255),
        std=(30.6 / 255, 31.4 / 255, 26.8 / 255),
    ),
    census=(Census("test", 26_032, 10, size=(32, 32)), Census("train", 73_257, 10, size=(32, 32))),
    fetch=partial(fetch, "SVHN"),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """Street View House Numbers."""
    return [SVHN]
