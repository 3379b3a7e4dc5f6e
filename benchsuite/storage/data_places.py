"""Where data sets lie: what ``benchsuite data add`` was told, in a small JSON file of the user's config folder."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError, StorageError, expected
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Conversion, split_conversion
from benchsuite.storage.files import config_folder, writing
from benchsuite.storage.locks import held


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where the data set ``name`` lies, and what its test split held when it was last opened.

    ``path`` is all that follows the colon in ``NAME:PATH``: a full path or a URL, and options such as
    ``,labels=FILE``. ``split`` is the name of the opened split, ``images`` how many it has, and ``digest`` that of
    their names and labels. ``checked`` is when ``data check`` read it (ISO 8601, UTC; empty: never), ``fine`` whether
    no check failed, and ``full`` whether every image was decoded.
    """

    name: str
    path: str
    split: str
    images: int
    digest: str
    checked: str = ""
    fine: bool | None = None
    full: bool = False

    @property
    def typed(self) -> str:
        """The data set as it is typed in full."""
        return f"{self.name}:{self.path}"

    @property
    def gone(self) -> bool:
        """Whether the path is one of this machine and nothing is there."""
        return Path(self.path).is_absolute() and _split(self.path) is None


def config_file() -> Path:
    """``datasets.json`` in the user's config folder."""
    return config_folder() / "datasets.json"


def known_places() -> dict[str, DataPlace]:
    """What was added, by name. Raises ``StorageError`` with the file if it cannot be read, ``DataError`` if damaged."""
    file = config_file()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(f"Cannot read {file}: {error.strerror or error}") from None
    except ValueError as error:
        raise _damaged(str(error), file) from None
    try:
        entries = json.loads(text)["datasets"]
        return {name: _entry(name, entry) for name, entry in entries.items()}
    except ValueError as error:
        raise _damaged(str(error), file) from None
    except (AttributeError, KeyError, TypeError, RecursionError):
        raise _damaged("JSON of another form", file) from None


def _entry(name: str, entry: Any) -> DataPlace:
    """An entry of the file; keys of later versions are passed over. Raises ``KeyError`` or ``TypeError``."""
    kinds = {"path": str, "split": str, "images": int, "digest": str, "checked": str, "fine": bool | None, "full": bool}
    if any(not isinstance(entry[key], kind) for key, kind in kinds.items()):
        raise TypeError(name)
    return DataPlace(name, **{key: entry[key] for key in kinds})


def _damaged(got: str, file: Path) -> DataError:
    rule = "as `benchsuite data add` writes it (mend it, or delete it and add them again)"
    return DataError(expected("the file of known data sets", rule, got, str(file)))


@contextlib.contextmanager
def changing_places() -> Iterator[dict[str, DataPlace]]:
    """Yields what is known, to be changed; then writes it, at once. Other processes wait until that is done.

    Nothing is written if the block raises or changes nothing. Raises ``StorageError`` for a folder that cannot be
    written, and as ``known_places`` does.
    """
    file = config_file()
    try:
        with held(file.with_suffix(".lock"), wait=True):
            places = known_places()
            before = dict(places)
            yield places
            if places != before:
                _write(file, places)
    except StorageError as error:
        raise StorageError(f"{error} (BENCHSUITE_CONFIG names another folder)") from None


def _write(file: Path, places: Mapping[str, DataPlace]) -> None:
    entries = {name: dataclasses.asdict(place) for name, place in sorted(places.items())}
    for entry in entries.values():
        del entry["name"]
    with writing(file) as part:
        part.write_text(json.dumps({"datasets": entries}, indent=2) + "\n", encoding="utf-8")


def located(text: str, catalog: Catalog) -> str:
    """``imagenet`` -> ``imagenet:PATH``, with the path that was added; any other text is returned unchanged.

    A conversion stays: ``imagenet,depth=scale`` -> ``imagenet:PATH,depth=scale``. Nothing is read for a text with a
    path, or for a data set that takes none. Raises ``DataError`` for a path that is gone, with the commands that mend
    it, ``BadParameter`` for a conversion that does not exist, and as ``known_places`` does.
    """
    name, _, path = split_conversion(text)[0].partition(":")
    dataset = catalog.datasets.get(name)
    if path or dataset is None or dataset.path == "none":
        return text
    place = known_places().get(name)
    if place is None:
        return text
    if place.gone:
        mend = f"`benchsuite data add {name} PATH` says where it is now, `benchsuite data remove {name}` forgets it"
        raise DataError(expected(name, "where it was when it was added", f"nothing at {place.path}", mend))
    return place.typed + text.removeprefix(name).removeprefix(":")


def full_path(path: str) -> str:
    """A path of this machine, and the files in options after it, as full paths; other texts, such as URLs, unchanged.

    ``data/val,labels=val.txt`` -> ``/home/me/data/val,labels=/home/me/val.txt``.
    """
    found = _split(path)
    if found is None:
        return path
    place, options = found
    return ",".join([_full(place), *(_full_option(option) for option in options)])


def _split(path: str) -> tuple[str, list[str]] | None:
    """The longest beginning of ``PATH,OPTION,...`` that exists on this machine, and the options; None if none does."""
    words = path.split(",")
    for n in range(len(words), 0, -1):
        place = ",".join(words[:n])
        if place and os.path.exists(os.path.expanduser(place)):  # noqa: PTH110, PTH111  (False for a text that is no path)
            return place, words[n:]
    return None


def _full_option(option: str) -> str:
    key, equals, value = option.partition("=")
    found = None if key in {field.name for field in dataclasses.fields(Conversion)} else _split(value)
    return f"{key}{equals}{_full(value)}" if found and not found[1] else option


def _full(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  (links are kept)
