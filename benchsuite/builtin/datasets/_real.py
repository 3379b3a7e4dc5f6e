"""The reassessed labels of ImageNet's validation images: ``real.json``, a list of class indices for each, in order."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchsuite import DataError, Sample, expected
from benchsuite.builtin.datasets import _synsets

NAME, PREFIX = "real.json", "ILSVRC2012_val_"
IMAGES, CLASSES = 50_000, 1_000


def find(root: Path) -> Path:
    """``real.json`` in the folder of the images or in its parent, else the copy that timm ships."""
    own = next((place for place in (root / NAME, root.parent / NAME) if place.is_file()), None)
    return own or shipped()


def shipped() -> Path:
    """The copy of ``real.json`` that timm ships."""
    return _synsets.of_timm("imagenet_real_labels.json")


def by_id() -> dict[str, tuple[int, ...]]:
    """The accepted classes of each of the 50,000 images by its id, from timm's copy; some images have none."""
    return {f"{PREFIX}{n:08d}": classes for n, classes in enumerate(read(shipped(), "pip install timm"), 1)}


def read(file: Path, download: str) -> list[tuple[int, ...]]:
    """Reads the accepted classes of all 50,000 images. Raises ``DataError`` for a file that holds anything else."""
    try:
        lists = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(expected(NAME, "a readable JSON file", f"{error}", f"{file}: {download}")) from None
    if not isinstance(lists, list) or len(lists) != IMAGES:
        got = f"{len(lists)}" if isinstance(lists, list) else type(lists).__name__
        raise DataError(expected(NAME, f"a list of {IMAGES} lists", got, str(file)))
    for image, classes in enumerate(lists, 1):
        if not isinstance(classes, list) or not all(type(c) is int and 0 <= c < CLASSES for c in classes):
            rule = f"a list of class indices from 0 to {CLASSES - 1}"
            raise DataError(expected(f"list {image} of {NAME}", rule, f"{classes!r}", str(file)))
    return [tuple(classes) for classes in lists]


def number(sample: Sample, images: int) -> int:
    """The index of a sample's list: 0 for ``ILSVRC2012_val_00000001``. Raises ``DataError`` for other names."""
    match = re.fullmatch(rf"{PREFIX}(\d{{8}})", sample.id)
    if match is None or not 1 <= int(match[1]) <= images:
        rule = f"{PREFIX}00000001 to {images:08d}, the names that {NAME} refers to"
        raise DataError(expected("the names of the images", rule, sample.id, sample.where))
    return int(match[1]) - 1
