"""The note beside a prepared file: which images it holds, from which files, made how."""

from __future__ import annotations

import dataclasses
import glob
import json
import re
import shlex
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError, expected
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View, view_from_data
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir

VERSION = 3
"""Of the notes. One of another version is as none."""
WORDS = 509
"""Of a row of a checksum: a prime number, so that blocks of a disk that change places change sums."""


@dataclass(frozen=True, slots=True)
class PreparedSpec:
    """What is to be prepared: for which loader, which split, and what the user called it.

    ``view`` is None for full size, or one whose resize every image gets; ``out`` is the file, by default in the cache.
    """

    loader: Loader
    split: Split
    data: str
    view: View | None = None
    out: Path | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image of a prepared file: its row, its class index, the stamp of the image that it was made from, and the
    checksum of its pixels when the file was checked.
    """

    row: int
    label: int
    stamp: str
    checksum: int


def checksum(pixels: Any) -> int:
    """A checksum of a uint8 image's shape and bytes, for damage; several times as fast as a CRC-32 of all of them.

    Its rows of ``WORDS`` 64-bit words are added up; the sums and what remains are the CRC-32's.
    """
    import numpy as np

    found = zlib.crc32(repr(pixels.shape).encode())
    data = np.ascontiguousarray(pixels).reshape(-1)
    whole = data.size // (8 * WORDS) * (8 * WORDS)
    if whole:
        sums = data[:whole].view(np.uint64).reshape(-1, WORDS).sum(0, dtype=np.uint64)
        found = zlib.crc32(sums.data, found)
    return zlib.crc32(data[whole:].data, found)


def command(order: PreparedSpec) -> str:
    """The command line that prepares the file."""
    words = ["benchsuite", "data", "prepare", order.data, "--loader", order.loader.name]
    if order.view:
        other = order.view.interpolation != "bilinear"
        words += ["--short-side", str(order.view.resize)]
        words += ["--interpolation", str(order.view.interpolation)] if other else []
    return shlex.join(words)


def contents(note: Mapping[str, Any]) -> dict[str, PreparedImage]:
    """What a prepared file holds, by id."""
    return {
        name: PreparedImage(i, *rest)
        for i, (name, *rest) in enumerate(
            zip(note["ids"], note["labels"], note["stamps"], note["checksums"], strict=True)
        )
    }


def difference(held: Mapping[str, PreparedImage], samples: Sequence[Sample]) -> str:
    """The first sample that is not as a file has it, in words; empty when all are."""
    for s in samples:
        if s.id not in held:
            return f"{s.id}, which is not in it"
        if held[s.id].stamp != s.stamp:
            return f"{s.id}, which has changed since"
        if held[s.id].label != s.label:
            return f"{s.id}, which has another label since"
    return ""


def folder() -> Path:
    """Where the notes lie, and the files for which no other place was asked."""
    return cache_dir() / "prepared"


def stem(order: PreparedSpec) -> str:
    """A readable name for data set, state of its files (the part that is the same on every machine), loader, size."""
    view = order.view
    size = [f"{view.resize}_{view.interpolation}_{view.long_side}"] if view else []
    words = [order.split.name[:40], digest(order.split)[:16], order.loader.name, *size]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", word) for word in words)


def digest(split: Split) -> str:
    """What a split is: ids, labels, and the part of the stamps that is the same on every machine."""
    return keys.samples_digest(split.samples, real=False)


def read_note(path: Path) -> dict[str, Any] | None:
    """A note, or None where there is none that can be used."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and note.get("version") == VERSION else None


def state(file: Path) -> str:
    """``SIZE@MTIME_NS`` of a file, or nothing where there is none."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_size}@{status.st_mtime_ns}"


def decoder() -> str:
    """What makes the pixels: another version may round otherwise."""
    import PIL
    from PIL import features

    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return f"Pillow {PIL.__version__}, libjpeg {jpeg}"


def _find(order: PreparedSpec, views: Sequence[View]) -> dict[str, Any]:
    """The note of the smallest file that every view can be cut from. Raises ``DataError`` when there is none."""
    name = re.sub(r"[^A-Za-z0-9._]+", "_", order.split.name[:40])
    notes = [note for path in sorted(folder().glob(f"{glob.escape(name)}-*.json")) if (note := read_note(path))]
    notes = [note for note in notes if (note["dataset"], note["loader"]) == (order.split.name, order.loader.name)]
    now = digest(order.split)
    same = [note for note in notes if note["digest"] == now]
    fitting = [note for note in same if not note["view"] or (views and all(_serves(note["view"], v) for v in views))]
    if fitting:
        return min(fitting, key=lambda note: note["view"] is None)
    what, make = f"--loader {order.loader.name}", f"make it with: {command(order)}"
    if same:
        sizes = ", ".join(sorted({str(v.resize) for v in views}))
        got = f"one of short side {same[0]['view']['resize']}, {same[0]['view']['interpolation']}"
        rule = f"prepared at full size, for views of {sizes}"
        raise DataError(expected(what, rule, got, make))
    ids = {s.id for s in order.split.samples}
    for note in notes:
        if not ids.isdisjoint(note["ids"]):
            got = difference(contents(note), order.split.samples) or f"{min(set(note['ids']) - ids)}, which is gone"
            make = f"make it with: {command(_order_of(note, order))}"
            raise DataError(expected(what, "prepared from the images as they are", got, make))
    raise DataError(expected(what, f"prepared for {order.split.name}", "no file", make))


def _order_of(note: Mapping[str, Any], order: PreparedSpec) -> PreparedSpec:
    """The order that made a file: another one would leave it as it is, and it would be found again."""
    return dataclasses.replace(order, view=view_from_data(note["view"]) if note["view"] else None)


def _serves(stored: dict[str, Any], view: View) -> bool:
    """Whether a view of an image that is stored resized has the very pixels of the view of the whole image."""
    made = view_from_data(stored)
    fields = ("resize", "interpolation", "antialias", "long_side")
    return all(getattr(made, f) == getattr(view, f) for f in fields)
