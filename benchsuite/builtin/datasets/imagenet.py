"""``imagenet:PATH``: images of ImageNet's 1000 classes, or of some of them, indexed as every network expects.

``imagenet-real:PATH`` counts the same images by the reassessed labels (ReaL) too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from benchsuite import Census, DataError, Dataset, Sample, Split, SplitName, expected, hookimpl, is_remote

DOWNLOAD = (
    "get ILSVRC2012_img_val.tar from https://www.image-net.org (an account is needed); PATH holds val/WNID/*.JPEG, or "
    "val/*.JPEG with a labels file, or that tar with ILSVRC2012_devkit_t12; docs/data.md lists the other copies"
)
REAL_DOWNLOAD = (
    "PATH holds the validation images as for imagenet:PATH; real.json of "
    "https://github.com/google-research/reassessed-imagenet may be in it, or elsewhere: imagenet-real:PATH,real=FILE; "
    "without it, the copy that timm ships is used"
)


def open_imagenet(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/val`` (or of ``PATH``, when it is that folder), or of ``PATH/train``.

    They are in folders named by WordNet ids, in one folder with a labels file in it or next to it, or in archives
    (tar, zip, Parquet, WebDataset) that are read where they lie; ``PATH`` may be an archive or its URL, and
    ``,labels=FILE`` names the labels. The class index is the rank of the WordNet id among the 1000, whichever folders
    exist; a sample's id is the file name without suffix and without a WordNet id at its end, so that all copies give
    the same ids; if images of several classes have the same name, all ids are ``WNID/NAME``. Raises ``DataError`` for
    folders that are not classes, empty class folders, missing labels, and two files with the same id.
    """
    from benchsuite.builtin.datasets import _files, _synsets

    place, _, named = (path or "").partition(",labels=")
    labels = Path(named).expanduser() if named else None
    ids = _synsets.wnids()
    index = {wnid: i for i, wnid in enumerate(ids)}
    notes: list[str] = []
    samples = _told_apart(_samples(place, split, index, labels, notes), ids)
    opened = _files.file_split("imagenet", samples, _synsets.names(ids), mirror=True)
    return dataclasses.replace(opened, notes=tuple(notes))


def _samples(path: str, split: SplitName, index: dict[str, int], labels: Path | None, notes: list[str]) -> list[Sample]:
    """The samples of a copy: of an archive or URL, of archives in a folder, or of image files in a folder."""
    from benchsuite.builtin.datasets import _copies, _files

    if is_remote(path):
        return _copies.in_archives([path], split, index, labels, (), notes)
    file = Path(path).expanduser()
    if path and file.is_file() and _copies.is_archive(path):
        return _copies.in_archives([str(file)], split, index, labels, (file.parent,), notes)
    root = _files.existing("imagenet", path, DOWNLOAD)
    folder = _copies.part(root, split)
    if folder is None:
        if archives := _copies.archives(root, split):
            return _copies.in_archives(archives, split, index, labels, (root, root.parent), notes)
        folder = _without_part(root, split)
    inside = _files.class_folders(folder)
    return _in_classes(folder, inside, index) if inside and not labels else _flat(folder, index, labels, notes)


def _told_apart(samples: list[Sample], wnids: tuple[str, ...]) -> list[Sample]:
    """The samples with ids ``WNID/NAME`` if images of several classes have the same name; else unchanged."""
    labels: dict[str, int] = {}
    if all(labels.setdefault(sample.id, sample.label) == sample.label for sample in samples):
        return samples
    return [dataclasses.replace(sample, id=f"{wnids[sample.label]}/{sample.id}") for sample in samples]


def _without_part(root: Path, split: SplitName) -> Path:
    """``PATH`` itself, for the validation images, if it holds neither ``val`` nor ``train``."""
    if split == "train" or (root / "train").is_dir():
        name = "val" if split == "test" else "train"
        raise DataError(expected("imagenet:PATH", f"a folder that holds {name}", "none", f"{root}: {DOWNLOAD}"))
    return root


def _in_classes(folder: Path, inside: list[str], index: dict[str, int]) -> list[Sample]:
    from benchsuite.builtin.datasets import _files, _labels, _synsets

    _synsets.refuse_others(folder, inside, index)
    return [
        Sample(_labels.stem(file.name), index[name], file.path, file.stamp)
        for name in inside
        for file in _files.images(folder / name, "a class folder")
    ]


def _flat(folder: Path, index: dict[str, int], labels: Path | None, notes: list[str]) -> list[Sample]:
    """The samples of one folder, by names that end in WordNet ids or by a labels file."""
    from benchsuite.builtin.datasets import _copies, _files, _labels

    files = _files.images(folder, "imagenet:PATH")
    stems = [_labels.stem(file.name) for file in files]
    known = [_copies.named_label(stem, index) for stem in stems]
    ids = [_copies.short(stem) for stem in stems]
    if labels is not None or None in known:
        if labels is not None:
            by_id = _labels.read_labels(labels, ids, index)
        else:
            sources = _labels.find_labels(_copies.label_places(folder), ids, index)
            by_id = _labels.fitting(sources, str(folder), notes)
        known = [by_id[name] for name in ids]
    return [
        Sample(name, label, file.path, file.stamp)
        for name, label, file in zip(ids, known, files, strict=True)
        if label is not None
    ]


def open_real(path: str | None, split: SplitName) -> Split:
    """The validation images of ``imagenet:PATH``; each also has the list of classes that ``real.json`` accepts.

    The file is the one named after ``,real=``, else the one in ``PATH`` or its parent, else the copy that timm ships.
    It holds a list for each of ILSVRC2012_val_00000001 to 00050000; an image with an empty list is not counted by
    these labels. Raises ``DataError`` for images of other names, and for a file that is missing or incomplete.
    """
    from benchsuite.builtin.datasets import _files, _real

    folder, _, named = (path or "").partition(",real=")
    place = folder.partition(",labels=")[0]
    file = Path(place).expanduser()
    inside = is_remote(place) or (place and file.is_file())
    root = file.parent if inside else _files.existing("imagenet-real", place, REAL_DOWNLOAD)
    if split == "train":
        raise DataError(expected("the split of imagenet-real", "test: train images were not reassessed", split))
    file = Path(named).expanduser() if named else _real.find(root)
    accepted = _real.read(file, REAL_DOWNLOAD)
    whole = open_imagenet(folder, split)
    samples = (dataclasses.replace(s, real=accepted[_real.number(s, len(accepted))]) for s in whole.samples)
    return dataclasses.replace(whole, name="imagenet-real", samples=tuple(samples))


def _accepted() -> dict[str, tuple[int, ...]]:
    from benchsuite.builtin.datasets import _real

    return _real.by_id()


IMAGENET = Dataset(
    "imagenet",
    open=open_imagenet,
    mirror=True,
    note="1000 classes, indexed by their sorted WordNet ids; a sample of the classes keeps their indices",
    source="https://www.image-net.org; the order of the classes as in timm's imagenet_synsets.txt",
    download=DOWNLOAD,
    census=(Census("test", 50_000, 1_000, 50, accepted=_accepted), Census("train", 1_281_167, 1_000)),
)

IMAGENET_REAL = Dataset(
    "imagenet-real",
    open=open_real,
    mirror=True,
    note="ImageNet's validation images, counted by the reassessed labels (ReaL) too: right is any of an image's list",
    source="https://github.com/google-research/reassessed-imagenet, README.md",
    download=REAL_DOWNLOAD,
    census=(Census("test", 50_000, 1_000, 50),),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ImageNet, and ImageNet with reassessed labels."""
    return [IMAGENET, IMAGENET_REAL]
