"""The reassessed labels of ImageNet's validation images: ``real.json``, a list of class indices for each, in order."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchsuite import DataError, Sample, expected

NAME = "real.json"
IMAGES, CLASSES = 50_000, 1_000


def find(root: Path, download: str) -> Path:
    """``real.json`` in the folder of the images or beside it. Raises ``DataError`` when there is none."""
    for place in (root / NAME, root.parent / NAME):
        if place.is_file():
            return place
    raise DataError(expected(NAME, "in the folder of the images", "no file", f"{root}: {download}"))


def read(file: Path, download: str) -> list[tuple[int, ...]]:
    """The accepted classes of all 50,000 images. Raises ``DataError`` for a file that holds anything else."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(expected(NAME, "a readable JSON file", f"{error}", f"{file}: {download}")) from None
    if not isinstance(found, list) or len(found) != IMAGES:
        got = f"{len(found)}" if isinstance(found, list) else type(found).__name__
        raise DataError(expected(NAME, f"a list of {IMAGES} lists", got, str(file)))
    for image, classes in enumerate(found, 1):
        if not isinstance(classes, list) or not all(type(c) is int and 0 <= c < CLASSES for c in classes):
            rule = f"a list of class indices from 0 to {CLASSES - 1}"
            raise DataError(expected(f"list {image} of {NAME}", rule, f"{classes!r}", str(file)))
    return [tuple(classes) for classes in found]


def number(sample: Sample, images: int) -> int:
    """The place of a sample's list: ``ILSVRC2012_val_00000001`` has the first. Raises ``DataError`` for other names."""
    match = re.fullmatch(r"ILSVRC2012_val_(\d{8})", sample.id)
    if match is None or not 1 <= int(match[1]) <= images:
        rule = f"ILSVRC2012_val_00000001 to {images:08d}, by which {NAME} knows them"
        raise DataError(expected("the names of the images", rule, sample.id, sample.where))
    return int(match[1]) - 1
