"""The 1000 ImageNet classes in the order of their sorted WordNet ids, as is usual, from the lists that timm ships."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchsuite import DataError, expected
from benchsuite.builtin.datasets import _files


def wnids() -> tuple[str, ...]:
    """The WordNet ids of the 1000 classes; the position of an id is its class index."""
    found = tuple(_lines("imagenet_synsets.txt"))
    assert len(found) == 1000
    assert list(found) == sorted(set(found))
    return found


def names(ids: tuple[str, ...]) -> tuple[str, ...]:
    """A readable name for each id; where two classes share a name, the id is added to it."""
    lemmas = dict(line.split("\t") for line in _lines("imagenet_synset_to_lemma.txt"))
    known = [lemmas.get(i, i) for i in ids]
    times = Counter(known)
    return tuple(name if times[name] == 1 else f"{name} ({i})" for i, name in zip(ids, known, strict=True))


TINY = "val_annotations.txt"
"""The labels of Tiny ImageNet's validation images, which lie in one folder beside it."""


def refuse_others(folder: Path, inside: Iterable[str], index: dict[str, int]) -> None:
    """Raises ``DataError`` for the first of these folders that is not named by a WordNet id of the 1000 classes."""
    for name in inside:
        if name not in index:
            kind = "not one of the 1000 classes" if re.fullmatch(r"n\d{8}", name) else "not a WordNet id"
            hint = f"{folder}; for other classes use folder:{folder}"
            if name.isdigit():
                hint = f"{folder}; rename each number to its WordNet id; for ImageNet-V2 use imagenet-v2:PATH"
            elif (folder / TINY).is_file():
                hint = f"{folder}; for Tiny ImageNet use tiny-imagenet:{folder.parent}"
            elif _files.folders(folder / name):
                hint = f"{folder}; {name} itself holds folders: PATH has to be the folder that holds the class folders"
            raise DataError(
                expected("a class folder", "named by a WordNet id of ImageNet", f"{name}, which is {kind}", hint)
            )


def subset(name: str) -> frozenset[str]:
    """The WordNet ids of the classes of ImageNet-A (``a``) or ImageNet-R (``r``)."""
    return frozenset(_lines(f"imagenet_{name}_synsets.txt"))


def of_timm(name: str) -> Path:
    """The path of a list that timm ships, without importing timm (seconds). Raises ``DataError`` if it is missing."""
    package = importlib.util.find_spec("timm")
    for folder in (package.submodule_search_locations or ()) if package else ():
        file = Path(folder, "data", "_info", name)
        if file.is_file():
            return file
    raise DataError(expected(f"timm's list {name}", "installed with timm", "no such file", "pip install timm"))


def _lines(name: str) -> list[str]:
    return of_timm(name).read_text(encoding="utf-8").splitlines()


def ilsvrc_order() -> tuple[str, ...]:
    """The WordNet ids in the order of ILSVRC2012_ID, 1 to 1000: that of the development kits, not of class indices."""
    return tuple(Path(__file__).with_name("ilsvrc2012_ids.txt").read_text(encoding="ascii").split())
