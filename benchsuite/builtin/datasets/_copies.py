"""The usual copies of ImageNet: which files under a path hold the images of a split, and what labels them.

A copy is a list of ``Picture``s, from folders or archives alike, and the places where its labels may lie.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from benchsuite import (
    ARCHIVES,
    SUFFIXES,
    DataError,
    Member,
    Sample,
    archive_state,
    check_head,
    expected,
    members,
    system_kind,
)
from benchsuite.builtin.datasets import _labels

FOLDERS = {"test": ("val", "validation"), "train": ("train",)}
"""Names of the folder of each split."""
OFFICIAL = {"test": "ILSVRC2012_img_val.tar", "train": "ILSVRC2012_img_train.tar"}
KAGGLE = ("ILSVRC", "Data", "CLS-LOC")
_NAMED = re.compile(r"(.+)_(n\d{8})")
"""A name that ends in the WordNet id of its class."""
_OTHERS = ("train", "test", "val", "validation")


def part(root: Path, split: str) -> Path | None:
    """The folder of a split in ``root``, also in Kaggle's tree; None if there is none."""
    for top in (root, root.joinpath(*KAGGLE)):
        for name in FOLDERS[split]:
            if (top / name).is_dir():
                return top / name
    return None


def label_places(folder: Path) -> tuple[Path, ...]:
    """The folders in which the labels of a folder of images may lie: it, its parent, and the root of Kaggle's tree."""
    places = (folder, folder.parent)
    return (*places, folder.parents[3]) if folder.parts[-4:-1] == KAGGLE else places


def archives(root: Path, split: str) -> list[str]:
    """The archives in a folder that hold a split: the official tar, Parquet files (also of the hub's cache), or shards.

    Those that are named after a split are taken for that one only; if none is, all are.
    """
    official = root / OFFICIAL[split]
    if official.is_file():
        return [str(official)]
    snapshots = sorted(root.glob("snapshots/*"), key=lambda p: p.stat().st_mtime)
    for folder in (root, root / "data", *snapshots[::-1], *(s / "data" for s in snapshots[::-1])):
        for suffix in (".parquet", ".tar", ".zip"):
            found = sorted(f for f in folder.glob(f"*{suffix}") if f.is_file() and not system_kind(f.name))
            named = {f: next((n for n in _OTHERS if re.search(rf"(^|[-_.]){n}([-_.]|$)", f.name)), "") for f in found}
            own = [f for f in found if named[f] in FOLDERS[split]] or [f for f in found if not named[f]]
            if own:
                return [str(f) for f in own]
    return []


def in_archives(
    files: Sequence[str],
    split: str,
    index: dict[str, int],
    labels: Path | None,
    beside: Sequence[Path],
    notes: list[str],
) -> list[Sample]:
    """The samples of archives. Their labels are, in this order: ``labels``, folders named by WordNet ids, names that
    end in one, a number that lies with each image (Parquet, WebDataset), a labels file in the archive or ``beside``;
    of several files, ``notes`` gets a line that names the one taken.

    Raises ``DataError`` for an image without a label and for files that are not images.
    """
    pictures, texts = _listed(files, split)
    indices = None if labels else _by_images(pictures, texts, index)
    if indices is None:
        stems = sorted(_stem(m.name) for m in pictures)
        if labels is not None:
            known = _labels.read_labels(labels, stems, index)
        else:
            sources = _sources(pictures, texts, beside, stems, index)
            known = _labels.fitting(sources, str(beside[0]) if beside else files[0], notes)
        indices = [known[_stem(m.name)] for m in pictures]
    states = {file: archive_state(file) for file in files}
    return [sample(m, label, states) for m, label in zip(pictures, indices, strict=True)]


def sample(member: Member, label: int, states: Mapping[str, str]) -> Sample:
    """The sample of an image in an archive; ``states`` are those of the archives (see ``archive_state``)."""
    place = member.place
    return Sample(_stem(member.name), label, member.where, f"{place.size}@{states[place.file]}", None, place)


def numbered(rows: Iterable[Member], first: int) -> list[Member]:
    """The rows of a Parquet file, the first of which is number ``first`` of all files: those without names are named by
    their numbers.
    """
    return [replace(m, name=f"{first + i:08d}") if m.name == f"{i:08d}" else m for i, m in enumerate(rows)]


def _listed(files: Sequence[str], split: str) -> tuple[list[Member], list[Member]]:
    """The images of a split, and the other files that may label them. Raises ``DataError`` for none and for other
    files that are called images.
    """
    pictures, texts = list[Member](), list[Member]()
    for file in files:
        if _is_table(file):
            pictures += _of_split(numbered(members(file, lambda _: True), len(pictures)), split)
            continue
        found = members(file, _wanted)
        pictures += _of_split([m for m in found if _is_picture(m.name)], split)
        texts += [m for m in found if not _is_picture(m.name)]
    if not pictures:
        raise DataError(expected("an archive of images", f"one with files {', '.join(SUFFIXES)}", "none", files[0]))
    for m in pictures:
        check_head(m.where, m.head)
    return pictures, texts


def _by_images(pictures: Sequence[Member], texts: Sequence[Member], index: dict[str, int]) -> list[int] | None:
    """The classes by what lies with each image: folders, names, numbers. None if not all images have one.

    Raises ``DataError`` for a number that is not that of the image's name.
    """
    numbers, named = _numbers(pictures, texts), _by_names(pictures, index)
    for m, label, number in zip(pictures, named or (), numbers, strict=False):
        if number not in (None, label):
            raise DataError(expected("a label", f"{label}, as the image's name says", number, m.where))
    return named or (None if None in numbers else [n for n in numbers if n is not None])


def named_label(stem: str, index: dict[str, int]) -> int | None:
    """The class of a name that ends in a WordNet id of ImageNet."""
    match = _NAMED.fullmatch(stem)
    return index.get(match[2]) if match else None


def short(stem: str) -> str:
    """A name without the WordNet id at its end."""
    match = _NAMED.fullmatch(stem)
    return match[1] if match else stem


def is_archive(path: str) -> bool:
    """Whether a path or URL is that of an archive, by its suffix; of compressed ones too, which are refused later."""
    return path.lower().endswith((*ARCHIVES, ".tar.gz", ".tgz"))


def _wanted(name: str) -> bool:
    return _is_picture(name) or name.endswith((".cls", ".json", ".txt", ".csv"))


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _is_table(file: str) -> bool:
    return file.lower().endswith(".parquet")


def _stem(name: str) -> str:
    return short(_labels.stem(name))


def _of_split(images: list[Member], split: str) -> list[Member]:
    """The images in the folder of a split, if the archive has folders of splits; else all."""
    tops = {part for m in images for part in PurePosixPath(m.name).parent.parts} & set(_OTHERS)
    if not tops:
        return images
    own = [m for m in images if set(PurePosixPath(m.name).parent.parts) & set(FOLDERS[split])]
    if not own:
        rule = f"one with a folder {' or '.join(FOLDERS[split])}"
        raise DataError(expected("the archive", rule, f"only {', '.join(sorted(tops))}", images[0].place.file))
    return own


def _by_names(pictures: Sequence[Member], index: dict[str, int]) -> list[int] | None:
    """The classes by folders named by WordNet ids, or by names that end in one; None if not all images have one."""
    folders = [posixpath.basename(posixpath.dirname(m.name)) for m in pictures]
    if any(re.fullmatch(r"n\d{8}", name) for name in folders):
        for name, m in zip(folders, pictures, strict=True):
            if name not in index:
                rule = "in a folder named by a WordNet id of ImageNet"
                raise DataError(expected("each image", rule, name or "none", m.where))
        return [index[name] for name in folders]
    labels = [named_label(_labels.stem(m.name), index) for m in pictures]
    return None if None in labels else [label for label in labels if label is not None]


def _numbers(pictures: Sequence[Member], texts: Iterable[Member]) -> list[int | None]:
    """The number that lies with each image: in a Parquet row, or in a WebDataset shard."""
    beside: dict[tuple[str, str], Member] = {}
    for m in texts:
        if m.name.endswith((".cls", ".json")):
            key = m.place.file, _key(m.name)
            if key not in beside or m.name.endswith(".cls"):
                beside[key] = m
    texts_of = (beside.get((m.place.file, _key(m.name))) for m in pictures)
    return [m.label if text is None else _number(text) for m, text in zip(pictures, texts_of, strict=True)]


def _number(text: Member) -> int:
    """The number of a WebDataset image: ``KEY.cls``, or ``label`` in ``KEY.json``; keys end at the first dot."""
    import json

    from benchsuite import read_bytes

    try:
        value = json.loads(read_bytes(text.place))
    except ValueError:
        raise DataError(expected("a label", "a number", "something else", text.where)) from None
    if isinstance(value, dict):
        value = next((value[k] for k in ("label", "cls", "class_id") if k in value), None)
    if type(value) is not int:
        raise DataError(expected("a label", "a number", repr(value), text.where))
    return value


def _key(name: str) -> str:
    folder, _, base = name.rpartition("/")
    return f"{folder}/{base.partition('.')[0]}"


def _sources(
    pictures: Sequence[Member],
    texts: Sequence[Member],
    beside: Sequence[Path],
    stems: Sequence[str],
    index: dict[str, int],
) -> list[_labels.Source]:
    """The labels files above the images in an archive, then those in the folders ``beside``."""
    from benchsuite import read_bytes

    def read(m: Member) -> dict[str, int]:
        return _labels.parse(read_bytes(m.place), m.where, stems, index)

    tops = {parent for m in pictures for parent in PurePosixPath(m.name).parents}
    above = [m for m in texts if PurePosixPath(m.name).parent in tops]  # not Kaggle's ImageSets/CLS-LOC/val.txt
    named = [m for pattern in _labels.PATTERNS for m in above if PurePosixPath(m.name).match(pattern)]
    found: list[_labels.Source] = [(m.where, partial(read, m)) for m in dict.fromkeys(named)]
    found += _labels.find_labels(beside, stems, index)
    if not found and not beside:
        rule = "labelled by class folders, by names, or by ,labels=FILE"
        raise DataError(expected("the images of an archive", rule, "neither", pictures[0].place.file))
    return found
