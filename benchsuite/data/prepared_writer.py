"""Makes prepared files: every image is read by the reference decoder, written, read back and compared."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchsuite.data import resize
from benchsuite.data.prefetch import in_order, reserve
from benchsuite.data.prepared_note import (
    VERSION,
    PreparedSpec,
    checksum,
    contents,
    decoder,
    difference,
    digest,
    folder,
    read_note,
    state,
    stem,
)
from benchsuite.errors import BadParameter, PluginError, StorageError, TooLarge, expected
from benchsuite.progress import Progress
from benchsuite.specs import view
from benchsuite.specs.dataset import Sample
from benchsuite.specs.loader import FileFormat
from benchsuite.specs.view import view_data
from benchsuite.storage.files import writing
from benchsuite.storage.locks import held

THUMB, NEAR = 8, 12
"""Of a file that is not exact, pictures of 8 x 8 pixels are compared: they differ by at most 12 levels on average."""


def prepare(order: PreparedSpec, progress: Progress, workers: int) -> dict[str, Any]:
    """Writes the file and its note, and reads every image back before the file gets its name; returns the note.

    A file that is there and holds these images as they are now is left alone (``cached`` is true); what another process
    is writing is waited for. Raises ``BadParameter`` for a loader that reads no file, ``DataError`` for an image that
    cannot be read or stored, and ``StorageError`` for a full disk; no part of the file is left behind.
    """
    form = _format(order)
    file, known = _there(order, form)
    _sweep(file)
    if known is not None:
        return {**known, "cached": True}
    form.check()
    with _alone(file, progress):
        file, known = _there(order, form)
        if known is not None:
            return {**known, "cached": True}
        note = _make(order, form, file, progress, workers)
        with writing(_note_path(order)) as part:
            part.write_text(json.dumps(note), encoding="utf-8")
    for other in _earlier(note):
        progress.note(f"{other} holds these images in another state: delete it, unless it is still needed")
    return {**note, "cached": False}


def _make(order: PreparedSpec, form: FileFormat, file: Path, progress: Progress, workers: int) -> dict[str, Any]:
    """Writes the file and checks it; returns the note to write."""
    n, marks = len(order.split.samples), list[Any]()
    look = _digest if order.loader.exact else _thumbnail
    try:
        with writing(file) as part:
            progress.start(f"writing {n} images", n)
            form.write(part, n, _stream(order, look, marks, progress, workers))
            progress.start(f"checking {n} images", n)
            found = form.open(part)(range(n), lambda pixels, _: (look(pixels), checksum(pixels)), workers)
            checksums = _verify(order, found, marks, progress)
            stamp = state(part)
    finally:
        progress.stop()
    return _note(order, file, stamp, checksums)


def _note_path(order: PreparedSpec) -> Path:
    return folder() / f"{stem(order)}.json"


def _there(order: PreparedSpec, form: FileFormat) -> tuple[Path, dict[str, Any] | None]:
    """Where the file goes, and its note if it need not be made."""
    known = read_note(_note_path(order))
    file = _place(order, folder() / f"{stem(order)}{form.suffix}", known)
    stands = known is not None and not order.fresh and known["file"] == str(file) and _stands(known, order)
    return file, known if stands else None


def _format(order: PreparedSpec) -> FileFormat:
    if order.loader.file is None:
        raise BadParameter(expected("--loader", "one that reads a prepared file", order.loader.name))
    if order.view is not None and not order.loader.exact:
        raise BadParameter(expected("--short-side", "for a loader that is exact", order.loader.name))
    return order.loader.file


def _place(order: PreparedSpec, usual: Path, known: Mapping[str, Any] | None) -> Path:
    if order.out is None:
        return usual
    file = order.out.expanduser().resolve()
    if file.exists() and (known is None or known["file"] != str(file)):
        got = "a folder" if file.is_dir() else "one that is there and that no earlier call for these images has made"
        raise BadParameter(expected("--out", "a new file", got, str(file)))
    return file


def _stands(known: Mapping[str, Any], order: PreparedSpec) -> bool:
    """Whether a file still is what its note says, of the images as they are now."""
    same = state(Path(known["file"])) == known["stamp"] and known["decoder"] == decoder()
    return same and not difference(contents(known), order.split.samples)


def _stream(
    order: PreparedSpec, look: Callable[[Any], Any], marks: list[Any], progress: Progress, workers: int
) -> Iterator[tuple[Sample, Any]]:
    """Every image of the reference decoder, in order; what identifies its pixels is added to ``marks``."""
    import numpy as np

    def read(sample: Sample) -> tuple[Sample, Any, Any]:
        image = order.split.read(sample)
        if order.view is not None:
            height, width = view.resized_shape(*resize.size(image), order.view)
            reserve(resize.resize_bytes(height, width, order.view))
            try:
                image = resize.resize(image, height, width, order.view)
            except TooLarge as error:
                raise error.at(sample.where) from None
        pixels = np.ascontiguousarray(image)
        return sample, pixels, look(pixels)

    with contextlib.closing(in_order(order.split.samples, read, workers)) as images:
        for sample, pixels, mark in images:
            marks.append(mark)
            yield sample, pixels
            progress.advance(1)


def _verify(
    order: PreparedSpec, found: Iterator[tuple[Any, int]], marks: Sequence[Any], progress: Progress
) -> list[int]:
    """The checksum of every image. Raises ``PluginError`` unless the file gives as many images as there are, in order,
    with the same pixels.
    """
    n, checksums = len(order.split.samples), list[int]()
    for sample, before, now in zip_longest(order.split.samples, marks, found):
        if sample is None or before is None or now is None:
            got = "more" if sample is None else f"none for {sample.id}"
            raise PluginError(expected("the prepared file", f"of {n} images, each written and read once", got))
        if not _alike(before, now[0]):
            got = f"others for {sample.id}"
            raise PluginError(expected("the prepared file", "with the pixels of every image, in order", got))
        checksums.append(now[1])
        progress.advance(1)
    return checksums


def _alike(before: Any, now: Any) -> bool:
    """Whether two marks are of one image."""
    if isinstance(before, str):
        return bool(before == now)
    return float(abs(before.astype(float) - now.astype(float)).mean()) <= NEAR


def _note(order: PreparedSpec, file: Path, stamp: str, checksums: Sequence[int]) -> dict[str, Any]:
    samples = order.split.samples
    return {
        "version": VERSION,
        "dataset": order.split.name,
        "digest": digest(order.split),
        "loader": order.loader.name,
        "exact": order.loader.exact,
        "view": view_data(order.view) if order.view else None,
        "images": len(samples),
        "bytes": int(stamp.partition("@")[0]),
        "decoder": decoder(),
        "file": str(file),
        "stamp": stamp,
        "ids": [s.id for s in samples],
        "labels": [s.label for s in samples],
        "stamps": [s.stamp for s in samples],
        "checksums": list(checksums),
    }


def _digest(pixels: Any) -> str:
    """SHA-256 of shape and bytes."""
    known = hashlib.sha256(str(pixels.shape).encode())
    known.update(pixels)
    return known.hexdigest()


def _thumbnail(pixels: Any) -> Any:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((THUMB, THUMB), Image.Resampling.BOX))


def _earlier(note: Mapping[str, Any]) -> list[str]:
    """Other files of these images that were made when some were not as they are now; nothing will read them."""
    others = [other for path in folder().glob("*.json") if (other := read_note(path)) is not None]
    same, ids = ("dataset", "loader", "view"), set(note["ids"])
    return sorted(
        other["file"]
        for other in others
        if all(other[name] == note[name] for name in same)
        and other["digest"] != note["digest"]
        and not ids.isdisjoint(other["ids"])
        and Path(other["file"]).is_file()
    )


@contextlib.contextmanager
def _alone(file: Path, progress: Progress) -> Iterator[None]:
    """Meanwhile no other process makes this file: it would take the space and the time of two."""
    with _claimed(file, wait=False) as free:
        if free:
            yield
            return
    progress.note(f"another process is making {file}: waiting for it")
    with _claimed(file, wait=True):
        yield


def _claimed(file: Path, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
    place = hashlib.sha256(str(file).encode()).hexdigest()[:15]
    return held(folder().with_name("prepared.claims"), int(place, 16), wait=wait)


def _sweep(file: Path) -> None:
    """Removes what killed processes left in the cache and of this file: parts that nobody writes to any more.

    Done before this process has a claim of its own, which closing the lock's file would give up. Where there are no
    locks, a process whose part goes this way fails and says so.
    """
    for part in {*folder().glob(".*"), *file.parent.glob(f".{glob.escape(file.name)}.*")}:
        whole = part.with_name(part.name[1:].rpartition(".")[0])
        if whole.suffix == ".json":
            continue  # a note is written in no time, under the claim of its file
        with contextlib.suppress(OSError, StorageError), _claimed(whole, wait=False) as free:
            if free:
                part.unlink()
