"""``cifar10[:PATH]``: 60,000 pictures of 32 x 32 pixels, from the python pickles or from class folders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite import Census, DataError, Dataset, Preprocess, Split, SplitName, expected, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"test": ("test_batch",), "train": tuple(f"data_batch_{i}" for i in range(1, 6))}
DOWNLOAD = (
    'get the "CIFAR-10 python version" of https://www.cs.toronto.edu/~kriz/cifar.html and unpack it; the folder that '
    "holds cifar-10-batches-py is PATH, $BENCHSUITE_DATA/cifar10 or ~/.cache/benchsuite/data/cifar10"
)


def open_cifar10(path: str | None, split: SplitName) -> Split:
    """The python pickles in ``PATH`` or ``PATH/cifar-10-batches-py``, else the class folders ``PATH/test/airplane``.

    Rows of the pickles are ``test-00000`` onwards. JPEG files are not the original pictures: compression removes high
    frequencies, so such a split is named ``cifar10-jpeg``.
    """
    from benchsuite.builtin import _files

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
    from benchsuite.builtin import _files, _pickles, _rows

    parts = []
    for name in BATCHES[split]:
        stamp = _files.file_stamp(folder / name)
        pixels, labels = _pickles.read_batch(folder / name, len(CLASSES))
        parts.append(_rows.Part(pixels, labels, range(len(labels)), str(folder / name), stamp))
    ids = [f"{split}-{i:05d}" for i in range(sum(len(p.labels) for p in parts))]
    return _rows.row_split("cifar10", parts, ids, CLASSES, mirror=True, picture=_planes_last)


def _from_folders(folder: Path) -> Split:
    from benchsuite.builtin import _files

    found = _files.class_folders(folder)
    for name in CLASSES:
        if name not in found:
            raise DataError(expected(f"the class folder {name}", "at its place", "no folder", str(folder)))
    for name in found:
        if name not in CLASSES:
            raise DataError(expected("a class folder", f"one of {', '.join(CLASSES)}", name, str(folder)))
    samples = _files.class_samples(folder, [(name, index) for index, name in enumerate(CLASSES)])
    jpeg = any(s.where.lower().endswith((".jpg", ".jpeg")) for s in samples)
    return _files.file_split("cifar10-jpeg" if jpeg else "cifar10", samples, CLASSES, mirror=True)


def _planes_last(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(3, 32, 32) -> (32, 32, 3), an array of its own."""
    return row.transpose(1, 2, 0).copy()


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
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """CIFAR-10."""
    return [CIFAR10]
