"""``digits``: the 1797 handwritten digits that are installed with scikit-learn, for a first run without a download."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchsuite import (
    Augmentation,
    Census,
    DataError,
    Dataset,
    Optimizer,
    Preprocess,
    Recipe,
    Schedule,
    Split,
    SplitName,
    expected,
    hookimpl,
)

CLASSES = tuple("0123456789")


def open_digits(path: str | None, split: SplitName) -> Split:
    """8 x 8 pixels, grey 0..16 scaled to 0..255. Digit i is in the test split when i % 5 == 0: 360 test, 1437 train."""
    import numpy as np

    from benchsuite.builtin.datasets import _rows

    if path is not None:
        raise DataError(expected("digits", "written without a path", path, "they come with scikit-learn"))
    table = _table()
    chosen = [i for i in range(len(table)) if (i % 5 == 0) == (split == "test")]
    pixels = np.rint(table[chosen, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    part = _rows.Part(pixels, table[chosen, -1].tolist(), chosen, "digits")
    ids = [f"digit-{i:04d}" for i in chosen]
    return _rows.row_split("digits", [part], ids, CLASSES, mirror=False, picture=_rows.grey_picture)


def _table() -> Any:
    """64 pixels and the class of each digit, uint8 (1797, 65).

    Reads scikit-learn's data file directly, because importing sklearn.datasets takes two seconds; if the file is not
    in its usual folder, ``sklearn.datasets.load_digits`` is called.
    """
    import numpy as np

    package = importlib.util.find_spec("sklearn")
    if package is None:
        raise DataError(
            expected("digits", "installed with scikit-learn", "no scikit-learn", "pip install scikit-learn")
        )
    for folder in package.submodule_search_locations or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as lines:
                return np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)


PREPROCESS = Preprocess(resize=32, crop=32, interpolation="bilinear", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

RECIPE = Recipe(
    name="digits-1",
    dataset="digits",
    preprocess=PREPROCESS,
    epochs=10,
    batch_size=32,
    optimizer=Optimizer("adamw", 2e-3, weight_decay=0.05),
    schedule=Schedule("one-cycle"),
    augmentation=Augmentation(shift=12),
    partial=False,
    rest=True,
    first_sizes=(32, 37),
    sizes=(32, 37, 55, 69),
    seed=0,
    source="None: a first run that needs no download, not a published recipe.",
    expected="resnet50 under multiscale: 1.67 % top-1 error measured (6 of 360)",
    cost="resnet50: 54 s on 2 cores with AVX-512 and bfloat16, 350 s on 2 without",
    note="The sizes are those of the multiscale protocol but for the largest, which helped no other size.",
)

RESIDUAL = dataclasses.replace(
    RECIPE,
    name="digits-2",
    preprocess=dataclasses.replace(PREPROCESS, resize=24, crop=24),
    first_sizes=(24, 27),
    sizes=(24, 27, 41, 51),
    epochs=5,
    optimizer=Optimizer("adamw", 1e-3, betas=(0.9, 0.95), weight_decay=0.05),
    augmentation=Augmentation(),
    rest=False,
    resting=0.98,
    expected="resnet50 under multiscale: 5 errors of 360 measured in float32 by AVX2 and in bfloat16",
    cost="resnet50: 18 s on 2 cores with AVX-512 and bfloat16; 23 s in float32 by AVX2 (166 s by digits-1)",
    note="Of the blocks that digits-1 lets start at zero, those that change the shape do not: they learn sooner. At 24 "
    "pixels it makes no more errors than at 32, and has 0.6 of the pixels; without shifts five epochs are enough.",
)

DIGITS = Dataset(
    "digits",
    open=open_digits,
    mirror=False,
    note="1797 handwritten digits of 8 x 8 pixels in 10 classes; every fifth one, from the first, is the test split",
    source="scikit-learn, sklearn.datasets.load_digits",
    path="none",
    preprocess=PREPROCESS,
    recipe=RECIPE,
    residual_recipe=RESIDUAL,
    census=(Census("test", 360, 10, size=(8, 8)), Census("train", 1_437, 10, size=(8, 8))),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """The embedded digits."""
    return [DIGITS]
