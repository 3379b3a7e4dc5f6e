"""``cifar10[:PATH]`` and ``cifar100[:PATH]``, from the python pickles or (CIFAR-10) from class folders.

``cifar10.1:PATH``, ``cifar10.1-v4:PATH``, ``cifar10-c:PATH`` and ``cifar100-c:PATH`` are other test images for the same
networks, from npy files.
"""

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


def read_batch(path: Path, classes: int, key: str = "labels") -> tuple[NDArray[np.uint8], list[int]]:
    """The (n, 3, 32, 32) uint8 pixels and n class indices (``key``) of a batch. Raises ``DataError`` with the file."""
    import numpy as np

    try:
        content = _Reader(io.BytesIO(path.read_bytes()), str(path)).load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises many types
        raise DataError(expected("a CIFAR batch", "whole and readable", first_line(error), str(path))) from None
    batch = content if isinstance(content, dict) else {}
    pixels, labels = (batch.get(name, batch.get(name.encode())) for name in ("data", key))
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
            return _from_batches("cifar10", [folder / name for name in BATCHES[split]], split, CLASSES, "labels")
    if not (root / split).is_dir():
        got = "neither"
        rule = f"a folder with cifar-10-batches-py/{BATCHES[split][0]} or {split}/{CLASSES[0]}"
        raise DataError(expected("cifar10:PATH", rule, got, f"{root}: {DOWNLOAD}"))
    return _from_folders(root / split)


def _from_batches(dataset: str, files: list[Path], split: SplitName, classes: tuple[str, ...], key: str) -> Split:
    from benchsuite.builtin.datasets import _files, _rows

    parts = []
    for file in files:
        stamp = _files.file_stamp(file)
        pixels, labels = read_batch(file, len(classes), key)
        parts.append(_rows.Part(pixels, labels, range(len(labels)), str(file), stamp))
    ids = [f"{split}-{i:05d}" for i in range(sum(len(p.labels) for p in parts))]
    return _rows.row_split(dataset, parts, ids, classes, mirror=True, picture=_rows.planes_last)


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


NAMES100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CLASSES100 = tuple(NAMES100.split())
DOWNLOAD100 = (
    "get it with `benchsuite data download cifar100`, or the "
    '"CIFAR-100 python version" of https://www.cs.toronto.edu/~kriz/cifar.html and unpack it; the folder that '
    "holds cifar-100-python is PATH, $BENCHSUITE_DATA/cifar100 or ~/.cache/benchsuite/data/cifar100"
)


def open_cifar100(path: str | None, split: SplitName) -> Split:
    """The python pickle ``test`` or ``train`` in ``PATH`` or ``PATH/cifar-100-python``, with the 100 fine labels."""
    from benchsuite.builtin.datasets import _files

    root = _files.data_folder("cifar100", path, DOWNLOAD100)
    for folder in (root, root / "cifar-100-python"):
        if (folder / split).is_file():
            return _from_batches("cifar100", [folder / split], split, CLASSES100, "fine_labels")
    raise DataError(
        expected("cifar100:PATH", f"a folder with cifar-100-python/{split}", "none", f"{root}: {DOWNLOAD100}")
    )


CIFAR100 = Dataset(
    "cifar100",
    open=open_cifar100,
    mirror=True,
    note="50,000 train and 10,000 test pictures of 32 x 32 pixels in 100 classes",
    source=(
        "https://www.cs.toronto.edu/~kriz/cifar.html; mean and std as in "
        "https://github.com/weiaicunzai/pytorch-cifar100, conf/global_settings.py, commit 1b42089"
    ),
    download=DOWNLOAD100,
    path="optional",
    preprocess=Preprocess(
        resize=32, crop=32, interpolation="bilinear", mean=(0.5071, 0.4867, 0.4408), std=(0.2675, 0.2565, 0.2761)
    ),
    census=(Census("test", 10_000, 100, 100, (32, 32)), Census("train", 50_000, 100, 500, (32, 32))),
    fetch=partial(fetch, "CIFAR100"),
)


SHIFTED = "https://github.com/modestyachts/CIFAR-10.1"


def _open_shifted(name: str, version: str, download: str, path: str | None, split: SplitName) -> Split:
    """The rows of ``PATH/cifar10.1_VERSION_data.npy``, or of the same file in ``PATH/datasets``."""
    from benchsuite.builtin.datasets import _files, _sets

    _refuse_train(name, split)
    root, file = _files.existing(name, path, download), f"cifar10.1_{version}_data.npy"
    folder = root if (root / file).is_file() else root / "datasets" if (root / "datasets" / file).is_file() else root
    names = (file, f"cifar10.1_{version}_labels.npy")
    pixels, labels = (_sets.read_array(folder / name, download) for name in names)
    return _sets.rows(name, [_sets.Rows(folder / file, pixels, labels)], CLASSES, mirror=True)


def _shifted(name: str, version: str, images: int, each: int | None) -> Dataset:
    download = f"get cifar10.1_{version}_data.npy and cifar10.1_{version}_labels.npy of {SHIFTED}; their folder is PATH"
    return Dataset(
        name,
        open=partial(_open_shifted, name, version, download),
        mirror=True,
        note=f"CIFAR-10.1 {version}: {images:,} new test pictures for networks of CIFAR-10",
        source=f"{SHIFTED}, README.md",
        download=download,
        preprocess=CIFAR10.preprocess,
        census=(Census("test", images, 10, each, (32, 32)),),
    )


CORRUPTED = "https://zenodo.org/record/2535967", "https://zenodo.org/record/3555552"
IMAGES, SEVERITIES = 10_000, 5
"""Rows of a corruption's file for each severity, and how many severities follow each other in it."""


def _open_corrupted(name: str, classes: tuple[str, ...], download: str, path: str | None, split: SplitName) -> Split:
    """The rows of ``PATH/CORRUPTION.npy``, for every such file, with ``PATH/labels.npy``: five severities in each.

    Raises ``DataError`` for a file of another length than the labels, and for labels that are not five equal parts.
    """
    from benchsuite.builtin.datasets import _files, _sets

    _refuse_train(name, split)
    root = _files.existing(name, path, download)
    labels = _sets.read_array(root / "labels.npy", download)
    if labels.ndim != 1 or not len(labels) or len(labels) % SEVERITIES:
        raise DataError(expected("the labels", f"{SEVERITIES} equal parts", f"{labels.shape}", f"{root}/labels.npy"))
    parts, each = [], len(labels) // SEVERITIES
    for file in sorted(file for file in root.glob("*.npy") if file.name != "labels.npy"):
        pixels = _sets.read_array(file, download)
        if pixels.shape[:1] != labels.shape:
            raise DataError(expected("the pixels", f"{len(labels)}, as the labels", f"{pixels.shape}", str(file)))
        for severity in range(SEVERITIES):
            numbers = range(severity * each, (severity + 1) * each)
            groups = file.stem, str(severity + 1)
            own = slice(numbers.start, numbers.stop)
            parts.append(_sets.Rows(file, pixels[own], labels[own], "-".join(groups), numbers, groups))
    if not parts:
        raise DataError(expected(f"{name}:PATH", "a folder of CORRUPTION.npy files", "none", f"{root}: {download}"))
    return _sets.rows(name, parts, classes, mirror=True, groups=("corruption", "severity"))


def _corrupted(clean: Dataset, classes: tuple[str, ...], where: str) -> Dataset:
    name, files = f"{clean.name}-c", 19
    download = f"get the tar file of {where} and unpack it; PATH holds labels.npy and CORRUPTION.npy"
    return Dataset(
        name,
        open=partial(_open_corrupted, name, classes, download),
        mirror=True,
        note=f"{clean.name}'s test pictures under 19 corruptions of 5 severities; errors are counted by both",
        source="https://github.com/hendrycks/robustness, README.md",
        download=download,
        preprocess=clean.preprocess,
        census=(Census("test", files * SEVERITIES * IMAGES, len(classes), size=(32, 32)),),
    )


def _refuse_train(name: str, split: SplitName) -> None:
    if split == "train":
        raise DataError(expected(f"the split of {name}", "test, its only split", split))


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """CIFAR-10 and CIFAR-100, and the test sets that were made for their networks."""
    return [
        CIFAR10,
        CIFAR100,
        _shifted("cifar10.1", "v6", 2_000, 200),
        _shifted("cifar10.1-v4", "v4", 2_021, None),
        _corrupted(CIFAR10, CLASSES, CORRUPTED[0]),
        _corrupted(CIFAR100, CLASSES100, CORRUPTED[1]),
    ]
