"""Image files in folders: found in a fixed order, checked before any work, turned into samples."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchsuite import (
    AS_PILLOW,
    SUFFIXES,
    Conversion,
    DataError,
    Sample,
    Split,
    archive_state,
    check_headers,
    data_folders,
    decode,
    decodes,
    expected,
    is_remote,
    read_bytes,
    system_kind,
)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file with the suffix of an image: its path, its name, and ``SIZE@MTIME_NS``, which changes with it."""

    path: str
    name: str
    stamp: str


def data_folder(dataset: str, path: str | None, download: str, *also: str) -> Path:
    """The folder that a user named, or the first default one that exists: in BENCHSUITE_DATA, in the cache, ``also``.

    Raises ``DataError`` if there is none; it ends in ``download``: what to get and where to put it.
    """
    if path is not None:
        return existing(dataset, path, download)
    places = [*data_folders(dataset), *map(Path, also)]
    for place in places:
        if place.is_dir():
            return place
    looked = ", ".join(map(str, places))
    raise DataError(
        expected(dataset, "given with a path or in a default folder", "neither", f"looked in {looked}: {download}")
    )


def existing(dataset: str, path: str | None, download: str) -> Path:
    """The folder that a user named. Raises ``DataError``, which ends in ``download``, if it is not a folder."""
    if not path:
        raise DataError(expected(f"{dataset}:PATH", "a folder", "no path", download))
    root = Path(path).expanduser()
    if not root.is_dir():
        got = "a file" if root.is_file() else "a path that does not exist"
        raise DataError(expected(f"{dataset}:PATH", "a folder", got, f"{path}: {download}"))
    return root


def folders(root: Path) -> list[str]:
    """The names of the folders in a folder, sorted; hidden ones and those of systems are passed over."""
    with _listing(root) as entries:
        return sorted(_text(e, root) for e in entries if not system_kind(e.name) and e.is_dir())


def class_folders(root: Path) -> list[str]:
    """``folders`` that stand for classes. Raises ``DataError`` for an image next to them, which would have no class."""
    found = folders(root)
    if found:
        with _listing(root) as entries:
            for entry in entries:
                if _is_image(entry) and not entry.is_dir():
                    what = f"the image {entry.name} next to them"
                    raise DataError(expected("the class folders", "without images next to them", what, str(root)))
    return found


def images(folder: Path, among: str = "") -> list[ImageFile]:
    """The image files of a folder, by name. Other files, hidden ones and those of systems are ignored.

    Raises ``DataError`` for a folder inside (its images would be ignored), for a folder without images, and for an
    image that is not a regular file. ``among`` is the kind of folder, for the message.
    """
    kind = among or "the image folder"
    files = []
    with _listing(folder) as entries:
        for entry in entries:
            if entry.is_dir() and not system_kind(entry.name):
                raise DataError(
                    expected(kind, "a folder of images only", f"the folder {entry.name} in it", str(folder))
                )
            if _is_image(entry):
                files.append(ImageFile(entry.path, _text(entry, folder), file_stamp(entry)))
    if not files:
        raise DataError(
            expected(kind, "a folder with images", f"none with a suffix of {', '.join(SUFFIXES)}", str(folder))
        )
    return sorted(files, key=lambda f: f.name)


def file_stamp(entry: os.DirEntry[str] | Path) -> str:
    """``SIZE@MTIME_NS`` of a file. Raises ``DataError`` if it does not exist or is not a regular file."""
    try:
        status = entry.stat()
    except OSError as error:
        raise DataError(expected("a data file", "readable", error.strerror or str(error), os.fspath(entry))) from None
    if not stat.S_ISREG(status.st_mode):
        raise DataError(expected("a data file", "a regular file", "something else", os.fspath(entry)))
    return f"{status.st_size}@{status.st_mtime_ns}"


def class_samples(root: Path, classes: Iterable[tuple[str, int]]) -> list[Sample]:
    """The samples of class folders: (folder name, class index) -> ids ``FOLDER/NAME``, with the suffix."""
    return [
        Sample(f"{name}/{file.name}", label, file.path, file.stamp)
        for name, label in classes
        for file in images(root / name, "a class folder")
    ]


def file_split(name: str, samples: Sequence[Sample], classes: tuple[str, ...], *, mirror: bool) -> Split:
    """A split of image files, in the order of their ids. Raises ``DataError`` for equal ids and for a file that is
    empty or not an image, before any network runs.
    """
    ordered = in_order(samples)
    check_headers(s.where for s in ordered if s.place is None)
    return Split(name, ordered, classes, mirror, read_file)


def in_order(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples in the order of their ids. Raises ``DataError`` for equal ids."""
    ordered = sorted(samples, key=lambda s: s.id)
    for one, other in pairwise(ordered):
        if one.id == other.id:
            where = f"{one.where} and {other.where}"
            raise DataError(expected("each id", "that of one image only", f"{one.id} twice", where))
    return tuple(ordered)


def content(sample: Sample) -> bytes:
    """The bytes of the file of a sample. Raises ``DataError`` if it cannot be read or has changed."""
    try:
        data = Path(sample.where).read_bytes() if sample.place is None else read_bytes(sample.place)
    except OSError as error:
        raise DataError(expected("an image", "readable", error.strerror or str(error), sample.where)) from None
    _check_unchanged(sample)
    return data


@decodes(content)
def read_file(sample: Sample, conversion: Conversion = AS_PILLOW) -> Any:
    """The image of a sample of a folder or an archive, as a Pillow image in mode RGB.

    Raises ``DataError`` for a file that has changed since it was listed: its logits would be cached as those of the old
    file.
    """
    data = None if sample.place is None else read_bytes(sample.place)
    image = decode(sample.where, data, conversion=conversion)
    _check_unchanged(sample)
    return image


def _check_unchanged(sample: Sample) -> None:
    if sample.place is None:
        stamp = file_stamp(Path(sample.where))
    else:
        url = is_remote(sample.place.file)  # its state is not asked for again with each image
        stamp = sample.stamp if url else f"{sample.place.size}@{archive_state(sample.place.file)}"
    if stamp != sample.stamp:
        raise DataError(expected("an image", "unchanged since the run began", "a changed file", sample.where))


def _is_image(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(SUFFIXES) and not system_kind(entry.name)


def _listing(folder: Path) -> Any:
    try:
        return os.scandir(folder)
    except OSError as error:
        raise DataError(expected("a folder of images", "readable", error.strerror or str(error), str(folder))) from None


def _text(entry: os.DirEntry[str], folder: Path) -> str:
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        raise DataError(expected("each name", "UTF-8", ascii(entry.name), ascii(str(folder)))) from None
    return entry.name
