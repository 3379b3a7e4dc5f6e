"""``imagenet-v2:PATH``, ``imagenet-a:PATH`` and ``imagenet-r:PATH``: other images of ImageNet's classes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from benchsuite import Census, DataError, Dataset, Split, SplitName, expected, hookimpl

CLASSES = 1000
SUBSET = 200
"""The classes of ImageNet-A and of ImageNet-R."""

V2_DOWNLOAD = (
    "get one of the three test sets, see https://github.com/modestyachts/ImageNetV2, and unpack it; PATH holds the "
    "folders 0 to 999"
)
A_DOWNLOAD = "get imagenet-a.tar, see https://github.com/hendrycks/natural-adv-examples; PATH holds its 200 folders"
R_DOWNLOAD = "get imagenet-r.tar, see https://github.com/hendrycks/imagenet-r; PATH holds its 200 folders"
AMONG = (
    "Answers are chosen among these classes: the logits of the other 800 are left out before any softmax, as in the "
    "authors' eval.py"
)


def open_v2(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/0`` to ``PATH/999``, or of the only folder in ``PATH`` that holds these.

    A folder's name is its class index, read as a number: sorted as text, 10 would come before 2. If the folder's name
    says which of the three test sets it is, the split's name does too: ``imagenet-v2-matched-frequency``.
    """
    from benchsuite.builtin.datasets import _files, _synsets

    _refuse_train("imagenet-v2", split)
    folder = _numbered(_files.existing("imagenet-v2", path, V2_DOWNLOAD))
    inside = _files.class_folders(folder)
    for name in inside:
        if not re.fullmatch(r"0|[1-9]\d{0,2}", name):
            raise DataError(
                expected(
                    "a class folder",
                    f"named by a number from 0 to {CLASSES - 1}, without zeros before it",
                    name,
                    str(folder),
                )
            )
    samples = _files.class_samples(folder, [(name, int(name)) for name in inside])
    which = re.match(r"imagenetv2-(.+?)(-format-val)?$", folder.resolve().name)
    name = f"imagenet-v2-{which[1]}" if which else "imagenet-v2"
    return _files.file_split(name, samples, _synsets.names(_synsets.wnids()), mirror=True)


def open_a(path: str | None, split: SplitName) -> Split:
    """The images of ImageNet-A; its classes are those of the folders in ``PATH``."""
    return _subset(IMAGENET_A, path, split)


def open_r(path: str | None, split: SplitName) -> Split:
    """The images of ImageNet-R; its classes are those of the folders in ``PATH``."""
    return _subset(IMAGENET_R, path, split)


def _subset(dataset: Dataset, path: str | None, split: SplitName) -> Split:
    """A split of 200 folders named by WordNet ids, indexed among the 1000; predictions are chosen among the 200.

    Raises ``DataError`` for other classes: a prediction among fewer or other classes would be a different task.
    """
    from benchsuite.builtin.datasets import _files, _synsets

    _refuse_train(dataset.name, split)
    root = _files.existing(dataset.name, path, dataset.download)
    ids = _synsets.wnids()
    index = {wnid: i for i, wnid in enumerate(ids)}
    inside = _files.class_folders(root)
    _synsets.refuse_others(root, inside, index)
    if len(inside) != SUBSET:
        rule = f"a folder of all {SUBSET} class folders, among which answers are chosen"
        got = f"{len(inside)}" + (", all of those of imagenet:PATH" if len(inside) == CLASSES else "")
        raise DataError(expected(f"{dataset.name}:PATH", rule, got, f"{root}: {dataset.download}"))
    others = sorted(set(inside) - _synsets.subset(dataset.name[-1]))
    if others:
        got = f"{others[0]}" + (f" and {len(others) - 1} other folders" if len(others) > 1 else "")
        raise DataError(expected(f"each class folder of {dataset.name}", "one of its 200 classes", got, str(root)))
    samples = _files.class_samples(root, [(name, index[name]) for name in inside])
    among = tuple(index[name] for name in inside)
    whole = _files.file_split(dataset.name, samples, _synsets.names(ids), mirror=True)
    return dataclasses.replace(whole, among=among)


def _numbered(root: Path) -> Path:
    """The folder itself, or the only one in it that holds folders named by numbers."""
    from benchsuite.builtin.datasets import _files

    inside = _files.folders(root)
    if any(name.isdigit() for name in inside):
        return root
    deeper = [name for name in inside if any(n.isdigit() for n in _files.folders(root / name))]
    if len(deeper) == 1:
        return root / deeper[0]
    got = " and ".join(deeper) or "none"
    rule = f"a folder with the class folders 0 to {CLASSES - 1}, or with one folder that holds them"
    raise DataError(expected("imagenet-v2:PATH", rule, got, f"{root}: {V2_DOWNLOAD}"))


def _refuse_train(name: str, split: SplitName) -> None:
    if split == "train":
        raise DataError(expected(f"the split of {name}", "test, its only split", split))


IMAGENET_V2 = Dataset(
    "imagenet-v2",
    open=open_v2,
    mirror=True,
    note="one of ImageNet-V2's three test sets of 10,000 images; folders are numbers, and class indices as numbers",
    source="https://github.com/modestyachts/ImageNetV2, README.md; the index of a folder is inferred from its name",
    download=V2_DOWNLOAD,
    census=(Census("test", 10_000, 1_000, 10),),
)
IMAGENET_A = Dataset(
    "imagenet-a",
    open=open_a,
    mirror=True,
    note=f"7,500 photographs of 200 of the 1000 classes, chosen because networks err on them. {AMONG}",
    source="https://github.com/hendrycks/natural-adv-examples; the classes as in timm's imagenet_a_synsets.txt",
    download=A_DOWNLOAD,
    census=(Census("test", 7_500, SUBSET),),
)
IMAGENET_R = Dataset(
    "imagenet-r",
    open=open_r,
    mirror=True,
    note=f"30,000 renditions (art, cartoons, sculptures ...) of 200 of the 1000 classes. {AMONG}",
    source="https://github.com/hendrycks/imagenet-r, README.md; the classes as in timm's imagenet_r_synsets.txt",
    download=R_DOWNLOAD,
    census=(Census("test", 30_000, SUBSET),),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ImageNet-V2, ImageNet-A and ImageNet-R."""
    return [IMAGENET_V2, IMAGENET_A, IMAGENET_R]
