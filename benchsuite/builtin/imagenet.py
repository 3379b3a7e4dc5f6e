"""``imagenet:PATH``: images of ImageNet's 1000 classes, or of some of them, indexed as every network expects."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from benchsuite import DataError, Dataset, Sample, Split, SplitName, expected, hookimpl

DOWNLOAD = (
    "get ILSVRC2012_img_val.tar from https://www.image-net.org (an account is needed); PATH holds val/WNID/*.JPEG, or "
    "val/*.JPEG with a labels file"
)


def open_imagenet(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/val`` (or of ``PATH``, when it is that folder), or of ``PATH/train``.

    They lie in folders named by WordNet ids, or flat beside a labels file. A class index is the place of the WordNet id
    among the 1000, whatever folders are there; an id is the file's name without suffix, so that both layouts agree.
    Raises ``DataError`` for folders that are no class, empty class folders, missing labels, and two files of one name.
    """
    from benchsuite.builtin import _files, _synsets

    root = _files.existing("imagenet", path, DOWNLOAD)
    folder = _part(root, split)
    ids = _synsets.wnids()
    index = {wnid: i for i, wnid in enumerate(ids)}
    inside = _files.class_folders(folder)
    samples = _in_classes(folder, inside, index) if inside else _flat(folder, index)
    return _files.file_split("imagenet", samples, _synsets.names(ids), mirror=True)


def _part(root: Path, split: SplitName) -> Path:
    """The folder of a split: ``PATH`` itself stands for the validation images where it holds no folder ``val``."""
    folder = root / ("val" if split == "test" else "train")
    if folder.is_dir():
        return folder
    if split == "train" or (root / "train").is_dir():
        raise DataError(expected("imagenet:PATH", f"a folder that holds {folder.name}", "none", f"{root}: {DOWNLOAD}"))
    return root


def _in_classes(folder: Path, inside: list[str], index: dict[str, int]) -> list[Sample]:
    from benchsuite.builtin import _files, _labels

    for name in inside:
        if name not in index:
            kind = "no class of the 1000" if re.fullmatch(r"n\d{8}", name) else "no WordNet id"
            hint = f"{folder}; for other classes use folder:{folder}"
            raise DataError(expected("a class folder", "named by a WordNet id of ImageNet", f"{name}, {kind}", hint))
    return [
        Sample(_labels.stem(file.name), index[name], file.path, file.stamp)
        for name in inside
        for file in _files.images(folder / name, "a class folder")
    ]


def _flat(folder: Path, index: dict[str, int]) -> list[Sample]:
    from benchsuite.builtin import _files, _labels

    files = _files.images(folder, "imagenet:PATH")
    stems = [_labels.stem(file.name) for file in files]
    labels = _labels.read_labels(_labels.find_labels(folder), stems, index)
    return [Sample(stem, labels[stem], file.path, file.stamp) for stem, file in zip(stems, files, strict=True)]


IMAGENET = Dataset(
    "imagenet",
    open=open_imagenet,
    mirror=True,
    note="1000 classes, indexed by their sorted WordNet ids; a sample of the classes keeps their indices",
    source="https://www.image-net.org; the order of the classes as in timm's imagenet_synsets.txt",
    download=DOWNLOAD,
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ImageNet."""
    return [IMAGENET]
