"""``fashion-mnist[:PATH]``: 70,000 grey pictures of clothes, 28 x 28, from idx files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchsuite import DataError, Dataset, Preprocess, Split, SplitName, expected, hookimpl

CLASSES = (
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
DOWNLOAD = (
    "get the four idx files of https://github.com/zalandoresearch/fashion-mnist, or Debian's package "
    "dataset-fashion-mnist; their folder is PATH, $BENCHSUITE_DATA/fashion-mnist or "
    "~/.cache/benchsuite/data/fashion-mnist"
)
_SIDE = 28


def open_fashion_mnist(path: str | None, split: SplitName) -> Split:
    """10,000 test or 60,000 train pictures; ``PATH`` holds the idx files, raw or .gz, itself or in a folder ``raw``."""
    from benchsuite.builtin import _files, _idx, _rows

    root = _files.data_folder("fashion-mnist", path, DOWNLOAD, DEBIAN)
    prefix = "t10k" if split == "test" else "train"
    pictures = _file(root, f"{prefix}-images-idx3-ubyte")
    names = _file(root, f"{prefix}-labels-idx1-ubyte")
    pixels, labels = _idx.read_idx(pictures, 3), _idx.read_idx(names, 1)
    if pixels.shape[1:] != (_SIDE, _SIDE):
        size = " x ".join(map(str, pixels.shape[1:]))
        raise DataError(expected("the pictures", f"of {_SIDE} x {_SIDE} pixels", size, str(pictures)))
    if len(labels) != len(pixels):
        raise DataError(expected("the labels", f"as many as the {len(pixels)} pictures", len(labels), str(names)))
    if not len(labels) or labels.max() >= len(CLASSES):
        got = labels.max() if len(labels) else "no labels"
        raise DataError(expected("the labels", f"from 0 to {len(CLASSES) - 1}", f"{got}", str(names)))
    part = _rows.Part(pixels, labels.tolist(), range(len(pixels)), str(pictures), _files.file_stamp(pictures))
    ids = [f"{split}-{i:05d}" for i in range(len(pixels))]
    return _rows.row_split("fashion-mnist", [part], ids, CLASSES, mirror=True, picture=_rows.grey_picture)


def _file(root: Path, name: str) -> Path:
    places = [folder / f"{name}{end}" for folder in (root, root / "raw") for end in ("", ".gz")]
    for place in places:
        if place.is_file():
            return place
    raise DataError(expected(f"{name} or {name}.gz", "at its place", "no file", f"{root}: {DOWNLOAD}"))


FASHION_MNIST = Dataset(
    "fashion-mnist",
    open=open_fashion_mnist,
    mirror=True,
    note="60,000 train and 10,000 test pictures of clothes in 10 classes; pixels are scaled to -1..1, by choice",
    source="https://github.com/zalandoresearch/fashion-mnist",
    download=DOWNLOAD,
    path="optional",
    preprocess=Preprocess(resize=28, crop=28, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """Fashion-MNIST."""
    return [FASHION_MNIST]
