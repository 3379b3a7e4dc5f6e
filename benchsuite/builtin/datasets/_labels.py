"""Labels files of flat ImageNet folders: the class of each image file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchsuite import SUFFIXES, DataError, expected

PATTERNS = ("val.txt", "labels.txt", "*synset_labels.txt", "LOC_val_solution.csv", "ILSVRC2012_val_labels.*")
DEVKIT = "ILSVRC2012_validation_ground_truth.txt"
FORMS = f"one of {', '.join(PATTERNS)} with a line FILE WNID or FILE INDEX for each image, or one WNID a line"


def find_labels(folder: Path) -> Path:
    """The labels file in the folder of the images or in its parent. Raises ``DataError`` if there is none."""
    places = (folder, folder.parent)
    for pattern in PATTERNS:
        for place in places:
            for file in sorted(place.glob(pattern)):
                if file.is_file():
                    return file
    for place in places:
        if (place / DEVKIT).is_file():
            raise _devkit(place / DEVKIT)
    raise DataError(expected("a folder of images without class folders", f"labelled by {FORMS}", "none", str(folder)))


def read_labels(file: Path, stems: Sequence[str], index: dict[str, int]) -> dict[str, int]:
    """The class index of each image, by its file name without suffix. ``stems`` are all these names, in order.

    Raises ``DataError`` naming the file, and the label if it is about one: for an unknown WordNet id, a class index
    outside 0..999, an image without a label or with two, and a file of bare numbers.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(expected("the labels", "a readable text", str(error), str(file))) from None
    lines = [line for line in lines if line and not line.startswith("ImageId,")]
    if lines and all(re.fullmatch(r"\d+", line) for line in lines):
        raise _devkit(file)
    if lines and all(len(line.split()) == 1 and "," not in line for line in lines):
        if len(lines) != len(stems):
            raise DataError(expected("the labels", f"one for each of {len(stems)} images", len(lines), str(file)))
        return {stem: _class(word, index, file, n) for n, (stem, word) in enumerate(zip(stems, lines, strict=True), 1)}
    labels: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        name, words = _pair(line)
        if not name or not words:
            raise DataError(
                expected("a line of the labels", "FILE WNID or FILE INDEX", line, f"{file}, label {number}")
            )
        label = _class(words[0], index, file, number)
        if labels.setdefault(name, label) != label:
            raise DataError(expected("each image", "labelled once", f"{name} twice", f"{file}, label {number}"))
    for stem in stems:
        if stem not in labels:
            raise DataError(expected("each image", "labelled", f"no label for {stem}", str(file)))
    return labels


def stem(name: str) -> str:
    """A file name without its folder, and without its suffix if that is one of an image."""
    name = re.split(r"[/\\]", name)[-1]
    base, _, ending = name.rpartition(".")
    return base if f".{ending.lower()}" in SUFFIXES else name


def _pair(line: str) -> tuple[str, list[str]]:
    """``FILE WNID`` or Kaggle's ``FILE,WNID x y x y WNID x y x y`` -> the file's stem and the words after it."""
    left, comma, right = line.partition(",")
    if not comma:
        left, _, right = line.rpartition(" ") if " " in line else line.rpartition("\t")
    return stem(left.strip()), right.split()


def _class(word: str, index: dict[str, int], file: Path, number: int) -> int:
    if word in index:
        return index[word]
    if re.fullmatch(r"\d+", word) and int(word) < len(index):
        return int(word)
    rule = f"a WordNet id of ImageNet or an index from 0 to {len(index) - 1}"
    raise DataError(expected("a label", rule, word, f"{file}, label {number}"))


def _devkit(file: Path) -> DataError:
    rule = "WordNet ids or lines FILE INDEX"
    got = "bare numbers: the development kit numbers the classes in an order of its own, not by class index"
    return DataError(expected("the labels", rule, got, str(file)))
