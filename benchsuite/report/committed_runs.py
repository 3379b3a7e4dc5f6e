"""Committed runs: removes a machine's paths from their manifests, and checks their counts against their predictions."""

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
"""Replaces a path."""

BULKY = 100_000
"""Predictions that take more bytes are committed compactly."""

ABSOLUTE = re.compile(r"(?<![\w/.)])(?:~?/(?!/)[^\s\"',;]*/|[A-Za-z]:\\|\\\\)[^\s\"',;]*")
"""An absolute path, alone or after ``NAME:``. The slashes of a URL or between two words do not match."""


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """A JSON file of a committed run: ``text`` is its present text, ``portable`` the text without paths."""

    path: Path
    text: str
    portable: str

    @property
    def paths(self) -> list[str]:
        """The absolute paths in the file, each once."""
        return list(dict.fromkeys(ABSOLUTE.findall(self.text)))


def committed(results: Path) -> list[Path]:
    """The folders of committed runs and trainings, sorted: those in ``results/NAME/runs`` and ``.../NAME/training``."""
    manifests = [path for kind in ("runs", "training") for path in results.glob(f"*/{kind}/*/manifest.json")]
    return sorted(path.parent for path in manifests)


def files_with_paths(results: Path) -> Iterator[CommittedFile]:
    """Every JSON file of committed results that contains a path. Raises ``StorageError`` for a file that is no JSON."""
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
    """The JSON data with ``PATH`` in place of every absolute path.

    The path in the run's ``--data`` is replaced as well, even if it is relative.
    """
    asked = data.get("asked") if isinstance(data, Mapping) else None
    option = asked.get("data") if isinstance(asked, Mapping) else None
    known = {option: f"{option.partition(':')[0]}:{PATH}"} if isinstance(option, str) and ":" in option else {}
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


def write(file: CommittedFile) -> None:
    """Writes the file without its paths."""
    with writing(file.path) as part:
        part.write_text(file.portable, encoding="utf-8", newline="\n")


def bulky(results: Path) -> list[Path]:
    """The folders of committed runs whose predictions take more than ``BULKY`` bytes."""
    folders = [folder for folder in committed(results) if folder.parent.name == "runs"]
    files = [(folder, folder / "predictions.parquet") for folder in folders]
    return [folder for folder, file in files if file.is_file() and file.stat().st_size > BULKY]


def faults(results: Path) -> Iterator[str]:
    """A message for each contradiction in committed evaluations.

    These are runs without predictions, manifests whose counts differ from the predictions, and images that have more
    than one prediction.
    """
    for folder in committed(results):
        manifest = run_folder.read_manifest(folder)
        if folder.parent.name != "runs" or manifest is None:
            if folder.parent.name == "runs":
                yield f"Expected {folder} to be a whole run, got no predictions.parquet"
            continue
        counts, columns = manifest["counts"], run_folder.read_columns(folder)
        counted = predictions.count(columns, counts["tolerance"])
        stated = {name: counts[name] for name in counted}
        if counted != stated:
            yield f"Expected the counts of {folder} to be {counted}, as counted from its predictions, got {stated}"
        if len(set(columns["id"].tolist())) != len(columns["id"]):
            yield f"Expected one prediction for each image of {folder}, got some twice"
