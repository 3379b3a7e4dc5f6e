"""Opens a prepared file and refuses what has changed since."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

from benchsuite.data.prepared_note import (
    PreparedImage,
    PreparedSpec,
    _find,
    _order_of,
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


def opened(loader: Loader, split: Split, samples: Sequence[Sample], views: Sequence[View], data: str) -> Loader:
    """The loader with ``images`` that read its prepared file; any other loader as it is.

    The pixels are whole images unless there are ``views`` and all of them begin with the resize of a smaller file.

    Raises ``DataError`` that ends in the command to give: where no file is prepared, or one is changed, or the images
    are changed, or it holds them at a size that a view does not ask for. ``images`` raises it for an image whose pixels
    are not those that were checked: a disk may lose some and leave size and time as they were.
    """
    form = loader.file
    if form is None:
        return loader
    order = PreparedSpec(loader, split, data)
    note = _find(order, views)
    order, held = _order_of(note, order), contents(note)
    _refuse_changes(note, held, samples, order)
    form.check()
    try:
        rows = form.open(Path(note["file"]))
    except DataError as error:
        raise DataError(f"{error}: make it again with: {command(order)} --fresh") from None

    def images(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        _refuse_changes(note, held, samples, order)

        def marked(pixels: Any, seconds: float) -> tuple[int, T | TooLarge]:
            try:
                return checksum(pixels), then(pixels, seconds)
            except TooLarge as error:
                return checksum(pixels), error

        found = rows([held[s.id].row for s in samples], marked, workers)
        for (mark, made), sample in zip(found, chain(samples, repeat(None)), strict=False):
            if sample is not None and mark != held[sample.id].checksum:
                raise DataError(_damaged(note, sample, order))
            if isinstance(made, TooLarge):
                raise made.at(sample.where if sample else note["file"])
            yield made

    return dataclasses.replace(loader, images=images)


def _refuse_changes(
    note: Mapping[str, Any], held: Mapping[str, PreparedImage], samples: Sequence[Sample], order: PreparedSpec
) -> None:
    """Raises ``DataError`` when the file, the images or the decoder are not those that the note is about."""
    where = f"{note['file']}; make it again with: {command(order)}"
    now = state(Path(note["file"]))
    if now != note["stamp"]:
        got = "a changed one" if now else "no such file"
        raise DataError(expected("the prepared file", "as it was when it was checked", got, where))
    if note["decoder"] != decoder():
        raise DataError(expected("the prepared file", f"made with {decoder()}", f"one of {note['decoder']}", where))
    if got := difference(held, samples):
        raise DataError(expected("the prepared file", "of the images as they are", got, where))


def _damaged(note: Mapping[str, Any], sample: Sample, order: PreparedSpec) -> str:
    where = f"{note['file']}; make it again with: {command(order)} --fresh"
    return expected("the prepared file", "with the pixels that were checked", f"others for {sample.id}", where)
