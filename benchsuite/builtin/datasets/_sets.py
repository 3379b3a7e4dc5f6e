"""What a plugin makes a data set with: class folders, a folder with labels, or rows of arrays (see docs/plugins.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite import DataError, Sample, Split, expected, first_line
from benchsuite.builtin.datasets import _files, _rows, _synsets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


read_image = _files.read_file


@dataclass(frozen=True, slots=True)
class ImageNetClasses:
    """ImageNet's 1000 classes: ``index`` is the class index of each WordNet id, ``names`` are readable names."""

    index: Mapping[str, int]
    names: tuple[str, ...]


def imagenet_classes() -> ImageNetClasses:
    """ImageNet's classes in the usual order, that of the sorted WordNet ids."""
    wnids = _synsets.wnids()
    return ImageNetClasses({wnid: i for i, wnid in enumerate(wnids)}, _synsets.names(wnids))


def class_folders(
    name: str,
    path: str | Path | None,
    names: Sequence[str] | None = None,
    index: Mapping[str, int] | None = None,
    *,
    mirror: bool = True,
    groups: Sequence[str] = (),
    below: str = "",
    others: bool = False,
    download: str = "",
) -> Split:
    """The images of ``PATH/CLASS/FILE`` as a split; an id is the path below ``PATH``, with the suffix.

    ``index`` is the class index of each folder's name, and ``names`` are the readable names of all indices; by default
    the folders are the classes, by the rank of their names. With ``groups``, that many folders lie above those of
    classes, and their names are the values that errors are counted by: ``PATH/fog/3/CLASS/FILE`` for ``("corruption",
    "severity")``. ``below`` is a folder in each class folder that holds the images. Folders that are not in ``index``
    are refused, or with ``others`` passed over.

    Raises ``DataError`` with the folder: nothing at ``path`` (with ``download``, what to get), no class folders, other
    or empty ones, images next to them, files that are not images.
    """
    root = _files.existing(name, str(path) if path else None, download)
    found = [(place, values, _files.class_folders(place)) for place, values in _group_folders(root, groups)]
    if index is None:
        index = {folder: i for i, folder in enumerate(sorted({f for _, _, inside in found for f in inside}))}
    samples = []
    for place, values, inside in found:
        wanted = [folder for folder in inside if folder in index]
        odd = next((folder for folder in inside if folder not in index), None)
        if odd is not None and not others:
            raise DataError(expected("a class folder", f"named by a class of {name}", odd, f"{place}: {download}"))
        if not wanted:
            raise DataError(expected(f"{name}:PATH", "a folder of class folders", "none in it", f"{place}: {download}"))
        for folder in wanted:
            for file in _files.images(place / folder / below, "a class folder"):
                key = "/".join((*values, folder, file.name))
                samples.append(Sample(key, index[folder], file.path, file.stamp, groups=values))
    split = _files.file_split(name, samples, tuple(names or index), mirror=mirror)
    return dataclasses.replace(split, groups=tuple(groups))


def _group_folders(root: Path, groups: Sequence[str]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The folders that hold class folders, with the values of the groups that they belong to."""
    if not groups:
        yield root, ()
        return
    inside = _files.class_folders(root)
    if not inside:
        raise DataError(expected(f"a folder of {groups[0]}s", "one with folders in it", "none", str(root)))
    for value in inside:
        for place, rest in _group_folders(root / value, groups[1:]):
            yield place, (value, *rest)


def labelled_images(
    name: str, folder: Path, labels: Mapping[str, int], names: Sequence[str], *, mirror: bool = True
) -> Split:
    """The images of one folder as a split: ``labels`` has the class index of each file name, which is also the id.

    Raises ``DataError`` for an image without a label, a label without an image, and a file that is not an image.
    """
    files = {file.name: file for file in _files.images(folder)}
    for odd in sorted(files.keys() ^ labels.keys()):
        got = "an image without a label" if odd in files else "a label without an image"
        raise DataError(expected(f"{odd} of {name}", "an image with a label", got, str(folder)))
    samples = [Sample(file.name, labels[file.name], file.path, file.stamp) for file in files.values()]
    return _files.file_split(name, samples, tuple(names), mirror=mirror)


def read_array(file: Path, download: str = "") -> NDArray[Any]:
    """The array of an npy file, memory-mapped; nothing in the file is executed.

    Raises ``DataError`` with the file: it does not exist (with ``download``, what to get), or cannot be read.
    """
    import numpy as np

    if not file.is_file():
        raise DataError(expected(file.name, "in this folder", "no file", f"{file.parent}: {download}"))
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged file raises many types
        raise DataError(expected("an npy file", "whole and readable", first_line(error), str(file))) from None
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Images in an array of one ``file``: uint8 (n, h, w, 3) RGB or (n, h, w) grey, and n class indices.

    Ids are ``NAME-00000`` onwards, where ``name`` distinguishes the parts of a split. ``numbers`` are the rows in the
    file, by default 0 onwards. ``groups`` are the values of the groups that all these images belong to.
    """

    file: Path
    pixels: NDArray[np.uint8]
    labels: Sequence[int] | NDArray[Any]
    name: str = "test"
    numbers: Sequence[int] | None = None
    groups: tuple[str, ...] = ()


def rows(name: str, parts: Sequence[Rows], names: Sequence[str], *, mirror: bool, groups: Sequence[str] = ()) -> Split:
    """The rows of arrays as a split; the arrays may be memory-mapped, and are read as they are needed.

    ``names`` are the readable names of the classes, and ``groups`` the names of the parts' ``groups``. Raises
    ``DataError`` with the file for arrays of another type or shape, and for labels that are no class or not as many.
    """
    import numpy as np

    checked, ids, values = [], list[str](), list[tuple[str, ...]]()
    for part in sorted(parts, key=lambda part: part.name):
        pixels, labels, where = part.pixels, np.asarray(part.labels), str(part.file)
        if pixels.dtype != np.uint8 or not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)):
            got = f"{pixels.dtype} {pixels.shape}"
            raise DataError(expected("the pixels", "uint8 (n, h, w, 3) or (n, h, w)", got, where))
        if labels.shape != (len(pixels),) or labels.dtype.kind not in "ui":
            got = f"{labels.dtype} {labels.shape}"
            raise DataError(expected("the labels", f"whole numbers for {len(pixels)} images", got, where))
        if len(labels) and (labels.min() < 0 or labels.max() >= len(names)):
            odd = int(labels.min() if labels.min() < 0 else labels.max())
            raise DataError(expected("the labels", f"from 0 to {len(names) - 1}", odd, where))
        numbers = range(len(pixels)) if part.numbers is None else part.numbers
        stamp = _files.file_stamp(part.file)
        checked.append(_rows.Part(np.asarray(pixels), labels.tolist(), numbers, where, stamp))
        ids += [f"{part.name}-{i:05d}" for i in range(len(pixels))]
        values += [part.groups] * len(pixels)
    split = _rows.row_split(name, checked, ids, tuple(names), mirror=mirror, picture=_picture)
    grouped = (dataclasses.replace(s, groups=v) for s, v in zip(split.samples, values, strict=True))
    samples = tuple(sorted(grouped if groups else split.samples, key=lambda sample: sample.id))
    return dataclasses.replace(split, samples=samples, groups=tuple(groups))


def _picture(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) as a copy, or (h, w) as three equal channels."""
    return row.copy() if row.ndim == 3 else _rows.grey_picture(row)
