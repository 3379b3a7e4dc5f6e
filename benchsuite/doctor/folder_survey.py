"""What is in a folder that cannot be opened as a data set, and what to do about it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.data.archives import ARCHIVES
from benchsuite.data.decode import SUFFIXES, check_header
from benchsuite.data.system_files import system_kind
from benchsuite.doctor.findings import WNID, ignored, number
from benchsuite.doctor.inspection import READERS, every, file_kind
from benchsuite.doctor.kinds import Finding, found
from benchsuite.errors import BenchsuiteError, DataError
from benchsuite.progress import Progress
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import SplitName

COPIES = ("imagenet", "imagenet64")
"""Data sets whose copies have so many forms that a folder is tried as one of them before it is given up."""
INSIDE = 20
"""Folders and archives inside a folder that cannot be opened that are tried too."""


@dataclass(slots=True)
class Survey:
    """What is in a folder that cannot be opened as a data set.

    ``where`` is the folder that seems to hold the class folders, relative to the given one (empty: the given one).
    ``folders`` are the folders in it, with the number of images below each; ``nested`` are the folders inside these.
    ``images`` are the paths of all files with the suffix of an image; ``others`` counts the other files by suffix, and
    what is passed over by its kind.
    """

    folders: dict[str, int] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    nested: list[str] = field(default_factory=list)
    where: str = ""


def survey(root: Path, split: str = "test") -> Survey:
    """Counts the folders and files at any depth below the folder that seems to hold the class folders."""
    top = _class_root(root, "val" if split == "test" else split)
    content = Survey(where="" if top == root else top.relative_to(root).as_posix())
    if top != root:
        content.others.update(kind for p in root.iterdir() if p.is_file() and (kind := file_kind(p.name)) in ARCHIVES)
    for folder, inside, files in os.walk(top):
        content.others.update(kind for name in inside if (kind := system_kind(name)))
        inside[:] = sorted(name for name in inside if not system_kind(name))
        place = Path(folder).relative_to(top)
        if place == Path():
            content.folders = dict.fromkeys(inside, 0)
        elif inside:
            content.nested += [(place / name).as_posix() for name in inside]
        images = [n for n in sorted(files) if n.lower().endswith(SUFFIXES) and not system_kind(n)]
        content.others.update(file_kind(name) for name in set(files).difference(images))
        content.images += [f"{folder}{os.sep}{name}" for name in images]
        if place.parts:
            content.folders[place.parts[0]] += len(images)
    return content


def header_errors(paths: Sequence[str], advance: Callable[[int], None]) -> list[str]:
    """The errors of files with an image's suffix that are not images, worded as in a run. Reads their first bytes."""
    return [error for error in every(paths, _header_error, advance, READERS) if error]


def survey_findings(
    name: str, root: Path, split: SplitName, reason: str, catalog: Catalog, progress: Progress
) -> tuple[Finding, ...]:
    """Findings on a folder that could not be opened as the data set ``name`` for the ``reason``.

    Reads the first bytes of the images in it, and tries whether it is a copy of ImageNet.
    """
    progress.note("the data set cannot be opened; listing what is in its folder")
    content = survey(root, split)
    progress.start(f"reading the first bytes of {len(content.images):,} files", len(content.images))
    try:
        broken = header_errors(content.images, progress.advance)
    finally:
        progress.stop()
    return (*surveyed(content, broken, reason), *other_copies(name, root, split, catalog))


def other_copies(name: str, root: Path, split: SplitName, catalog: Catalog) -> list[Finding]:
    """How to give a folder that is, or holds, a copy of ImageNet: the first way that opens."""
    inside = sorted(path for path in root.iterdir() if path.is_dir() or path.suffix in ARCHIVES)[:INSIDE]
    for place in (*([root] if name not in COPIES else []), *inside):
        for other in (copy for copy in COPIES if copy in catalog.datasets):
            data = f"{other}:{place}"
            with suppress(BenchsuiteError):
                _, opened = catalog.open_dataset(data, split)
                labels = len({sample.label for sample in opened.samples})
                if labels > 1:  # else one of its class folders
                    counts = f"{number(len(opened.samples), 'image')} of {number(labels, 'class')}"
                    return [found("other-copy", data=shlex.quote(data), counts=counts)]
    return []


def _class_root(root: Path, part: str) -> Path:
    """The folder that seems to hold the class folders: that of the split if it exists. Else goes down as long as a
    folder holds a single folder that holds folders itself.
    """
    inside = _folders(root)
    if part in inside:
        return root / part
    alone = len(inside) == 1 and _folders(root / inside[0])
    return _class_root(root / inside[0], part) if alone else root


def _folders(root: Path) -> list[str]:
    """The names of the folders in a folder; empty if it cannot be read."""
    return [name for name in next(os.walk(root), ("", [], []))[1] if not system_kind(name)]


def _header_error(path: str) -> str:
    try:
        check_header(path)
    except DataError as error:
        return str(error)
    return ""


OTHER = "names"
COMPRESSED = {".gz", ".tgz"}


def surveyed(content: Survey, broken: Sequence[str], reason: str) -> list[Finding]:
    """Findings on a folder that could not be opened: the ``reason``, and what is in it."""
    findings = [found("not-opened", reason=reason)]
    names = content.folders
    kinds = Counter(_naming(name) for name in names)
    words = "".join(f", {n:,} named by {kind}" for kind, n in kinds.most_common() if kind != OTHER)
    parent = f" of {content.where}" if content.where else ""
    text = f"{number(len(content.images), 'image')} in {number(len(names), 'folder')}{parent}{words}"
    if not names and content.where:
        text = f"{number(len(content.images), 'image')} in {content.where}, but no class folders"
    findings.append(found(_kind(content), content=text, where=content.where))
    usual, times = kinds.most_common(1)[0] if kinds else (OTHER, 0)
    odd = [name for name in names if _naming(name) != usual]
    if odd and usual != OTHER and times > len(odd):
        findings.append(found("other-names", odd, folders=number(len(odd), "folder"), usual=usual))
    empty = [name for name, n in names.items() if not n]
    if empty and not _archives_only(content):
        findings.append(found("empty-folder", empty, folders=number(len(empty), "folder")))
    inner = number(len(content.nested), "folder")
    if content.nested and usual != OTHER:
        findings.append(found("nested", content.nested, folders=inner))
    elif content.nested:
        findings.append(found("several-sets", [*names], inside=f"{inner} inside {number(len(names), 'folder')}"))
    if broken:
        findings.append(found("no-image-files", broken, files=number(len(broken), "file")))
    return findings + ignored(content.others)


def _kind(content: Survey) -> str:
    """The kind of the finding on what is in the folder: images here, deeper in it or none, or an archive."""
    if _archives_only(content):
        return "archive" if set(ARCHIVES) & set(content.others) else "compressed"
    if not content.images:
        return "no-image"
    return "deeper" if content.where not in ("", "val", "train") and len(content.folders) > 1 else "surveyed"


def _archives_only(content: Survey) -> bool:
    """Whether there are archives and no images beside them."""
    return not content.images and not {*ARCHIVES, *COMPRESSED}.isdisjoint(content.others)


def _naming(folder: str) -> str:
    return "WordNet ids" if WNID.fullmatch(folder) else "numbers" if folder.isdigit() else OTHER
