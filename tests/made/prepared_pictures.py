"""A folder of pictures and its prepared file, made by benchsuite's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from npz_loader import BOX, BoxPlugin
from PIL import Image
from toys import ToyPlugin

from benchsuite import Catalog, Loader, Split, View, load_plugins
from benchsuite.data.prepared_note import PreparedSpec
from benchsuite.data.prepared_reader import open_prepared
from benchsuite.data.prepared_writer import prepare
from benchsuite.progress import Progress

CATALOG: Catalog = load_plugins(entry_points=False, extra=[ToyPlugin(), BoxPlugin()])
FULL = View(64)


def split_of(root: Path) -> Split:
    return CATALOG.open_dataset(f"folder:{root}")[1]


def make(root: Path, loader: Loader = BOX, **fields: Any) -> dict[str, Any]:
    return prepare(PreparedSpec(loader, split_of(root), f"folder:{root}", **fields), Progress(), 2)


def use(root: Path, *views: View, loader: Loader = BOX, split: Split | None = None) -> Loader:
    split = split or split_of(root)
    return open_prepared(loader, split, split.samples, views or (FULL,), f"folder:{root}")


def pixels_of(loader: Loader, split: Split, samples: Any) -> list[Any]:
    assert loader.images is not None
    return list(loader.images(split, samples, lambda pixels, _: np.array(pixels), 0))


def change(root: Path) -> str:
    Image.new("RGB", (5, 5)).save(root / "cat" / "3.png")
    return "cat/3.png, which has changed since"
