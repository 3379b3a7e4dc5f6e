"""``folder:PATH``: any images, one folder a class."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchsuite import DataError, Dataset, Split, SplitName, expected, hookimpl

LAYOUT = "PATH holds a folder of images for each class, or test/CLASS or val/CLASS, and train/CLASS for training"


def open_folder(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/CLASS``, or of ``PATH/test/CLASS``, ``PATH/val/CLASS``, ``PATH/train/CLASS``.

    A class index is the rank of the folder's name; an id is ``CLASS/FILE``. Folders named by WordNet ids are ranked
    like any others: for networks of 1000 ImageNet classes use ``imagenet:PATH``, which has their indices. Raises
    ``DataError`` for train and test folders of different classes, whose indices would not agree.
    """
    from benchsuite.builtin.datasets import _files, _synsets

    root = _files.existing("folder", path, LAYOUT)
    parts = {name: root / name for name in ("train", "test", "val") if _holds_folders(root / name)}
    wanted = [name for name in (("train",) if split == "train" else ("test", "val")) if name in parts]
    if not wanted and (parts or split == "train"):
        missing = "train/CLASS" if split == "train" else "test/CLASS or val/CLASS"
        raise DataError(
            expected(f"the {split} split", f"in {missing}", f"only {', '.join(parts) or 'CLASS folders'}", str(root))
        )
    chosen = parts[wanted[0]] if wanted else root
    classes = tuple(_files.class_folders(chosen))
    if not classes:
        raise DataError(expected("folder:PATH", "a folder of class folders", "none in it", str(root)))
    if len(classes) == 1 and (chosen / _synsets.TINY).is_file():
        rule, got = "a folder of class folders", f"the images of Tiny ImageNet, whose labels are in {_synsets.TINY}"
        raise DataError(expected("folder:PATH", rule, got, f"{chosen}: use tiny-imagenet:{chosen.parent}"))
    odd = sorted(set(classes) ^ set(_files.folders(parts.get("train", chosen))))
    if odd:
        raise DataError(
            expected("the classes", f"the same in {chosen.name} and train", f"{odd[0]} in one only", str(root))
        )
    samples = _files.class_samples(chosen, [(name, index) for index, name in enumerate(classes)])
    return _files.file_split(f"folder:{root.resolve().name}", samples, classes, mirror=True)


def _holds_folders(root: Path) -> bool:
    from benchsuite.builtin.datasets import _files

    return root.is_dir() and bool(_files.folders(root))


FOLDER = Dataset(
    "folder",
    open=open_folder,
    mirror=True,
    note="images of any size, one folder a class; a class index is the rank of the folder's name",
    source="the user's own images",
    download=LAYOUT,
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """Class folders."""
    return [FOLDER]
