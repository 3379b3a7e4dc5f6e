"""What lies in a folder that cannot be opened as a data set, and what to do about it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.data.decode import SUFFIXES, check_header
from benchsuite.doctor.findings import WNID, Finding, ignored, number
from benchsuite.doctor.inspection import READERS, _kind, every
from benchsuite.errors import DataError


@dataclass(slots=True)
class Survey:
    """What lies in a folder that cannot be opened as a data set.

    ``folders`` are those at the top of ``where`` (empty: of the folder itself), with their images by name, ``nested``
    those inside them, ``images`` the paths of all files that are named as images.
    """

    folders: dict[str, int] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    nested: list[str] = field(default_factory=list)
    where: str = ""


def survey(root: Path, split: str = "test") -> Survey:
    """Counts what is in a folder, all the way down: in its class folders, as far as they are found."""
    top = _class_root(root, "val" if split == "test" else split)
    found = Survey(where="" if top == root else top.relative_to(root).as_posix())
    for folder, inside, files in os.walk(top):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        place = Path(folder).relative_to(top)
        if place == Path():
            found.folders = dict.fromkeys(inside, 0)
        elif inside:
            found.nested += [(place / name).as_posix() for name in inside]
        images = [n for n in sorted(files) if n.lower().endswith(SUFFIXES) and not n.startswith(".")]
        found.others.update(_kind(name) for name in set(files).difference(images))
        found.images += [f"{folder}{os.sep}{name}" for name in images]
        if place.parts:
            found.folders[place.parts[0]] += len(images)
    return found


def header_errors(paths: Sequence[str], advance: Callable[[int], None]) -> list[str]:
    """Why files named as images are none, in the words of an evaluation; only their first bytes are read."""
    return [error for error in every(paths, _header_error, advance, READERS) if error]


def _class_root(root: Path, part: str) -> Path:
    """The folder whose folders stand for classes: the first below ``root`` that is not the only one of its parent, or
    that of the split.
    """
    inside = _folders(root)
    if part in inside:
        return root / part
    alone = len(inside) == 1 and _folders(root / inside[0])
    return _class_root(root / inside[0], part) if alone else root


def _folders(root: Path) -> list[str]:
    """Names of folders in one; none where it may not be read."""
    return [name for name in next(os.walk(root), ("", [], []))[1] if not name.startswith(".")]


def _header_error(path: str) -> str:
    try:
        check_header(path)
    except DataError as error:
        return str(error)
    return ""


OTHER = "names"
ARCHIVES = {".tar", ".zip", ".gz", ".tgz"}


def surveyed(found: Survey, broken: Sequence[str], reason: str) -> list[Finding]:
    """What lies in a folder that could not be opened, and why it could not."""
    findings = [Finding("opening", "failed", reason, "Mend this first, and check again")]
    names = found.folders
    kinds = Counter(_naming(name) for name in names)
    words = "".join(f", {n:,} named by {kind}" for kind, n in kinds.most_common() if kind != OTHER)
    there = f" of {found.where}" if found.where else ""
    text = f"{number(len(found.images), 'image')} in {number(len(names), 'folder')}{there}{words}"
    if not names and found.where:
        text = f"{number(len(found.images), 'image')} in {found.where}, in no class folders"
    findings.append(Finding("folders", "ok" if found.images else "failed", text, _elsewhere(found)))
    usual, times = kinds.most_common(1)[0] if kinds else (OTHER, 0)
    odd = tuple(name for name in names if _naming(name) != usual)
    if odd and usual != OTHER and times > len(odd):
        text = f"{number(len(odd), 'folder')} not named by {usual}, as the others are"
        findings.append(Finding("folders", "failed", text, "Rename them or move them away", odd))
    empty = tuple(name for name, n in names.items() if not n)
    if empty:
        advice = "Fill them from the archive, or remove what is no class"
        findings.append(Finding("folders", "failed", f"{number(len(empty), 'folder')} without an image", advice, empty))
    if found.nested and usual != OTHER:
        text = f"{number(len(found.nested), 'folder')} inside the class folders"
        advice = "Move their images into the class folders, and the folders away"
        findings.append(Finding("folders", "failed", text, advice, tuple(found.nested)))
    elif found.nested:
        text = f"{number(len(found.nested), 'folder')} inside these, which may be data sets of their own"
        findings.append(Finding("folders", "failed", text, "Give one of them as PATH", tuple(names)))
    if broken:
        text = f"{number(len(broken), 'file')} named as an image that is empty, none or not readable"
        advice = "Replace these files, or see to it that you may read them"
        findings.append(Finding("images", "failed", text, advice, tuple(broken)))
    return findings + ignored(found.others)


def _elsewhere(found: Survey) -> str:
    """What to do where the images lie deeper than they were looked for, or in an archive."""
    if not found.images and ARCHIVES & set(found.others):
        return "Unpack the archive first"
    deeper = found.where not in ("", "val", "train") and len(found.folders) > 1
    return f"The class folders lie in {found.where}: add that to PATH" if deeper else ""


def _naming(folder: str) -> str:
    return "WordNet ids" if WNID.fullmatch(folder) else "numbers" if folder.isdigit() else OTHER
