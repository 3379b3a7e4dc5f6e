"""Labels files of flat ImageNet folders: the class of each image file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchsuite import SUFFIXES, DataError, expected, first_line, system_kind

PATTERNS = ("val.txt", "labels.txt", "*synset_labels.txt", "LOC_val_solution.csv", "ILSVRC2012_val_labels.*")
KIT, DEVKIT, META = "ILSVRC2012_devkit_t12", "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
FORMS = (
    f"one of {', '.join(PATTERNS)} with a line FILE WNID or FILE INDEX for each image, or one WNID a line, or by the "
    f"development kit {KIT}"
)


Source = tuple[str, Callable[[], dict[str, int]]]
"""A labels file: where it is, and a function that reads the class index of each image from it or raises DataError."""


def find_labels(places: Sequence[Path], stems: Sequence[str], index: dict[str, int]) -> list[Source]:
    """The labels files in these folders, and the ground truths of development kits in or below them."""
    files = [file for pattern in PATTERNS for place in places for file in sorted(place.glob(pattern))]
    kits = (DEVKIT, f"data/{DEVKIT}", f"{KIT}/data/{DEVKIT}", f"{KIT}.tar.gz")
    files += [place / name for place in places for name in kits]
    chosen = dict.fromkeys(file for file in files if file.is_file() and not system_kind(file.name))
    return [(str(file), partial(read_labels, file, stems, index)) for file in chosen]


def fitting(sources: Sequence[Source], where: str, notes: list[str]) -> dict[str, int]:
    """The labels of the first source that fits the images; of several, ``notes`` gets a line that names it.

    Raises ``DataError`` if there is no source (``where``), if none fits, and if two that fit disagree.
    """
    fit: list[tuple[str, dict[str, int]]] = []
    failures: list[tuple[str, DataError]] = []
    for place, read in sources:
        try:
            fit.append((place, read()))
        except DataError as error:
            failures.append((place, error))
    if not fit:
        if failures:
            raise failures[0][1]
        raise DataError(expected("images without class folders", f"labelled by {FORMS}", "none", where))
    (file, labels), *others = fit
    for other, read_there in others:
        for name, label in labels.items():
            if read_there.get(name, label) != label:
                got = f"{label} and {read_there[name]} for {name}"
                rule = "the same; name the right one by ,labels=FILE"
                raise DataError(expected("the labels of two files", rule, got, f"{file} and {other}"))
    if len(sources) > 1:
        unfit = "".join(f"; {place} does not fit" for place, _ in failures)
        notes.append(f"labels from {file}{''.join(f', as in {place}' for place, _ in others)}{unfit}")
    return labels


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
    pairs = [_pair(line) for line in lines]
    _refuse_running(pairs, file)
    for number, (line, (name, words)) in enumerate(zip(lines, pairs, strict=True), 1):
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


def _refuse_running(pairs: Sequence[tuple[str, list[str]]], file: str) -> None:
    """Raises ``DataError`` if the labels count the images: 1, 2, 3 ... line by line, or the number in each name.

    Kaggle's ``ImageSets/CLS-LOC/val.txt`` has such numbers.
    """
    words = [words[0] if words else "" for _, words in pairs]
    if len(words) < 2 or not all(re.fullmatch(r"[0-9]+", word) for word in words):
        return
    numbers = [int(word) for word in words]
    ends = [re.search(r"[0-9]+$", name) for name, _ in pairs]
    named = [int(end[0]) if end else -1 for end in ends]
    if (len(numbers) > 2 and numbers == list(range(1, len(numbers) + 1))) or (named == numbers and len(set(named)) > 1):
        got = f"running numbers: {numbers[0]} for {pairs[0][0]}, {numbers[1]} for {pairs[1][0]}"
        rule = "class indices or WordNet ids, not a number for each image (write WordNet ids if these are classes)"
        raise DataError(expected("the labels", rule, got, file))


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
    wnids = _wnids_of(meta, file, index)
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
        if number not in wnids:
            raise DataError(expected("the ground truth", f"an ILSVRC2012_ID of a class in {META}", number, file))
        labels[stem] = index[wnids[number]]
    return labels


def _wnids_of(meta: bytes, file: str, index: dict[str, int]) -> dict[int, str]:
    """The WordNet id of each ILSVRC2012_ID whose synset has no children."""
    from benchsuite import matlab_structs

    rule = f"that of the development kit, with synsets for each of the {len(index)} classes"
    try:
        rows = [row for row in matlab_structs(meta, "synsets") if row["num_children"] == 0]
        found = {int(float(row["ILSVRC2012_ID"] or 0)): str(row["WNID"]) for row in rows}
    except Exception as error:  # a damaged file raises many types
        raise DataError(expected(META, rule, first_line(error), file)) from None
    if sorted(found) != [*range(1, len(index) + 1)] or set(found.values()) != set(index):
        raise DataError(expected(META, rule, f"{len(rows)} classes, or others", file))
    return found


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
