"""``mnist[:PATH]`` and ``fashion-mnist[:PATH]``, and the idx format of their files.

An idx file is a magic number, the size of each axis as 32-bit big-endian integers, then bytes. A data set has four
files: pictures and labels, of ``t10k`` for testing and of ``train``.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite import Census, DataError, Dataset, Preprocess, Split, SplitName, expected, hookimpl
from benchsuite.builtin.datasets._torchvision import fetch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_UBYTE = 0x08
_SIDE = 28


def open_idx(dataset: Dataset, root: Path, split: SplitName, classes: tuple[str, ...]) -> Split:
    """The grey pictures of 28 x 28 pixels in ``root`` or its folder ``raw``, from idx files, raw or .gz.

    Raises ``DataError`` for files that are missing, broken, or do not fit together.
    """
    from benchsuite.builtin.datasets import _files, _rows

    prefix = "t10k" if split == "test" else "train"
    pictures = _file(root, f"{prefix}-images-idx3-ubyte", dataset.download)
    names = _file(root, f"{prefix}-labels-idx1-ubyte", dataset.download)
    pixels, labels = read_idx(pictures, 3), read_idx(names, 1)
    if pixels.shape[1:] != (_SIDE, _SIDE):
        size = " x ".join(map(str, pixels.shape[1:]))
        raise DataError(expected("the pictures", f"of {_SIDE} x {_SIDE} pixels", size, str(pictures)))
    if len(labels) != len(pixels):
        raise DataError(expected("the labels", f"as many as the {len(pixels)} pictures", len(labels), str(names)))
    if not len(labels) or labels.max() >= len(classes):
        got = labels.max() if len(labels) else "no labels"
        raise DataError(expected("the labels", f"from 0 to {len(classes) - 1}", f"{got}", str(names)))
    part = _rows.Part(pixels, labels.tolist(), range(len(pixels)), str(pictures), _files.file_stamp(pictures))
    ids = [f"{split}-{i:05d}" for i in range(len(pixels))]
    return _rows.row_split(dataset.name, [part], ids, classes, mirror=dataset.mirror, picture=_rows.grey_picture)


def _file(root: Path, name: str, download: str) -> Path:
    places = [folder / f"{name}{end}" for folder in (root, root / "raw") for end in ("", ".gz")]
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        expected(f"{name} or {name}.gz", "in the folder or in its subfolder raw", "no file", f"{root}: {download}")
    )


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """Reads the uint8 array of an idx file, raw or .gz, with that many axes. Raises ``DataError`` naming the file."""
    import numpy as np

    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(expected("an idx file", "whole and readable", str(error), str(path))) from None
    header = 4 * (1 + axes)
    magic = _UBYTE << 8 | axes
    if len(data) < header or struct.unpack_from(">I", data)[0] != magic:
        raise DataError(
            expected("an idx file", f"one that begins with {struct.pack('>I', magic)!r}", data[:4], str(path))
        )
    shape = struct.unpack_from(f">{axes}I", data, 4)
    if len(data) - header != math.prod(shape):
        size = " x ".join(map(str, shape))
        raise DataError(expected("an idx file", f"{size} bytes after its header", len(data) - header, str(path)))
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


CLASSES = tuple("0123456789")
DOWNLOAD = (
    "get it with `benchsuite data download mnist`, or the "
    "four idx files of the MNIST database (train-images-idx3-ubyte ... t10k-labels-idx1-ubyte); "
    "torchvision.datasets.MNIST downloads them into MNIST/raw. Their folder is PATH, $BENCHSUITE_DATA/mnist or "
    "~/.cache/benchsuite/data/mnist"
)


def open_mnist(path: str | None, split: SplitName) -> Split:
    """10,000 test or 60,000 train digits; ``PATH`` holds the idx files, raw or .gz, itself or in a folder ``raw``."""
    from benchsuite.builtin.datasets import _files

    return open_idx(MNIST, _files.data_folder("mnist", path, DOWNLOAD), split, CLASSES)


MNIST = Dataset(
    "mnist",
    open=open_mnist,
    mirror=False,
    note="60,000 train and 10,000 test digits of 28 x 28 pixels in 10 classes, handwritten",
    source="Y. LeCun, C. Cortes and C. Burges, the MNIST database; mean and std as in juefeix/pnn.pytorch",
    download=DOWNLOAD,
    path="optional",
    preprocess=Preprocess(28, 28, "bilinear", mean=(0.1307, 0.1307, 0.1307), std=(0.3081, 0.3081, 0.3081)),
    census=(Census("test", 10_000, 10, size=(28, 28)), Census("train", 60_000, 10, size=(28, 28))),
    fetch=partial(fetch, "MNIST"),
)

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DEBIAN = "/usr/share/datasets/fashion-mnist"
FASHION_DOWNLOAD = (
    "get it with `benchsuite data download fashion-mnist`, or the "
    "four idx files of https://github.com/zalandoresearch/fashion-mnist, or Debian's package "
    "dataset-fashion-mnist; their folder is PATH, $BENCHSUITE_DATA/fashion-mnist or "
    "~/.cache/benchsuite/data/fashion-mnist"
)


def open_fashion_mnist(path: str | None, split: SplitName) -> Split:
    """10,000 test or 60,000 train pictures; ``PATH`` holds the idx files, raw or .gz, itself or in a folder ``raw``."""
    from benchsuite.builtin.datasets import _files

    root = _files.data_folder("fashion-mnist", path, FASHION_DOWNLOAD, DEBIAN)
    return open_idx(FASHION_MNIST, root, split, FASHION_CLASSES)


FASHION_MNIST = Dataset(
    "fashion-mnist",
    open=open_fashion_mnist,
    mirror=True,
    note="60,000 train and 10,000 test pictures of clothes in 10 classes; pixels are scaled to -1..1, by choice",
    source="https://github.com/zalandoresearch/fashion-mnist",
    download=FASHION_DOWNLOAD,
    path="optional",
    preprocess=Preprocess(resize=28, crop=28, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    census=(Census("test", 10_000, 10, 1_000, (28, 28)), Census("train", 60_000, 10, 6_000, (28, 28))),
    fetch=partial(fetch, "FashionMNIST"),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """MNIST and Fashion-MNIST."""
    return [MNIST, FASHION_MNIST]
