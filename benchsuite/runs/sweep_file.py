"""Reads sweeps: a TOML file names architectures, protocols, data sets and more; every combination is a cell."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, DataError, expected, unknown_name
from benchsuite.evaluation.question import TOLERANCE, RunRequest
from benchsuite.runs.plan import DEFAULT_DATA
from benchsuite.specs.catalog import Catalog

AXES: dict[str, tuple[str, type, Any]] = {
    "architectures": ("architecture", str, None),
    "data": ("data", str, DEFAULT_DATA),
    "weights": ("weights", str, ""),
    "preprocess": ("preprocess", str, ""),
    "transform": ("transform", str, ""),
    "precision": ("precision", str, "auto"),
    "loader": ("loader", str, "torch"),
    "seed": ("seed", int, 0),
    "protocols": ("protocol", str, "1crop"),
}
"""Keys of the file that take one value or a list: key -> (field of a cell, type, default)."""

FIXED: dict[str, tuple[type, int]] = {
    "device": (str, 0),
    "batch_size": (int, 1),
    "workers": (int, 0),
    "resize_on": (str, 0),
    "limit": (int, 1),
    "processes": (int, 1),
}
"""Keys of the file that apply to all cells: key -> (type, smallest value of a number)."""

PLACES = ("slurm", "ray")
"""Tables of the file with options for the place where the cells are computed."""


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One combination; empty ``weights`` are the default, ``transform`` holds transforms joined by ;."""

    architecture: str
    data: str
    weights: str
    preprocess: str
    transform: str
    precision: str
    loader: str
    seed: int
    protocol: str

    @property
    def label(self) -> str:
        """The cell in words, which identify it. Fields with default values are left out."""
        usual = {"weights": "", "preprocess": "", "transform": "", "precision": "auto", "loader": "torch", "seed": 0}
        rest = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return " ".join([self.architecture, self.protocol, self.data, *rest])


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep file. ``fixed`` are fields of ``RunRequest``, ``places`` the options of SLURM and Ray.

    ``idle`` describes the tables of ``skip`` that match no cell, one text each.
    """

    name: str
    cells: tuple[SweepCell, ...]
    fixed: Mapping[str, Any]
    places: Mapping[str, Mapping[str, Any]]
    idle: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SweepJob:
    """The cells of one network on one data set, which share forward passes and are computed together."""

    cells: tuple[SweepCell, ...]
    fixed: Mapping[str, Any]
    results: Path
    fresh: bool = False

    @property
    def request(self) -> RunRequest:
        """The ``run`` command that answers all cells of the job."""
        first = self.cells[0]
        own = {name: getattr(first, name) for name in ("data", "precision", "loader", "seed")}
        return RunRequest(
            (first.architecture,),
            tuple(cell.protocol for cell in self.cells),
            weights=first.weights or None,
            preprocess=first.preprocess or None,
            transforms=_transforms(first.transform),
            **own,
            **self.fixed,
            fresh=self.fresh,
            results=self.results,
        )

    def of(self, cells: Sequence[SweepCell]) -> SweepJob:
        """The same job with only these cells."""
        return SweepJob(tuple(cells), self.fixed, self.results, self.fresh)


def read(path: Path, catalog: Catalog) -> Sweep:
    """Reads a sweep file. Every name in it is looked up, so a misspelt name is refused before any work.

    Raises ``DataError`` for a file that is missing or no TOML, and ``BadParameter`` or ``UnknownName`` for wrong
    contents.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows may write a byte order mark
    except OSError as error:
        raise DataError(expected("the sweep", "a TOML file", error.strerror or str(error), str(path))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(expected("the sweep", "a TOML file", str(error), str(path))) from None
    return parse(path.stem, table, catalog)


def parse(name: str, table: Mapping[str, Any], catalog: Catalog) -> Sweep:
    """The sweep that a table describes; see ``read``."""
    where = f"{name}.toml"
    known = (*AXES, *FIXED, *PLACES, "skip")
    for key in table:
        if key not in known:
            raise _unknown_key(key, known, where)
    if "architectures" not in table:
        raise BadParameter(expected("architectures", "one or more names", "none", where))
    axes = {field: _axis(key, table.get(key, usual), kind, where) for key, (field, kind, usual) in AXES.items()}
    _check_names(axes, catalog, where)
    skip = _tables("skip", table.get("skip", []), where)
    for key in (key for pattern in skip for key in pattern):
        if key not in axes:
            raise _unknown_key(key, axes, f"skip of {where}")
    combined = [SweepCell(*values) for values in itertools.product(*axes.values())]
    cells = tuple(cell for cell in combined if not any(_matches(cell, pattern) for pattern in skip))
    if not cells:
        raise BadParameter(
            expected("skip", "narrower, so that it leaves at least one cell", "every cell skipped", where)
        )
    fixed = {key: _fixed(key, table[key], where) for key in FIXED if key in table}
    places = {key: _tables(key, [table[key]], where)[0] for key in PLACES if key in table}
    idle = [p for p in skip if not any(_matches(cell, p) for cell in combined)]
    words = tuple(", ".join(f"{key} = {value!r}" for key, value in pattern.items()) for pattern in idle)
    return Sweep(name, cells, fixed, places, words)


def jobs(sweep: Sweep, cells: Sequence[SweepCell], results: Path, *, fresh: bool) -> list[SweepJob]:
    """Groups cells into jobs: cells that differ only in their protocol are one job."""
    groups: dict[SweepCell, list[SweepCell]] = {}
    for cell in cells:
        key = dataclasses.replace(cell, protocol="")
        groups.setdefault(key, []).append(cell)
    return [SweepJob(tuple(group), sweep.fixed, results, fresh) for group in groups.values()]


def _unknown_key(key: str, known: Sequence[str] | Mapping[str, Any], where: str) -> BadParameter:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return BadParameter(f"Unknown key {key!r} in the sweep ({where}): {hint}")


def _axis(key: str, value: Any, kind: type, where: str) -> list[Any]:
    values = [_one(key, v, kind, where) for v in (value if isinstance(value, list) else [value])]
    if not values:
        raise BadParameter(expected(key, "one value or more", "an empty list", where))
    twice = [v for v in values if values.count(v) > 1]
    if twice:
        raise BadParameter(expected(f"each of {key}", "named once", f"{twice[0]} twice", where))
    return values


def _one(key: str, value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadParameter(expected(key, "text" if kind is str else "a whole number", repr(value), where))
    return value


def _fixed(key: str, value: Any, where: str) -> Any:
    kind, least = FIXED[key]
    if kind is int and _one(key, value, kind, where) < least:
        raise BadParameter(expected(key, f"at least {least}", value, where))
    return _one(key, value, kind, where)


def _tables(key: str, value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        rule = f"a table, [[{key}]]" if key == "skip" else f"a table, [{key}]"
        raise BadParameter(expected(key, rule, repr(value), where))
    return value


def _matches(cell: SweepCell, pattern: Mapping[str, Any]) -> bool:
    return all(fnmatchcase(str(getattr(cell, key)), str(wanted)) for key, wanted in pattern.items())


def _transforms(text: str) -> tuple[str, ...]:
    """``smooth:rho=1; other`` -> the transforms of a cell, in the order in which they are applied."""
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _check_names(axes: Mapping[str, Sequence[Any]], catalog: Catalog, where: str) -> None:
    for name in axes["architecture"]:
        catalog.architecture(name)
    bound = {t: catalog.protocol(t).label for t in axes["protocol"]}
    _check_different("protocols", bound, where)
    changes = {t: "; ".join(catalog.transform(part).name for part in _transforms(t)) for t in axes["transform"]}
    _check_different("transform", changes, where)
    for text in axes["data"]:
        catalog.find("dataset", text.partition(":")[0])
    for name in axes["loader"]:
        catalog.loader(name)
    for name in axes["precision"]:
        if name not in ("auto", *TOLERANCE):
            raise unknown_name("precision", name, ("auto", *TOLERANCE))


def _check_different(key: str, labels: Mapping[str, str], where: str) -> None:
    """Raises ``BadParameter`` if two texts of an axis have the same label, and so mean the same."""
    first: dict[str, str] = {}
    for text, label in labels.items():
        if label in first:
            raise BadParameter(expected(f"each of {key}", "different", f"{first[label]} and {text}", where))
        first[label] = text
