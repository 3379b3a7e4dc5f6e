"""Labels files of flat ImageNet folders: the class of each image file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchsuite import SUFFIXES, DataError, expected, first_line

PATTERNS = ("val.txt", "labels.txt", "*synset_labels.txt", "LOC_val_solution.csv", "ILSVRC2012_val_labels.*")
KIT, DEVKIT, META = "ILSVRC2012_devkit_t12", "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
FORMS = (
    f"one of {', '.join(PATTERNS)} with a line FILE WNID or FILE INDEX for each image, or one WNID a line, or by the "
    f"development kit {KIT}"
)


def find_labels(places: Sequence[Path]) -> Path:
    """The labels file in one of these folders, or the ground truth of a development kit in or below one.

    Raises ``DataError`` if there is none, and for a ground truth without the ``meta.mat`` that explains its numbers.
    """
    for pattern in PATTERNS:
        for place in places:
            for file in sorted(place.glob(pattern)):
                if file.is_file():
                    return file
    for place in places:
        for file in (place / DEVKIT, place / "data" / DEVKIT, place / KIT / "data" / DEVKIT, place / f"{KIT}.tar.gz"):
            if file.is_file():
                return file
    raise DataError(expected("images without class folders", f"labelled by {FORMS}", "none", str(places[0])))


def read_labels(file: Path, stems: Sequence[str], index: dict[str, int]) -> dict[str, int]:
    """The class index of each image, by its file name without suffix. ``stems`` are all these names, in order.

    Raises ``DataError`` naming the file, and the label if it is about one: for an unknown WordNet id, a class index
    outside 0..999, an image without a label or with two, and a file of bare numbers that no ``meta.mat`` explains.
    """
    if file.name.endswith(".tar.gz"):
        return _from_kit(*_unpacked(file), str(file), stems, index)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(expected("the labels", "a readable text", str(error), str(file))) from None
    meta = file.with_name(META)
    if file.name == DEVKIT and meta.is_file():
        return _from_kit(content, meta.read_bytes(), str(file), stems, index)
    return parse(content, str(file), stems, index)


def parse(content: bytes, file: str, stems: Sequence[str], index: dict[str, int]) -> dict[str, int]:
    """The class index of each image from the content of a labels file; ``read_labels`` says what is refused."""
    try:
        lines = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(expected("the labels", "a readable text", str(error), file)) from None
    lines = [line for line in lines if line and not line.startswith("ImageId,")]
    if lines and all(re.fullmatch(r"\d+", line) for line in lines):
        raise _devkit(file)
    if lines and all(len(line.split()) == 1 and "," not in line for line in lines):
        if len(lines) != len(stems):
            raise DataError(expected("the labels", f"one for each of {len(stems)} images", len(lines), file))
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
            raise DataError(expected("each image", "labelled", f"no label for {stem}", file))
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


def _class(word: str, index: dict[str, int], file: str, number: int) -> int:
    if word in index:
        return index[word]
    if re.fullmatch(r"\d+", word) and int(word) < len(index):
        return int(word)
    rule = f"a WordNet id of ImageNet or an index from 0 to {len(index) - 1}"
    raise DataError(expected("a label", rule, word, f"{file}, label {number}"))


def _from_kit(truth: bytes, meta: bytes, file: str, stems: Sequence[str], index: dict[str, int]) -> dict[str, int]:
    """The labels of a development kit: line n of ``truth`` is the ILSVRC2012_ID of ``ILSVRC2012_val_{n:08d}``.

    ``meta`` is ``meta.mat``, whose synsets without children are the 1000 classes. Images of other names are refused.
    """
    wnids = _wnids_of(meta, file)
    try:
        numbers = [int(word) for word in truth.decode("ascii").split()]
    except ValueError as error:
        raise DataError(expected("the ground truth", "a number a line", str(error), file)) from None
    labels: dict[str, int] = {}
    for stem in stems:
        match = re.fullmatch(r"ILSVRC2012_val_(\d{8})", stem)
        if match is None or not 1 <= int(match[1]) <= len(numbers):
            rule = f"ILSVRC2012_val_00000001 to {len(numbers):08d}, which the ground truth labels"
            raise DataError(expected("the names of the images", rule, stem, file))
        number = numbers[int(match[1]) - 1]
        if wnids.get(number) not in index:
            raise DataError(expected("the ground truth", f"an ILSVRC2012_ID of a class in {META}", number, file))
        labels[stem] = index[wnids[number]]
    return labels


def _wnids_of(meta: bytes, file: str) -> dict[int, str]:
    """The WordNet id of each ILSVRC2012_ID whose synset has no children. Nothing in the file is executed."""
    import io

    from scipy.io import loadmat

    try:
        rows = loadmat(io.BytesIO(meta), variable_names=("synsets",), squeeze_me=True)["synsets"].reshape(-1)
        return {int(r["ILSVRC2012_ID"]): str(r["WNID"]) for r in rows if int(r["num_children"]) == 0}
    except Exception as error:  # a damaged file raises many types
        got = first_line(error)
        raise DataError(expected(META, "that of the development kit, with synsets", got, file)) from None


def _unpacked(file: Path) -> tuple[bytes, bytes]:
    """The ground truth and ``meta.mat`` of a packed development kit."""
    import tarfile

    found: dict[str, bytes] = {}
    try:
        with tarfile.open(file) as kit:
            for member in kit:
                name = member.name.rpartition("/")[2]
                if name in (DEVKIT, META) and (content := kit.extractfile(member)) is not None:
                    found[name] = content.read()
    except Exception as error:  # a damaged archive raises many types
        raise DataError(expected("the development kit", "whole and readable", first_line(error), str(file))) from None
    for name in (DEVKIT, META):
        if name not in found:
            raise DataError(expected("the development kit", f"one with data/{name}", "none", str(file)))
    return found[DEVKIT], found[META]


def _devkit(file: str) -> DataError:
    rule = "WordNet ids or lines FILE INDEX"
    got = "bare numbers: the development kit numbers the classes in an order of its own, not by class index"
    return DataError(expected("the labels", rule, got, f"{file}; {META} of the kit beside it explains the numbers"))
