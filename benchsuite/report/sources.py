"""What a report is asked to be about: runs by name, and what ``explain --json`` and ``compare --json`` wrote."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError, StorageError, expected, unknown_name
from benchsuite.explanation import ledger
from benchsuite.explanation.ladder import Factor
from benchsuite.explanation.ledger import Published
from benchsuite.storage import correctness, run_folder
from benchsuite.storage.training_folder import CORRECT, trainings_in

RULE = "what benchsuite explain --json or compare --json wrote"


@dataclass(frozen=True, slots=True)
class LadderFile:
    """A ladder of a file: the folders of its runs, what changed before each, and what no run holds.

    ``shares`` are (factor, mean, least, most) in percent points, averaged over ``orders`` orders; empty if not asked.
    ``counted`` is another accounting of the last run in words, and what it changes in percent points.
    """

    folders: tuple[Path, ...]
    factors: tuple[tuple[Factor, ...], ...]
    printed: tuple[Published | None, Published | None]
    because: tuple[str, ...]
    shares: tuple[tuple[str, float, float, float], ...]
    orders: int
    counted: tuple[str, Fraction] | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders of all runs, each once; those named as runs; the pairs and ladders that files ask for; trainings.

    ``every``: no run was named, so all are meant, in no order that a user chose.
    """

    every: bool
    folders: tuple[Path, ...]
    named: tuple[Path, ...]
    pairs: tuple[tuple[Path, Path], ...]
    ladders: tuple[LadderFile, ...]
    trainings: tuple[Path, ...] = ()


def sources(results: Path, names: Sequence[str]) -> Sources:
    """What the words after ``benchsuite report`` name; without any, every run and training of the results folder.

    Raises ``UnknownName`` for a run that is not there, ``DataError`` for a file that is something else, and
    ``StorageError`` where there is no run at all.
    """
    named: list[Path] = []
    trainings: list[Path] = []
    pairs: list[tuple[Path, Path]] = []
    ladders: list[LadderFile] = []
    for name in names:
        if not name.endswith(".json"):
            folder = correctness.find(results, name)
            (trainings if (folder / CORRECT).is_file() else named).append(folder)
            continue
        data = _read(name)
        if "comparisons" in data:
            pairs += [_pair(results, item, name) for item in _list(data, "comparisons", name)]
        elif "rungs" in data:
            ladders.append(_ladder(results, data, name))
        else:
            raise DataError(expected("the file", RULE, f"one with {', '.join(data) or 'nothing'} in it", name))
    if not names:
        named = [folder for folder in run_folder.runs_in(results) if run_folder.read_manifest(folder) is not None]
        trainings = trainings_in(results)
    others = [*(f for told in ladders for f in told.folders), *(f for pair in pairs for f in pair)]
    folders = _once([*named, *others])
    if not folders and not trainings:
        raise StorageError(expected("the results folder", "one with a run in it", "none", str(results / "runs")))
    known = tuple(_once(named)), tuple(pairs), tuple(ladders), tuple(_once(trainings))
    return Sources(not names, tuple(folders), *known)


def _once(folders: Sequence[Path]) -> list[Path]:
    """Each run once, however it was named."""
    found: dict[Path, Path] = {}
    for folder in folders:
        found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _read(name: str) -> Mapping[str, Any]:
    try:
        found = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"Cannot read {name}: {error.strerror or error}") from None
    except ValueError:
        raise DataError(expected("the file", RULE, "no JSON", name)) from None
    if not isinstance(found, dict):
        raise DataError(expected("the file", RULE, f"a {type(found).__name__}", name))
    return found


def _pair(results: Path, item: Any, name: str) -> tuple[Path, Path]:
    return _run(results, item, "before", name), _run(results, item, "after", name)


def _ladder(results: Path, data: Mapping[str, Any], name: str) -> LadderFile:
    rungs = _list(data, "rungs", name)
    if len(rungs) < 2 or not all(isinstance(rung, dict) and "top1_errors" in rung for rung in rungs):
        raise DataError(expected("a ladder", "of two rungs or more, measured", "a plan or less", name))
    folders = tuple(_run(results, rung, "run_id", name) for rung in rungs)
    for folder, rung in zip(folders, rungs, strict=True):
        manifest = run_folder.read_manifest(folder)
        counted = manifest and manifest["counts"]["top1_errors"]
        if counted != rung["top1_errors"]:
            got = f"{rung['top1_errors']} in the ladder"
            raise DataError(expected(f"the top-1 errors of {folder.name}", f"{counted}, as the run counts", got, name))
    return LadderFile(
        folders,
        tuple(tuple(_factor(f, name) for f in _list(rung, "factors", name)) for rung in rungs),
        (_printed(data.get("printed_before"), name), _printed(data.get("printed_after"), name)),
        tuple(str(words) for words in _list(data, "because", name)),
        tuple(_share(share, name) for share in _list(data, "shapley", name)),
        int(_number(data.get("orders", 0), name)),
        _counted(data.get("counted"), name),
    )


def _counted(item: Any, name: str) -> tuple[str, Fraction] | None:
    if item is None:
        return None
    if not isinstance(item, dict) or not {"accounting", "batch_size"} <= set(item):
        raise DataError(expected("'counted'", "an accounting, its batch_size and its change", item, name))
    change = Fraction(_number(item.get("change"), name)).limit_denominator(10**9)
    return f"exact → {item['accounting']}, batches of {item['batch_size']}", change


def _list(data: Mapping[str, Any], key: str, name: str) -> list[Any]:
    found = data.get(key, [])
    if not isinstance(found, list):
        raise DataError(expected(f"{key!r}", "a list", found, name))
    return found


def _run(results: Path, item: Any, key: str, name: str) -> Path:
    """The folder of a run that a file names, in the results folder or where it was when the file was written."""
    run_id = item.get(key) if isinstance(item, dict) else None
    if not isinstance(run_id, str):
        raise DataError(expected(f"{key!r}", "the id of a run", run_id, name))
    if (Path(str(item.get("path", ""))) / "manifest.json").is_file() and not (results / "runs" / run_id).is_dir():
        return Path(item["path"])
    return run_folder.find_run(results, run_id)


def _factor(item: Any, name: str) -> Factor:
    try:
        return Factor(*(str(item[field]) for field in ("name", "before", "after")))
    except (TypeError, KeyError):
        raise DataError(expected("a factor", "its name, before and after", item, name)) from None


def _share(item: Any, name: str) -> tuple[str, float, float, float]:
    if not isinstance(item, dict):
        raise DataError(expected("a share", "a factor with its mean, least and most", item, name))
    mean, least, most = (_number(item.get(field), name) for field in ("mean", "least", "most"))
    return str(item.get("factor")), mean, least, most


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(expected("a value", "a number", value, name))
    return float(value)


def _printed(figure: Any, name: str) -> Published | None:
    if figure is None:
        return None
    known = {row.id: row for row in _with_errors()}
    if figure not in known:
        raise unknown_name("printed figure", str(figure), known, f"(in {name})")
    return known[figure]


def _with_errors() -> Iterator[Published]:
    return (row for row in ledger.load() if row.error is not None)
