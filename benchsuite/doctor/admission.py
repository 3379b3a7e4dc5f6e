"""Opens a data set before its place is written down, and notes there when it was checked."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from benchsuite.data import prepared_note
from benchsuite.doctor.findings import counts
from benchsuite.doctor.folder_survey import other_copies, survey_findings
from benchsuite.doctor.kinds import Finding
from benchsuite.errors import BadParameter, DataError, expected, is_utf8
from benchsuite.progress import Progress
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Dataset, Split
from benchsuite.storage.data_places import DataPlace, changing_places, full_path, known_places


def admit(name: str, path: str, catalog: Catalog, progress: Progress) -> tuple[DataPlace, DataPlace | None]:
    """Opens a data set and writes down where it lies; returns its place, and the one that it had before.

    Raises ``UnknownName``; ``BadParameter`` for a data set without a path; ``DataError`` for one that cannot be opened
    or has only one class, with what ``data check`` advises; ``StorageError`` if the place cannot be written down.
    """
    dataset: Dataset = catalog.find("dataset", name)
    if dataset.path == "none":
        raise BadParameter(expected("the data set", "one that lies at a path", f"{name}, which is embedded"))
    if not path or "\0" in path or not is_utf8(path):
        raise BadParameter(expected("PATH", "a text, and UTF-8, as manifests are", ascii(path)))
    path = full_path(path)
    place = _place(name, path, _opened(f"{name}:{path}", catalog, progress))
    with changing_places() as places:
        before = places.get(name)
        if before is not None and (before.path, before.digest) == (place.path, place.digest):
            place = before
        places[name] = place
    return place, before


def remember_check(text: str, split: Split | None, *, fine: bool, full: bool) -> None:
    """Notes a check of ``NAME:PATH`` if this is where the data set lies; ``split`` is None if it could not be opened.

    Raises ``DataError`` or ``StorageError`` for the file of places.
    """
    name, _, path = text.partition(":")
    path = full_path(path)

    def here(place: DataPlace | None) -> bool:
        return place is not None and place.path == path

    if here(known_places().get(name)):
        with changing_places() as places:
            if here(places.get(name)):  # no other process has changed it since
                place = places[name] if split is None else _place(name, path, split)
                now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
                places[name] = dataclasses.replace(place, checked=now, fine=fine, full=full)


def _place(name: str, path: str, split: Split) -> DataPlace:
    return DataPlace(name, path, split.name, len(split.samples), prepared_note.digest(split))


def _opened(text: str, catalog: Catalog, progress: Progress) -> Split:
    """The test split. Raises ``DataError`` in one line: the reason, and what ``data check`` advises."""
    name, _, path = text.partition(":")
    root = Path(path.partition(",")[0])
    progress.note(f"opening {text}")
    try:
        _, split = catalog.open_dataset(text)
    except DataError as error:
        found = survey_findings(name, root, "test", str(error), catalog, progress)[1:] if root.is_dir() else ()
        raise DataError(_with_advice(str(error), found)) from None
    (finding, *_) = counts(split.samples, split.classes, None)
    if finding.level == "failed":
        others = other_copies(name, root, "test", catalog) if root.is_dir() else []
        raise DataError(
            _with_advice(expected("the data set", "one to be tested", finding.text, text), [finding, *others])
        )
    return split


def _with_advice(reason: str, findings: tuple[Finding, ...] | list[Finding]) -> str:
    """The reason and what to do, in one line."""
    return ". ".join([reason.removesuffix("."), *dict.fromkeys(f.advice for f in findings if f.advice)])
