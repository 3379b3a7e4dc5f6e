"""``imagenet64:PATH``: ImageNet shrunk to 64 x 64 pixels, from the npz files of Chrabaszcz et al. 2017."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite import Census, DataError, Dataset, Preprocess, Split, SplitName, expected, first_line, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DOWNLOAD = (
    "get Imagenet64_val_npz.zip (or train) of https://www.image-net.org (downsampled ImageNet) and unpack it; PATH is "
    "the folder of val_data.npz, or that file"
)
FILES = {"test": ("val_data.npz",), "train": tuple(f"train_data_batch_{i}.npz" for i in range(1, 11))}
ROW = 3 * 64 * 64
"""Bytes of a picture: 64 x 64 red values, then green, then blue."""


def open_imagenet64(path: str | None, split: SplitName) -> Split:
    """The pictures of ``PATH/val_data.npz``, or of the ten ``train_data_batch_N.npz``, held in memory.

    Label n is line n of the authors' ``map_clsloc.txt``, in the order of ILSVRC2012_ID; the class index is the rank of
    its WordNet id, as for ``imagenet:PATH``. Ids are ``test-00000`` onwards: the files hold no names. Raises
    ``DataError`` for a file that is missing, damaged, or holds other arrays.
    """
    from benchsuite.builtin.datasets import _files, _rows, _synsets

    file = Path(path or "").expanduser()
    root = file.parent if path and file.is_file() else _files.existing("imagenet64", path, DOWNLOAD)
    wnids = _synsets.wnids()
    rank = {wnid: i for i, wnid in enumerate(wnids)}
    classes = [rank[wnid] for wnid in _synsets.ilsvrc_order()]
    parts = []
    for name in FILES[split]:
        pixels, labels = _arrays(root / name, len(classes))
        stamp = _files.file_stamp(root / name)
        parts.append(_rows.Part(pixels, [classes[n - 1] for n in labels], range(len(pixels)), str(root / name), stamp))
    ids = [f"{split}-{i:07d}" for i in range(sum(len(p.labels) for p in parts))]
    return _rows.row_split("imagenet64", parts, ids, _synsets.names(wnids), mirror=True, picture=_planes_last)


def _arrays(file: Path, classes: int) -> tuple[NDArray[np.uint8], list[int]]:
    """The pictures, uint8 (n, 3, 64, 64), and n labels from 1 on. Nothing in the file is executed."""
    import numpy as np

    if not file.is_file():
        raise DataError(expected(file.name, "in this folder", "no file", f"{file.parent}: {DOWNLOAD}"))
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            pixels, labels = arrays["data"], arrays["labels"]
    except Exception as error:  # a damaged file raises many types
        got = first_line(error)
        raise DataError(expected("an npz file", "whole, with data and labels", got, str(file))) from None
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (ROW,):
        raise DataError(expected("data", f"uint8 (n, {ROW})", f"{pixels.dtype} {pixels.shape}", str(file)))
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "ui" or not len(labels):
        rule = f"a number for each of {len(pixels)} pictures"
        raise DataError(expected("labels", rule, f"{labels.dtype} {labels.shape}", str(file)))
    if labels.min() < 1 or labels.max() > classes:
        odd = int(labels.min() if labels.min() < 1 else labels.max())
        raise DataError(expected("labels", f"from 1 to {classes}", odd, str(file)))
    return pixels.reshape(-1, 3, 64, 64), [int(n) for n in labels]


def _planes_last(row: NDArray[np.uint8]) -> Any:
    """(3, 64, 64) -> (64, 64, 3), a copy."""
    return row.transpose(1, 2, 0).copy()


IMAGENET64 = Dataset(
    "imagenet64",
    open=open_imagenet64,
    mirror=True,
    note="ImageNet shrunk to 64 x 64 pixels; the files' own order of the classes becomes the usual one",
    source=(
        "Chrabaszcz et al. 2017, arXiv:1707.08819; labels as in utils.py and image2numpy_imagenet_val.py of "
        "https://github.com/PatrykChrabaszcz/Imagenet32_Scripts; its map_clsloc.txt, from a copy"
    ),
    download=DOWNLOAD,
    preprocess=Preprocess(64, 64, "bilinear", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    census=(Census("test", 50_000, 1_000, 50, (64, 64)), Census("train", 1_281_167, 1_000, size=(64, 64))),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ImageNet of 64 x 64 pixels."""
    return [IMAGENET64]
