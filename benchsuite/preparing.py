"""Makes prepared files: every image is read by the reference decoder, written, read back and compared."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchsuite import ops
from benchsuite.chunks import writing
from benchsuite.errors import BadParameter, PluginError, TooLarge, expected
from benchsuite.formats import FileFormat
from benchsuite.prepared import VERSION, Order, contents, decoder, difference, digest, folder, read_note, state, stem
from benchsuite.reading import in_order, reserve
from benchsuite.specs import Sample
from benchsuite.view import view_data
from benchsuite.watch import Watch

STALE = 3600
"""Seconds after which a file that nobody goes on writing is what a killed process left behind."""

THUMB, NEAR = 8, 12
"""Of a file that is not exact, pictures of 8 x 8 pixels are compared: they differ by at most 12 levels on average."""


def prepare(order: Order, watch: Watch, workers: int) -> dict[str, Any]:
    """Writes the file and its note, and reads every image back before the file gets its name; returns the note.

    A file that is there and holds these images as they are now is left alone (``cached`` is true). Raises
    ``BadParameter`` for a loader that reads no file, ``DataError`` for an image that cannot be read or stored, and
    ``StorageError`` for a full disk; no part of the file is left behind.
    """
    form, n = _format(order), len(order.split.samples)
    path = folder() / f"{stem(order)}.json"
    known = read_note(path)
    file = _place(order, path.with_name(stem(order) + form.suffix), known)
    if known is not None and not order.fresh and known["file"] == str(file) and _stands(known, order):
        return {**known, "cached": True}
    form.check()
    _sweep(file)
    look = _digest if order.loader.exact else _thumbnail
    marks: list[Any] = []
    try:
        with writing(file) as part:
            watch.start(f"writing {n} images", n)
            form.write(part, n, _stream(order, look, marks, watch, workers))
            watch.start(f"checking {n} images", n)
            _verify(order, form.open(part)(range(n), lambda pixels, _: look(pixels), workers), marks, watch)
            stamp = state(part)
    finally:
        watch.stop()
    note = _note(order, file, stamp)
    with writing(path) as part:
        part.write_text(json.dumps(note), encoding="utf-8")
    return {**note, "cached": False}


def _format(order: Order) -> FileFormat:
    if order.loader.file is None:
        raise BadParameter(expected("--loader", "one that reads a prepared file", order.loader.name))
    if order.view is not None and not order.loader.exact:
        raise BadParameter(expected("--short-side", "for a loader that is exact", order.loader.name))
    return order.loader.file


def _place(order: Order, usual: Path, known: Mapping[str, Any] | None) -> Path:
    if order.out is None:
        return usual
    file = order.out.expanduser().resolve()
    if file.exists() and (known is None or known["file"] != str(file)):
        got = "a folder" if file.is_dir() else "one that is there and that no earlier call for these images has made"
        raise BadParameter(expected("--out", "a new file", got, str(file)))
    return file


def _stands(known: Mapping[str, Any], order: Order) -> bool:
    """Whether a file still is what its note says, of the images as they are now."""
    same = state(Path(known["file"])) == known["stamp"] and known["decoder"] == decoder()
    return same and not difference(contents(known), order.split.samples)


def _stream(
    order: Order, look: Callable[[Any], Any], marks: list[Any], watch: Watch, workers: int
) -> Iterator[tuple[Sample, Any]]:
    """Every image of the reference decoder, in order; what identifies its pixels is added to ``marks``."""
    import numpy as np

    def read(sample: Sample) -> tuple[Sample, Any, Any]:
        image = order.split.read(sample)
        if order.view is not None:
            height, width = ops.resized_shape(*ops.size(image), order.view)
            reserve(3 * height * width)
            try:
                image = ops.resize(image, height, width, order.view)
            except TooLarge as error:
                raise error.at(sample.where) from None
        pixels = np.ascontiguousarray(image)
        return sample, pixels, look(pixels)

    with contextlib.closing(in_order(order.split.samples, read, workers)) as images:
        for sample, pixels, mark in images:
            marks.append(mark)
            yield sample, pixels
            watch.advance(1)


def _verify(order: Order, found: Iterator[Any], marks: Sequence[Any], watch: Watch) -> None:
    """Raises ``PluginError`` unless the file gives as many images as there are, in order, with the same pixels."""
    n = len(order.split.samples)
    for sample, before, now in zip_longest(order.split.samples, marks, found):
        if sample is None or before is None or now is None:
            got = "more" if sample is None else f"none for {sample.id}"
            raise PluginError(expected("the prepared file", f"of {n} images, each written and read once", got))
        if not _alike(before, now):
            got = f"others for {sample.id}"
            raise PluginError(expected("the prepared file", "with the pixels of every image, in order", got))
        watch.advance(1)


def _alike(before: Any, now: Any) -> bool:
    """Whether two marks are of one image."""
    if isinstance(before, str):
        return bool(before == now)
    return float(abs(before.astype(float) - now.astype(float)).mean()) <= NEAR


def _note(order: Order, file: Path, stamp: str) -> dict[str, Any]:
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


def _sweep(file: Path) -> None:
    """Removes what killed processes left of this file: parts that nobody has written to for an hour."""
    for part in file.parent.glob(f".{glob.escape(file.name)}.*"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
