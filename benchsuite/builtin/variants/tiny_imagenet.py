"""``tiny-imagenet:PATH``: 200 of ImageNet's classes in 64 x 64 pixels; ``tiny-imagenet-1k:PATH`` for its networks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from benchsuite import (
    Census,
    DataError,
    Dataset,
    Preprocess,
    Split,
    SplitName,
    class_folders,
    expected,
    hookimpl,
    imagenet_classes,
    labelled_images,
)

DOWNLOAD = "get http://cs231n.stanford.edu/tiny-imagenet-200.zip and unpack it; PATH holds wnids.txt, val and train"
SOURCE = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
CENSUS = (
    Census("test", 10_000, 200, 50, (64, 64), jpeg=True),
    Census("train", 100_000, 200, 500, (64, 64), jpeg=True),
)


def open_tiny(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/val/images`` with ``val_annotations.txt``, or of ``PATH/train/WNID/images``.

    ``PATH`` may also be the folder ``val`` or ``train`` itself. A class index is the line of the WordNet id in
    ``wnids.txt``, from 0 on. Raises ``DataError`` for a file that is missing or does not fit.
    """
    root = _root(path)
    ids = _lines(root / "wnids.txt")
    index = {wnid: i for i, wnid in enumerate(ids)}
    known = imagenet_classes()
    names = [known.names[known.index[wnid]] if wnid in known.index else wnid for wnid in ids]
    if split == "train":
        return class_folders("tiny-imagenet", root / "train", names, index, below="images", download=DOWNLOAD)
    labels = {}
    notes = root / "val" / "val_annotations.txt"
    for number, line in enumerate(_lines(notes), 1):
        file, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]
        if wnid not in index:
            raise DataError(expected("an annotation", "FILE WNID with an id of wnids.txt", line, f"{notes}:{number}"))
        labels[file] = index[wnid]
    return labelled_images("tiny-imagenet", root / "val" / "images", labels, names)


def open_tiny_1k(path: str | None, split: SplitName) -> Split:
    """The same images with the indices of ImageNet's 1000 classes; answers are chosen among the 200.

    Raises ``DataError`` also for a class that is none of the 1000.
    """
    tiny, known = open_tiny(path, split), imagenet_classes()
    ids = _lines(_root(path) / "wnids.txt")
    for wnid in ids:
        if wnid not in known.index:
            raise DataError(expected("each id of wnids.txt", "one of ImageNet's 1000 classes", wnid, str(path)))
    index = [known.index[wnid] for wnid in ids]
    samples = tuple(dataclasses.replace(sample, label=index[sample.label]) for sample in tiny.samples)
    among = tuple(sorted(index))
    return dataclasses.replace(tiny, name="tiny-imagenet-1k", samples=samples, classes=known.names, among=among)


def _root(path: str | None) -> Path:
    root = Path(path or "").expanduser()
    return root.parent if root.name in ("val", "train") and (root.parent / "wnids.txt").is_file() else root


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise DataError(expected(file.name, "a readable text file", "none", f"{file}: {DOWNLOAD}")) from None


TINY = Dataset(
    "tiny-imagenet",
    open=open_tiny,
    mirror=True,
    note="200 of ImageNet's classes in 64 x 64 pixels; class indices are the lines of wnids.txt",
    source=SOURCE,
    download=DOWNLOAD,
    preprocess=Preprocess(64, 64, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    census=CENSUS,
)
TINY_1K = Dataset(
    "tiny-imagenet-1k",
    open=open_tiny_1k,
    mirror=True,
    note="Tiny ImageNet for networks of ImageNet's 1000 classes: answers are chosen among its 200 classes",
    source=SOURCE,
    download=DOWNLOAD,
    census=CENSUS,
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """Tiny ImageNet, for networks of its 200 classes and of ImageNet's 1000."""
    return [TINY, TINY_1K]
