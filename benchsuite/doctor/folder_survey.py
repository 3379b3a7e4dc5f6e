"""What is in a folder that cannot be opened as a data set, and what to do about it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.data.archives import ARCHIVES
from benchsuite.data.decode import SUFFIXES, check_header
from benchsuite.data.system_files import system_kind
from benchsuite.doctor.findings import WNID, Finding, ignored, number
from benchsuite.doctor.inspection import READERS, every, file_kind
from benchsuite.errors import DataError
from benchsuite.progress import Progress


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


def survey_findings(root: Path, split: str, reason: str, progress: Progress) -> tuple[Finding, ...]:
    """Findings on a folder that could not be opened for the ``reason``. Reads the first bytes of the images in it."""
    progress.note("the data set cannot be opened; listing what is in its folder")
    content = survey(root, split)
    progress.start(f"reading the first bytes of {len(content.images):,} files", len(content.images))
    try:
        broken = header_errors(content.images, progress.advance)
    finally:
        progress.stop()
    return tuple(surveyed(content, broken, reason))


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
    findings = [Finding("opening", "failed", reason, "Fix this first, then check again")]
    names = content.folders
    kinds = Counter(_naming(name) for name in names)
    words = "".join(f", {n:,} named by {kind}" for kind, n in kinds.most_common() if kind != OTHER)
    parent = f" of {content.where}" if content.where else ""
    text = f"{number(len(content.images), 'image')} in {number(len(names), 'folder')}{parent}{words}"
    if not names and content.where:
        text = f"{number(len(content.images), 'image')} in {content.where}, but no class folders"
    findings.append(Finding("folders", "ok" if content.images else "failed", text, _elsewhere(content)))
    usual, times = kinds.most_common(1)[0] if kinds else (OTHER, 0)
    odd = tuple(name for name in names if _naming(name) != usual)
    if odd and usual != OTHER and times > len(odd):
        text = f"{number(len(odd), 'folder')} not named by {usual}, unlike the others"
        findings.append(
            Finding("folders", "failed", text, f"Name these folders by {usual} too, or move them elsewhere", odd)
        )
    empty = tuple(name for name, n in names.items() if not n)
    if empty and not _archives_only(content):
        advice = "Put the missing images into the empty folders, or remove the folders that are not classes"
        findings.append(Finding("folders", "failed", f"{number(len(empty), 'folder')} without an image", advice, empty))
    if content.nested and usual != OTHER:
        text = f"{number(len(content.nested), 'folder')} inside the class folders"
        advice = "Move the images of the inner folders up into the class folders, and remove the inner folders"
        findings.append(Finding("folders", "failed", text, advice, tuple(content.nested)))
    elif content.nested:
        inside = f"{number(len(content.nested), 'folder')} inside {number(len(names), 'folder')}"
        text = f"{inside}, which may be separate data sets"
        findings.append(Finding("folders", "failed", text, "Use one of these folders as PATH", tuple(names)))
    if broken:
        text = f"{number(len(broken), 'file')} with the suffix of an image, but empty, not an image or not readable"
        advice = "Replace the files that are not images, or correct their read permissions"
        findings.append(Finding("images", "failed", text, advice, tuple(broken)))
    return findings + ignored(content.others)


def _elsewhere(content: Survey) -> str:
    """What to do if the images are deeper in the folder, or in an archive; else empty."""
    if _archives_only(content):
        if not set(ARCHIVES) & set(content.others):
            return "Decompress the archive, for example with gunzip: a tar or zip of ImageNet then opens as it is"
        return "ImageNet opens from the archive itself: --data imagenet:FILE (docs/data.md). Unpack that of another set"
    deeper = content.where not in ("", "val", "train") and len(content.folders) > 1
    return f"The class folders are in {content.where}: append this to PATH" if deeper else ""


def _archives_only(content: Survey) -> bool:
    """Whether there are archives and no images beside them."""
    return not content.images and not {*ARCHIVES, *COMPRESSED}.isdisjoint(content.others)


def _naming(folder: str) -> str:
    return "WordNet ids" if WNID.fullmatch(folder) else "numbers" if folder.isdigit() else OTHER
