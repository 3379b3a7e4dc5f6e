"""``fashion-mnist[:PATH]``: 70,000 grey pictures of clothes, 28 x 28, from idx files."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite import Census, Dataset, Preprocess, Split, SplitName, hookimpl

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
    "get the four idx files of https://github.com/zalandoresearch/fashion-mnist, or Debian's package "
    "dataset-fashion-mnist; their folder is PATH, $BENCHSUITE_DATA/fashion-mnist or "
    "~/.cache/benchsuite/data/fashion-mnist"
)


def open_fashion_mnist(path: str | None, split: SplitName) -> Split:
    """10,000 test or 60,000 train pictures; ``PATH`` holds the idx files, raw or .gz, itself or in a folder ``raw``."""
    from benchsuite.builtin import _files, _idx

    root = _files.data_folder("fashion-mnist", path, FASHION_DOWNLOAD, DEBIAN)
    return _idx.open_idx(FASHION_MNIST, root, split, FASHION_CLASSES)


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
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """Fashion-MNIST."""
    return [FASHION_MNIST]
