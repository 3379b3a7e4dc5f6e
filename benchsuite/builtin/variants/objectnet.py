"""``objectnet:PATH``: photographs of objects at home, for networks of ImageNet's 1000 classes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchsuite import (
    AS_PILLOW,
    Conversion,
    DataError,
    Dataset,
    Sample,
    Split,
    SplitName,
    class_folders,
    expected,
    hookimpl,
    imagenet_classes,
    read_image,
)

DOWNLOAD = "get objectnet-1.0.zip of https://objectnet.dev and unpack it; PATH holds the folders images and mappings"
BORDER = 2
"""Pixels of the red border that are cut off at each side."""


def open_objectnet(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/images/FOLDER`` whose folder has classes of ImageNet; other folders are passed over.

    A folder may belong to several classes, which count as one: the first has the largest of their logits. Answers are
    chosen among the classes of ObjectNet. The files in ``PATH/mappings`` say which these are. Raises ``DataError`` for
    a file that is missing or does not fit.
    """
    if split == "train":
        raise DataError(expected("the split of objectnet", "test, its only split", split))
    root, names = Path(path or "").expanduser(), imagenet_classes().names
    sets = _classes_of_folders(root / "mappings", len(names))
    index = {folder: classes[0] for folder, classes in sets.items()}
    images = root / "images"
    whole = class_folders("objectnet", images, names, index, others=True, download=DOWNLOAD)
    return dataclasses.replace(
        whole,
        read=read_inside,
        among=tuple(sorted(index.values())),
        alike=tuple(sorted(classes for classes in sets.values() if len(classes) > 1)),
    )


def read_inside(sample: Sample, conversion: Conversion = AS_PILLOW) -> Any:
    """The image of a sample without its border, in mode RGB. Raises ``DataError`` as other images do."""
    image = read_image(sample, conversion)
    return image.crop((BORDER, BORDER, image.width - BORDER, image.height - BORDER))


def _classes_of_folders(folder: Path, classes: int) -> dict[str, tuple[int, ...]]:
    """The indices of ImageNet's classes of each image folder, ascending, from the four files of ``mappings``.

    ``imagenet_to_label_2012_v2`` names the classes line by line in the order of ImageNet's own ids, which
    ``pytorch_to_imagenet_2012_id.json`` gives for each index, counted from 0 or from 1.
    """
    labels = {label: name for name, label in _object(folder / "folder_to_objectnet_label.json").items()}
    own = {int(index): int(number) for index, number in _object(folder / "pytorch_to_imagenet_2012_id.json").items()}
    first = min(own.values(), default=0)
    if sorted(own) != list(range(classes)) or sorted(own.values()) != list(range(first, first + classes)):
        got, where = f"{len(own)} others", str(folder / "pytorch_to_imagenet_2012_id.json")
        raise DataError(expected("the ids", f"{classes} that follow each other, one for each index", got, where))
    index = {number - first: i for i, number in own.items()}
    lines = [line.strip() for line in _text(folder / "imagenet_to_label_2012_v2").splitlines()]
    named = {name: index[number] for number, name in enumerate(lines) if number in index}
    sets = {}
    taken: dict[int, str] = {}
    for label, text in _object(folder / "objectnet_to_imagenet_1k.json").items():
        words = text.split("; ")
        for word in words:
            if word not in named or label not in labels or taken.setdefault(named[word], label) != label:
                rule = "that of a folder, with classes of ImageNet that belong to no other one"
                where = str(folder / "objectnet_to_imagenet_1k.json")
                raise DataError(expected("a label of ObjectNet", rule, f"{label}: {word}", where))
        sets[labels[label]] = tuple(sorted(named[word] for word in words))
    return sets


def _object(file: Path) -> dict[str, str]:
    try:
        value = json.loads(_text(file))
    except ValueError as error:
        raise DataError(expected(file.name, "JSON", str(error), str(file))) from None
    if not isinstance(value, dict) or not all(isinstance(item, str | int) for item in value.values()):
        raise DataError(expected(file.name, "an object of names", type(value).__name__, str(file)))
    return {key: str(item) for key, item in value.items()}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DataError(expected(file.name, "a readable text file", "none", f"{file}: {DOWNLOAD}")) from None


OBJECTNET = Dataset(
    "objectnet",
    open=open_objectnet,
    mirror=True,
    note=(
        "objects photographed at home, of the classes that it shares with ImageNet; the red border of 2 pixels is cut "
        "off. Answers are chosen among these classes, and several of ImageNet's classes may count as one"
    ),
    source="https://objectnet.dev; classes and border as in https://github.com/mlfoundations/wise-ft, objectnet.py",
    download=DOWNLOAD,
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ObjectNet."""
    return [OBJECTNET]
