"""Committed runs: their manifests without the paths of a machine, and whether their counts are those of their rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import StorageError
from benchsuite.evaluation import predictions
from benchsuite.storage import run_folder
from benchsuite.storage.files import writing

PATH = "PATH"
"""What stands where a path was."""

ABSOLUTE = re.compile(r"(?<![\w/.)])(?:~?/(?!/)[^\s\"',;]*/|[A-Za-z]:\\|\\\\)[^\s\"',;]*")
"""A path of a machine, alone or after ``NAME:``: not the slashes of an address, nor those between two words."""


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """A JSON file of a committed run as it is and as it should be."""

    path: Path
    text: str
    portable: str

    @property
    def paths(self) -> list[str]:
        """The paths that are in it."""
        return list(dict.fromkeys(ABSOLUTE.findall(self.text)))


def committed(results: Path) -> list[Path]:
    """The folders of committed runs and trainings: those that are in a named folder of the results, by name."""
    manifests = [path for kind in ("runs", "training") for path in results.glob(f"*/{kind}/*/manifest.json")]
    return sorted(path.parent for path in manifests)


def kept(results: Path) -> Iterator[CommittedFile]:
    """Every JSON file of committed results whose text names a path."""
    ladders = sorted(path for path in results.glob("*/*.json") if path.parent.name not in ("runs", "training"))
    for path in [*(folder / "manifest.json" for folder in committed(results)), *ladders]:
        text = path.read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except ValueError as error:
            raise StorageError(f"Cannot read {path}: {error}") from error
        clean = portable(data)
        if clean != data:
            yield CommittedFile(path, text, json.dumps(clean, indent=2, ensure_ascii=False) + "\n")


def portable(data: Any) -> Any:
    """JSON data with ``PATH`` where an absolute path was, and where a run was told the path of its data."""
    asked = data.get("asked") if isinstance(data, Mapping) else None
    told = asked.get("data") if isinstance(asked, Mapping) else None
    known = {told: f"{told.partition(':')[0]}:{PATH}"} if isinstance(told, str) and ":" in told else {}
    return _without(data, known)


def _without(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, known) for inner in value]
    if not isinstance(value, str):
        return value
    for old, new in known.items():
        value = value.replace(old, new)
    return ABSOLUTE.sub(PATH, value)


def write(found: CommittedFile) -> None:
    """Writes the file without its paths."""
    with writing(found.path) as part:
        part.write_text(found.portable, encoding="utf-8", newline="\n")


def faults(results: Path) -> Iterator[str]:
    """In words, what contradicts itself in committed evaluations: counts of a manifest that its predictions deny."""
    for folder in committed(results):
        manifest = run_folder.read_manifest(folder)
        if folder.parent.name != "runs" or manifest is None:
            if folder.parent.name == "runs":
                yield f"Expected {folder} to be a whole run, got no predictions.parquet"
            continue
        counts, columns = manifest["counts"], run_folder.read_columns(folder)
        found = predictions.count(columns, counts["tolerance"])
        told = {name: counts[name] for name in found}
        if found != told:
            yield f"Expected the counts of {folder} to be {found}, as its predictions say, got {told}"
        if len(set(columns["id"].tolist())) != len(columns["id"]):
            yield f"Expected one prediction for each image of {folder}, got some twice"
