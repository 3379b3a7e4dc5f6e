"""``benchsuite.add_data``, ``list_data``, ``remove_data`` and ``download_data``: where data sets lie."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from benchsuite.api.options import Surroundings, surroundings
from benchsuite.api.shown import Shown
from benchsuite.errors import BadParameter, DataError, expected, unknown_name
from benchsuite.specs.catalog import Catalog
from benchsuite.storage.data_places import DataPlace, changing_places, config_file, known_places
from benchsuite.storage.files import data_folders

if TYPE_CHECKING:
    import pandas as pd

    from benchsuite.report.tables.text import Table


@dataclass(frozen=True, slots=True, repr=False)
class AddedData(Shown):
    """A data set whose place is known from now on. ``of`` is the number of images of a complete copy, if known.

    ``before`` is the path that was known until now; empty if there was none, or the same. ``downloaded`` is None if
    that was not asked for, and false if the files were there already.
    """

    place: DataPlace
    of: int | None = None
    before: str = ""
    downloaded: bool | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``data add --json`` and ``data download --json``."""
        asked = {} if self.downloaded is None else {"downloaded": self.downloaded}
        return {**_record(self.place), "before": self.before or None, **asked}

    def lines(self) -> Sequence[str]:
        """What was found where, and how to use it."""
        place = self.place
        part = f" of {self.of:,}" if self.of not in (None, place.images) else ""
        how = {None: "", True: ", downloaded", False: ", which were there already"}[self.downloaded]
        instead = [f"before, it was {self.before}"] if self.before else []
        use = f"use it with: benchsuite run ARCHITECTURE --data {place.name}"
        return [f"{place.name} is {place.path}: {place.images:,}{part} test images{how}", *instead, use]


@dataclass(frozen=True, slots=True, repr=False)
class RemovedData(Shown):
    """A data set whose place is no longer known. Its files stay."""

    place: DataPlace

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``data remove --json``."""
        return _record(self.place)

    def lines(self) -> Sequence[str]:
        """What is forgotten."""
        return [f"{self.place.name} is forgotten; its files stay in {self.place.path}"]


@dataclass(frozen=True, slots=True, repr=False)
class KnownData(Shown):
    """The data sets whose places are known, and the ``file`` that they are in.

    ``prepared`` has the loaders that each one was prepared for, by its name.
    """

    file: Path
    places: tuple[DataPlace, ...]
    prepared: Mapping[str, Sequence[str]]

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``data list --json``."""
        rows = [{**_record(p), "prepared": list(self.prepared[p.name])} for p in self.places]
        return {"file": str(self.file), "datasets": rows}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each data set."""
        import pandas as pd

        return pd.DataFrame(self.record["datasets"])

    def lines(self) -> Sequence[str]:
        """How many are known, and what to do about those that are gone."""
        if not self.places:
            return ["no data set is known yet: `benchsuite data add NAME PATH` adds one"]
        gone = [p for p in self.places if p.gone]
        number = f"{len(self.places)} data set{'s' * (len(self.places) > 1)}"
        return [
            f"{number} known in {self.file}{f', {len(gone)} gone' if gone else ''}",
            *(f"- {p.name}: nothing is at {p.path}: benchsuite data add {p.name} PATH says where it is" for p in gone),
        ]

    def cells(self) -> Table:
        """A line for each data set."""
        lines = [
            [
                p.name,
                f"{p.path} (gone)" if p.gone else p.path,
                f"{p.images:,}",
                _checked(p),
                ", ".join(self.prepared[p.name]) or "no",
            ]
            for p in self.places
        ]
        return ["name", "path", "test images", "checked", "prepared"], lines


def _checked(place: DataPlace) -> str:
    if not place.checked:
        return "never"
    words = [place.checked.partition("T")[0], "fine" if place.fine else "FAILED", *["all decoded"] * place.full]
    return ", ".join(words)


def _record(place: DataPlace) -> dict[str, Any]:
    return {**dataclasses.asdict(place), "checked": place.checked or None, "gone": place.gone}


def add_data(name: str, path: str | Path, **options: Unpack[Surroundings]) -> AddedData:
    """Says once where a data set lies, as ``benchsuite data add`` does: ``data="imagenet"`` is then enough everywhere.

    ``path`` is all that follows ``imagenet:``. The data set is opened first. Raises a ``BenchsuiteError`` for one that
    cannot be opened, with what ``data check`` advises.
    """
    from benchsuite.doctor.admission import admit

    catalog, progress = surroundings(options)
    place, before = admit(name, str(path), catalog, progress)
    return AddedData(place, _complete(name, catalog), _other(before, place))


def list_data() -> KnownData:
    """Lists the data sets whose places are known, as ``benchsuite data list`` does; none of them is opened.

    Raises a ``BenchsuiteError`` for a file that is damaged.
    """
    from benchsuite.data.prepared_note import prepared_loaders

    places = tuple(known_places().values())
    return KnownData(config_file(), places, {p.name: prepared_loaders(p.split, p.digest) for p in places})


def remove_data(name: str) -> RemovedData:
    """Forgets where a data set lies, as ``benchsuite data remove`` does; its files stay. Raises ``UnknownName``."""
    with changing_places() as places:
        if name not in places:
            raise unknown_name("added data set", name, places)
        return RemovedData(places.pop(name))


def download_data(name: str, *, to: str | Path | None = None, **options: Unpack[Surroundings]) -> AddedData:
    """Downloads a data set that may be had freely and adds it, as ``benchsuite data download`` does.

    ``to`` is the folder for its files, new or empty; by default $BENCHSUITE_DATA/NAME, else a folder in the cache. A
    folder that holds the data set already is added as it is. A download that breaks off or is interrupted goes
    on in the next call. Raises a ``BenchsuiteError``.
    """
    from benchsuite.data.downloads import download
    from benchsuite.doctor.admission import admit

    catalog, progress = surroundings(options)
    dataset = catalog.find("dataset", name)
    if dataset.fetch is None:
        free = ", ".join(sorted(n for n, d in catalog.datasets.items() if d.fetch is not None))
        raise BadParameter(expected("the data set", f"one that may be had freely ({free})", name, dataset.download))
    folder = Path(os.path.abspath(Path(to).expanduser() if to else data_folders(name)[0]))  # noqa: PTH100
    fetched = download(dataset.fetch, folder, progress)
    try:
        place, before = admit(name, str(folder), catalog, progress)
    except DataError as error:
        if fetched:
            raise
        rule = f"a new or empty folder, or one that holds {name}"
        raise DataError(expected("--to", rule, "other files", f"{folder}: {error}")) from None
    return AddedData(place, _complete(name, catalog), _other(before, place), fetched)


def _complete(name: str, catalog: Catalog) -> int | None:
    """The number of test images of a complete copy."""
    return next((c.images for c in catalog.datasets[name].census if c.split == "test"), None)


def _other(before: DataPlace | None, place: DataPlace) -> str:
    return before.path if before is not None and before.path != place.path else ""
