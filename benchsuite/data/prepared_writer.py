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
from benchsuite.specs.dataset import Sample
from benchsuite.specs.loader import FileFormat
from benchsuite.specs.view import resized_shape, view_data
from benchsuite.storage.files import writing
from benchsuite.storage.locks import held

THUMB, NEAR = 8, 12
"""For a loader that is not exact, thumbnails of 8 x 8 pixels are compared: on average at most 12 levels apart."""


def prepare(spec: PreparedSpec, progress: Progress, workers: int) -> dict[str, Any]:
    """Writes the prepared file and its note, and reads every image back before the file gets its name.

    Returns the note. A file that already holds these images as they are now is kept (``cached`` is true); if another
    process is writing the file, this one waits. Raises ``BadParameter`` for a loader that reads no prepared file, for a
    ``view`` with a loader that is not exact, and for an ``out`` that is another existing file; ``DataError`` for an
    image that cannot be read or stored; ``PluginError`` if the images read back differ; ``StorageError`` for a full
    disk. No partial file is left behind.
    """
    form = _format(spec)
    file, known = _file_and_note(spec, form)
    _sweep(file)
    if known is not None:
        return {**known, "cached": True}
    form.check()
    with _locked(file, progress):
        file, known = _file_and_note(spec, form)
        if known is not None:
            return {**known, "cached": True}
        note = _make(spec, form, file, progress, workers)
        with writing(_note_path(spec)) as part:
            part.write_text(json.dumps(note), encoding="utf-8")
    for other in _outdated(note):
        progress.note(f"{other} was made from another state of these images: delete it unless you still need it")
    return {**note, "cached": False}


def _make(spec: PreparedSpec, form: FileFormat, file: Path, progress: Progress, workers: int) -> dict[str, Any]:
    """Writes and checks the prepared file; returns its note, not yet written."""
    n, marks = len(spec.split.samples), list[Any]()
    mark = _digest if spec.loader.exact else _thumbnail
    try:
        with writing(file) as part:
            progress.start(f"writing {n} images", n)
            form.write(part, n, _stream(spec, mark, marks, progress, workers))
            progress.start(f"checking {n} images", n)
            read_back = form.open(part)(range(n), lambda pixels, _: (mark(pixels), checksum(pixels)), workers)
            checksums = _verify(spec, read_back, marks, progress)
            stamp = state(part)
    finally:
        progress.stop()
    return _note(spec, file, stamp, checksums)


def _note_path(spec: PreparedSpec) -> Path:
    return folder() / f"{stem(spec)}.json"


def _file_and_note(spec: PreparedSpec, form: FileFormat) -> tuple[Path, dict[str, Any] | None]:
    """The path of the file, and its note if the file is up to date (else None)."""
    known = read_note(_note_path(spec))
    file = _place(spec, folder() / f"{stem(spec)}{form.suffix}", known)
    current = known is not None and not spec.fresh and known["file"] == str(file) and _up_to_date(known, spec)
    return file, known if current else None


def _format(spec: PreparedSpec) -> FileFormat:
    if spec.loader.file is None:
        raise BadParameter(expected("--loader", "one that reads a prepared file", spec.loader.name))
    if spec.view is not None and not spec.loader.exact:
        raise BadParameter(expected("--short-side", "used with an exact loader", spec.loader.name))
    return spec.loader.file


def _place(spec: PreparedSpec, usual: Path, known: Mapping[str, Any] | None) -> Path:
    if spec.out is None:
        return usual
    file = spec.out.expanduser().resolve()
    if file.exists() and (known is None or known["file"] != str(file)):
        got = "a folder" if file.is_dir() else "an existing file that is not the last one prepared from these images"
        raise BadParameter(expected("--out", "a new file", got, str(file)))
    return file


def _up_to_date(known: Mapping[str, Any], spec: PreparedSpec) -> bool:
    """Whether a file is unchanged, made with the installed decoder, and holds the images as they are now."""
    same = state(Path(known["file"])) == known["stamp"] and known["decoder"] == decoder()
    return same and not difference(contents(known), spec.split.samples)


def _stream(
    spec: PreparedSpec, mark: Callable[[Any], Any], marks: list[Any], progress: Progress, workers: int
) -> Iterator[tuple[Sample, Any]]:
    """Yields each sample with its pixels from the reference decoder, in order; appends their digest or thumbnail to
    ``marks``.
    """
    import numpy as np

    def read(sample: Sample) -> tuple[Sample, Any, Any]:
        image = spec.split.read(sample)
        if spec.view is not None:
            height, width = resized_shape(*resize.size(image), spec.view)
            reserve(resize.resize_bytes(height, width, spec.view))
            try:
                image = resize.resize(image, height, width, spec.view)
            except TooLarge as error:
                raise error.at(sample.where) from None
        pixels = np.ascontiguousarray(image)
        return sample, pixels, mark(pixels)

    with contextlib.closing(in_order(spec.split.samples, read, workers)) as images:
        for sample, pixels, written in images:
            marks.append(written)
            yield sample, pixels
            progress.advance(1)


def _verify(
    spec: PreparedSpec, read_back: Iterator[tuple[Any, int]], marks: Sequence[Any], progress: Progress
) -> list[int]:
    """The checksum of every image. Raises ``PluginError`` unless the file yields all images that were written, in
    order, with the same pixels.
    """
    n, checksums = len(spec.split.samples), list[int]()
    for sample, before, now in zip_longest(spec.split.samples, marks, read_back):
        if sample is None or before is None or now is None:
            got = "more" if sample is None else f"none for {sample.id}"
            raise PluginError(expected("the prepared file", f"of {n} images, each written and read once", got))
        if not _alike(before, now[0]):
            got = f"other pixels for {sample.id}"
            raise PluginError(expected("the prepared file", "with the pixels of every image, in order", got))
        checksums.append(now[1])
        progress.advance(1)
    return checksums


def _alike(before: Any, now: Any) -> bool:
    """Whether two marks show the same image: equal digests, or thumbnails at most ``NEAR`` apart."""
    if isinstance(before, str):
        return bool(before == now)
    return float(abs(before.astype(float) - now.astype(float)).mean()) <= NEAR


def _note(spec: PreparedSpec, file: Path, stamp: str, checksums: Sequence[int]) -> dict[str, Any]:
    samples = spec.split.samples
    return {
        "version": VERSION,
        "dataset": spec.split.name,
        "digest": digest(spec.split),
        "loader": spec.loader.name,
        "exact": spec.loader.exact,
        "view": view_data(spec.view) if spec.view else None,
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
    sha256 = hashlib.sha256(str(pixels.shape).encode())
    sha256.update(pixels)
    return sha256.hexdigest()


def _thumbnail(pixels: Any) -> Any:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((THUMB, THUMB), Image.Resampling.BOX))


def _outdated(note: Mapping[str, Any]) -> list[str]:
    """Prepared files with some of these images but another digest of the split: a run on these images ignores them."""
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
def _locked(file: Path, progress: Progress) -> Iterator[None]:
    """Holds the lock of this file, so that no other process writes it too, with twice the space and time."""
    with _claimed(file, wait=False) as free:
        if free:
            yield
            return
    progress.note(f"another process is making {file}: waiting for it")
    with _claimed(file, wait=True):
        yield


def _claimed(file: Path, *, wait: bool) -> contextlib.AbstractContextManager[bool]:
    number = hashlib.sha256(str(file).encode()).hexdigest()[:15]
    return held(folder().with_name("prepared.claims"), int(number, 16), wait=wait)


def _sweep(file: Path) -> None:
    """Removes partial files that killed processes left in the cache and next to this file, if nobody holds their lock.

    Called before this process takes its own lock, because closing the lock file would release that one. On a file
    system without locks, a process whose partial file is removed this way fails with an error.
    """
    for part in {*folder().glob(".*"), *file.parent.glob(f".{glob.escape(file.name)}.*")}:
        whole = part.with_name(part.name[1:].rpartition(".")[0])
        if whole.suffix == ".json":
            continue  # a note is written at once, under the lock of its file
        with contextlib.suppress(OSError, StorageError), _claimed(whole, wait=False) as free:
            if free:
                part.unlink()
