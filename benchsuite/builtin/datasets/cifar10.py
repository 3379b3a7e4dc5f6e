"""``cifar10[:PATH]``: 60,000 pictures of 32 x 32 pixels, from the python pickles or from class folders."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite import Census, DataError, Dataset, Preprocess, Split, SplitName, expected, first_line, hookimpl
from benchsuite.builtin.datasets._torchvision import fetch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


ROW = 3 * 32 * 32
"""Bytes of a picture: 32 x 32 red values, then green, then blue."""


def read_batch(path: Path, classes: int) -> tuple[NDArray[np.uint8], list[int]]:
    """The (n, 3, 32, 32) uint8 pixels and n class indices of one batch. Raises ``DataError`` naming the file."""
    import numpy as np

    try:
        content = _Reader(io.BytesIO(path.read_bytes()), str(path)).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises many types
        raise DataError(expected("a CIFAR batch", "whole and readable", first_line(error), str(path))) from None
    batch = content if isinstance(content, dict) else {}
    pixels, labels = (batch.get(key, batch.get(key.encode())) for key in ("data", "labels"))
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
    """Unpickles only what arrays of bytes need, under the names of numpy 1 and numpy 2; refuses anything else."""

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


CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"test": ("test_batch",), "train": tuple(f"data_batch_{i}" for i in range(1, 6))}
DOWNLOAD = (
    "get it with `benchsuite data download cifar10`, or the "
    '"CIFAR-10 python version" of https://www.cs.toronto.edu/~kriz/cifar.html and unpack it; the folder that '
    "holds cifar-10-batches-py is PATH, $BENCHSUITE_DATA/cifar10 or ~/.cache/benchsuite/data/cifar10"
)


def open_cifar10(path: str | None, split: SplitName) -> Split:
    """The python pickles in ``PATH`` or ``PATH/cifar-10-batches-py``, else the class folders ``PATH/test/airplane``.

    The ids of the pickles' rows are ``test-00000`` onwards. JPEG files are not the original pictures: compression
    removes high frequencies, so such a split is named ``cifar10-jpeg``.
    """
    from benchsuite.builtin.datasets import _files

    root = _files.data_folder("cifar10", path, DOWNLOAD)
    for folder in (root, root / "cifar-10-batches-py"):
        if any((folder / name).is_file() for names in BATCHES.values() for name in names):
            return _from_batches(folder, split)
    if not (root / split).is_dir():
        got = "neither"
        rule = f"a folder with cifar-10-batches-py/{BATCHES[split][0]} or {split}/{CLASSES[0]}"
        raise DataError(expected("cifar10:PATH", rule, got, f"{root}: {DOWNLOAD}"))
    return _from_folders(root / split)


def _from_batches(folder: Path, split: SplitName) -> Split:
    from benchsuite.builtin.datasets import _files, _rows

    parts = []
    for name in BATCHES[split]:
        stamp = _files.file_stamp(folder / name)
        pixels, labels = read_batch(folder / name, len(CLASSES))
        parts.append(_rows.Part(pixels, labels, range(len(labels)), str(folder / name), stamp))
    ids = [f"{split}-{i:05d}" for i in range(sum(len(p.labels) for p in parts))]
    return _rows.row_split("cifar10", parts, ids, CLASSES, mirror=True, picture=_rows.planes_last)


def _from_folders(folder: Path) -> Split:
    from benchsuite.builtin.datasets import _files

    inside = _files.class_folders(folder)
    for name in CLASSES:
        if name not in inside:
            raise DataError(expected(f"the class folder {name}", "in this folder", "no folder", str(folder)))
    for name in inside:
        if name not in CLASSES:
            raise DataError(expected("a class folder", f"one of {', '.join(CLASSES)}", name, str(folder)))
    samples = _files.class_samples(folder, [(name, index) for index, name in enumerate(CLASSES)])
    jpeg = any(s.where.lower().endswith((".jpg", ".jpeg")) for s in samples)
    return _files.file_split("cifar10-jpeg" if jpeg else "cifar10", samples, CLASSES, mirror=True)


CIFAR10 = Dataset(
    "cifar10",
    open=open_cifar10,
    mirror=True,
    note="50,000 train and 10,000 test pictures of 32 x 32 pixels in 10 classes",
    source="https://www.cs.toronto.edu/~kriz/cifar.html; mean and std as in juefeix/pnn.pytorch",
    download=DOWNLOAD,
    path="optional",
    preprocess=Preprocess(
        resize=32,
        crop=32,
        interpolation="bilinear",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
    ),
    census=(Census("test", 10_000, 10, 1_000, (32, 32)), Census("train", 50_000, 10, 5_000, (32, 32))),
    fetch=partial(fetch, "CIFAR10"),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """CIFAR-10."""
    return [CIFAR10]
