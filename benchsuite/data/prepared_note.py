"""The note on a prepared file, in JSON: which images the file holds, and from which files and how it was made."""

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
from benchsuite.specs.view import View, resize_of, view_from_data
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir

VERSION = 3
"""Format version of the notes; a note of another version is ignored."""
WORDS = 509
"""64-bit words per row of the checksum. Prime, so that two swapped disk blocks change it."""


@dataclass(frozen=True, slots=True)
class PreparedSpec:
    """What to prepare: the loader, the split, and ``data``, the data set as the user typed it.

    ``view`` is None for full size, else its resize is applied to every image. ``out`` is the file to write, None for
    one in the cache. ``fresh`` writes the file even if an up-to-date one exists.
    """

    loader: Loader
    split: Split
    data: str
    view: View | None = None
    out: Path | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image of a prepared file: its row, its class index, the stamp of the sample that it was made from, and the
    checksum of its pixels, taken when the file was checked.
    """

    row: int
    label: int
    stamp: str
    checksum: int


def checksum(pixels: Any) -> int:
    """Checksum of a uint8 image's shape and bytes, to detect damage; several times as fast as a CRC-32 of all bytes.

    The bytes are split into rows of ``WORDS`` 64-bit words, which are added up column by column (modulo 2^64). The
    result is the CRC-32 of the shape, the sums and the remaining bytes.
    """
    import numpy as np

    crc = zlib.crc32(repr(pixels.shape).encode())
    data = np.ascontiguousarray(pixels).reshape(-1)
    whole = data.size // (8 * WORDS) * (8 * WORDS)
    if whole:
        sums = data[:whole].view(np.uint64).reshape(-1, WORDS).sum(0, dtype=np.uint64)
        crc = zlib.crc32(sums.data, crc)
    return zlib.crc32(data[whole:].data, crc)


def command(spec: PreparedSpec) -> str:
    """The command line that prepares the file."""
    words = ["benchsuite", "data", "prepare", spec.data, "--loader", spec.loader.name]
    if spec.view:
        other = spec.view.interpolation != "bilinear"
        words += ["--short-side", str(spec.view.resize)]
        words += ["--interpolation", str(spec.view.interpolation)] if other else []
    return shlex.join(words)


def contents(note: Mapping[str, Any]) -> dict[str, PreparedImage]:
    """The images of a prepared file, by sample id."""
    return {
        name: PreparedImage(i, *rest)
        for i, (name, *rest) in enumerate(
            zip(note["ids"], note["labels"], note["stamps"], note["checksums"], strict=True)
        )
    }


def difference(held: Mapping[str, PreparedImage], samples: Sequence[Sample]) -> str:
    """The first sample that a file lacks or holds in another state, in words; empty if it holds all of them."""
    for s in samples:
        if s.id not in held:
            return f"{s.id}, which is not in it"
        if held[s.id].stamp != s.stamp:
            return f"{s.id}, which has changed since"
        if held[s.id].label != s.label:
            return f"{s.id}, whose label has changed since"
    return ""


def folder() -> Path:
    """The folder in the cache for all notes, and for the files that are written without ``--out``."""
    return cache_dir() / "prepared"


def stem(spec: PreparedSpec) -> str:
    """A readable file name without suffix: data set, digest of the split, loader, and size if images are resized."""
    view = spec.view
    size = [f"{view.resize}_{view.interpolation}_{view.long_side}"] if view else []
    words = [spec.split.name[:40], digest(spec.split)[:16], spec.loader.name, *size]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", word) for word in words)


def digest(split: Split) -> str:
    """Digest of a split: its ids, its labels, and the part of the stamps that is the same on every machine."""
    return keys.samples_digest(split.samples, real=False)


def read_note(path: Path) -> dict[str, Any] | None:
    """Reads a note; None if it is missing, damaged or of another version."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and note.get("version") == VERSION else None


def _notes(split: str) -> list[dict[str, Any]]:
    """The notes on prepared files of a split, given by its name."""
    name = re.sub(r"[^A-Za-z0-9._]+", "_", split[:40])
    notes = [note for path in sorted(folder().glob(f"{glob.escape(name)}-*.json")) if (note := read_note(path))]
    return [note for note in notes if note["dataset"] == split]


def prepared_loaders(split: str, digest: str) -> list[str]:
    """The loaders that a split was prepared for, given by its name and ``digest``, and whose files exist."""
    return sorted({n["loader"] for n in _notes(split) if n["digest"] == digest and Path(n["file"]).is_file()})


def state(file: Path) -> str:
    """``SIZE@MTIME_NS`` of a file; empty if it does not exist."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{status.st_size}@{status.st_mtime_ns}"


def decoder() -> str:
    """The versions of Pillow and libjpeg, which decide the pixels: another version may round differently."""
    import PIL
    from PIL import features

    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return f"Pillow {PIL.__version__}, libjpeg {jpeg}"


def _find_note(spec: PreparedSpec, views: Sequence[View]) -> dict[str, Any]:
    """The note of the smallest prepared file that all views can be cut from. Raises ``DataError`` if there is none."""
    notes = [note for note in _notes(spec.split.name) if note["loader"] == spec.loader.name]
    now = digest(spec.split)
    same = [note for note in notes if note["digest"] == now]
    fitting = [note for note in same if not note["view"] or (views and all(_serves(note["view"], v) for v in views))]
    if fitting:
        return min(fitting, key=lambda note: note["view"] is None)
    what, make = f"--loader {spec.loader.name}", f"make it with: {command(spec)}"
    if same:
        sizes = ", ".join(sorted({str(v.resize) for v in views}))
        got = f"a file of short side {same[0]['view']['resize']}, {same[0]['view']['interpolation']}"
        rule = f"prepared at full size, for views that resize to {sizes}"
        raise DataError(expected(what, rule, got, make))
    ids = {s.id for s in spec.split.samples}
    for note in notes:
        if not ids.isdisjoint(note["ids"]):
            got = difference(contents(note), spec.split.samples) or f"{min(set(note['ids']) - ids)}, which is gone"
            make = f"make it with: {command(_spec_of(note, spec))}"
            raise DataError(expected(what, "prepared from the images as they are now", got, make))
    raise DataError(expected(what, f"prepared for {spec.split.name}", "no file", make))


def _spec_of(note: Mapping[str, Any], spec: PreparedSpec) -> PreparedSpec:
    """The spec that makes this note's file again. Another size would leave the refused file to be found again."""
    return dataclasses.replace(spec, view=view_from_data(note["view"]) if note["view"] else None)


def _serves(stored: dict[str, Any], view: View) -> bool:
    """Whether a view cut from an image stored with this resize has the same pixels as when cut from the full image."""
    return resize_of(view_from_data(stored)) == resize_of(view)
