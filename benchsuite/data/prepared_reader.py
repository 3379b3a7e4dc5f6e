"""Opens a prepared file; refuses it if the file, the images or the decoder have changed since it was made."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from benchsuite.data.prepared_note import (
    PreparedImage,
    PreparedSpec,
    _find_note,
    _spec_of,
    checksum,
    command,
    contents,
    decoder,
    difference,
    state,
)
from benchsuite.errors import DataError, TooLarge, expected
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View

T = TypeVar("T")

CHECKED = 64
"""Images after which it is checked again that the prepared file is unchanged."""


def open_prepared(loader: Loader, split: Split, samples: Sequence[Sample], views: Sequence[View], data: str) -> Loader:
    """The loader with an ``images`` that reads its prepared file; a loader that reads no file is returned unchanged.

    ``images`` yields full images, or resized ones if there are ``views`` and all of them begin with the resize of a
    smaller prepared file.

    Raises ``DataError``, which ends in the command that makes the file, if no file is prepared, if the file, the images
    or the decoder have changed, or if the file holds the images at a size that a view does not use. ``images`` raises
    it for an image whose pixels are not those that were checked: a disk may damage them without changing the file's
    size and time.
    """
    form = loader.file
    if form is None:
        return loader
    spec = PreparedSpec(loader, split, data)
    note = _find_note(spec, views)
    spec, held = _spec_of(note, spec), contents(note)
    _refuse_changes(note, held, samples, spec)
    form.check()
    try:
        rows = form.open(Path(note["file"]))
    except DataError as error:
        raise DataError(f"{error}: make it again with: {command(spec)} --fresh") from None

    def images(split: Split, samples: Iterable[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        asked = deque[Sample]()

        def numbers() -> Iterator[int]:
            waiting = iter(samples)
            while some := list(islice(waiting, CHECKED)):
                _refuse_changes(note, held, some, spec)
                for sample in some:
                    asked.append(sample)
                    yield held[sample.id].row

        def with_checksum(pixels: Any, seconds: float) -> tuple[int, T | TooLarge]:
            start = time.perf_counter()
            found = checksum(pixels)
            try:
                return found, then(pixels, seconds + time.perf_counter() - start)
            except TooLarge as error:
                return found, error

        wanted: Any = numbers() if form.streams else [*numbers()]
        for actual, result in rows(wanted, with_checksum, workers):
            sample = asked.popleft() if asked else None
            if sample is not None and actual != held[sample.id].checksum:
                raise DataError(_damaged(note, sample, spec))
            if isinstance(result, TooLarge):
                raise result.at(sample.where if sample else note["file"])
            yield result

    return dataclasses.replace(loader, images=images, streams=form.streams)


def _refuse_changes(
    note: Mapping[str, Any], held: Mapping[str, PreparedImage], samples: Sequence[Sample], spec: PreparedSpec
) -> None:
    """Raises ``DataError`` if the file, the decoder or the images are not those that the note describes."""
    where = f"{note['file']}; make it again with: {command(spec)}"
    now = state(Path(note["file"]))
    if now != note["stamp"]:
        got = "a file of another size or time" if now else "no such file"
        raise DataError(expected("the prepared file", "unchanged since it was checked", got, where))
    if note["decoder"] != decoder():
        raise DataError(
            expected("the prepared file", f"made with {decoder()}", f"one made with {note['decoder']}", where)
        )
    if got := difference(held, samples):
        raise DataError(expected("the prepared file", "of the images as they are now", got, where))


def _damaged(note: Mapping[str, Any], sample: Sample, spec: PreparedSpec) -> str:
    where = f"{note['file']}; make it again with: {command(spec)} --fresh"
    return expected("the prepared file", "with the pixels that were checked", f"other pixels for {sample.id}", where)
