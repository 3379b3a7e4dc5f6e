"""``mnist[:PATH]``: 70,000 handwritten digits, grey, 28 x 28, from idx files."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite import Census, Dataset, Preprocess, Split, SplitName, hookimpl

CLASSES = tuple("0123456789")
DOWNLOAD = (
    "get the four idx files of the MNIST database (train-images-idx3-ubyte ... t10k-labels-idx1-ubyte); "
    "torchvision.datasets.MNIST downloads them into MNIST/raw. Their folder is PATH, $BENCHSUITE_DATA/mnist or "
    "~/.cache/benchsuite/data/mnist"
)


def open_mnist(path: str | None, split: SplitName) -> Split:
    """10,000 test or 60,000 train digits; ``PATH`` holds the idx files, raw or .gz, itself or in a folder ``raw``."""
    from benchsuite.builtin import _files, _idx

    return _idx.open_idx(MNIST, _files.data_folder("mnist", path, DOWNLOAD), split, CLASSES)


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
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """MNIST."""
    return [MNIST]
