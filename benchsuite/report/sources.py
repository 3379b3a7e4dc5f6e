"""Finds what a report shows: runs by name, and the files that ``explain --json`` and ``compare --json`` wrote."""

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
    """A ladder read from a file: the folders of its runs, the factors that changed before each, and data of no run.

    ``published`` are the published figures of the two ends, None where there is none; ``because`` are sentences on why
    they may differ from the measured rates. ``shares`` are (factor, mean, least, most) in percentage points, averaged
    over ``orders`` orders, and empty if they were not requested. ``counted`` is another accounting of the last run, in
    words, and its change of the error in percentage points.
    """

    folders: tuple[Path, ...]
    factors: tuple[tuple[Factor, ...], ...]
    published: tuple[Published | None, Published | None]
    because: tuple[str, ...]
    shares: tuple[tuple[str, float, float, float], ...]
    orders: int
    counted: tuple[str, Fraction] | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What a report shows: ``folders`` of all runs, each once; ``named`` ones of the user; pairs and ladders of files.

    ``every``: the user named nothing, so ``named`` are all runs of the results folder, in no order that the user chose.
    """

    every: bool
    folders: tuple[Path, ...]
    named: tuple[Path, ...]
    pairs: tuple[tuple[Path, Path], ...]
    ladders: tuple[LadderFile, ...]
    trainings: tuple[Path, ...] = ()


def sources(results: Path, names: Sequence[str]) -> Sources:
    """Finds what the arguments of ``benchsuite report`` name; without any, every run and training of the folder.

    Raises ``UnknownName`` for a run that does not exist, ``DataError`` for a file that holds neither comparisons nor a
    ladder, and ``StorageError`` if there is no run at all.
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
    others = [*(f for ladder in ladders for f in ladder.folders), *(f for pair in pairs for f in pair)]
    folders = _once([*named, *others])
    if not folders and not trainings:
        raise StorageError(expected("the results folder", "one with a run in it", "none", str(results / "runs")))
    return Sources(
        not names, tuple(folders), tuple(_once(named)), tuple(pairs), tuple(ladders), tuple(_once(trainings))
    )


def _once(folders: Sequence[Path]) -> list[Path]:
    """Each run once, however it was named."""
    by_path: dict[Path, Path] = {}
    for folder in folders:
        by_path.setdefault(folder.resolve(), folder)
    return list(by_path.values())


def _read(name: str) -> Mapping[str, Any]:
    try:
        data = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise StorageError(f"Cannot read {name}: {error.strerror or error}") from None
    except ValueError:
        raise DataError(expected("the file", RULE, "no JSON", name)) from None
    if not isinstance(data, dict):
        raise DataError(expected("the file", RULE, f"a {type(data).__name__}", name))
    return data


def _pair(results: Path, item: Any, name: str) -> tuple[Path, Path]:
    return _run(results, item, "before", name), _run(results, item, "after", name)


def _ladder(results: Path, data: Mapping[str, Any], name: str) -> LadderFile:
    rungs = _list(data, "rungs", name)
    if len(rungs) < 2 or not all(isinstance(rung, dict) and "top1_errors" in rung for rung in rungs):
        raise DataError(expected("a ladder", "measured, with two rungs or more", "a plan or fewer rungs", name))
    folders = tuple(_run(results, rung, "run_id", name) for rung in rungs)
    for folder, rung in zip(folders, rungs, strict=True):
        manifest = run_folder.read_manifest(folder)
        counted = manifest and manifest["counts"]["top1_errors"]
        if counted != rung["top1_errors"]:
            got = f"{rung['top1_errors']} in the ladder"
            raise DataError(expected(f"the top-1 errors of {folder.name}", f"{counted}, as in its manifest", got, name))
    return LadderFile(
        folders,
        tuple(tuple(_factor(f, name) for f in _list(rung, "factors", name)) for rung in rungs),
        (_published(data.get("printed_before"), name), _published(data.get("printed_after"), name)),
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
    items = data.get(key, [])
    if not isinstance(items, list):
        raise DataError(expected(f"{key!r}", "a list", items, name))
    return items


def _run(results: Path, item: Any, key: str, name: str) -> Path:
    """The folder of a run that a file names: in the results folder, or else where it was when the file was written."""
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


def _published(figure: Any, name: str) -> Published | None:
    if figure is None:
        return None
    known = {row.id: row for row in _with_errors()}
    if figure not in known:
        raise unknown_name("published figure", str(figure), known, f"(in {name})")
    return known[figure]


def _with_errors() -> Iterator[Published]:
    return (row for row in ledger.load() if row.error is not None)
