"""``benchsuite export``: finished runs as a reporter writes them, as text or into the store of another tool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, StorageError, expected
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs import parameters
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.reporter import FinishedRun, Rate, Reporter
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson
from benchsuite.storage import run_folder
from benchsuite.storage.files import writing


@dataclass(frozen=True, slots=True)
class Export:
    """What an export made: ``text``, or None for a store; ``lines`` say where each run is, none for text not written.

    ``to`` is the reporter with its options, as it was typed.
    """

    to: str
    runs: tuple[FinishedRun, ...]
    text: str | None
    out: str | None
    lines: tuple[str, ...]


def export(names: Sequence[str], to: str, out: str | None, results: Path, catalog: Catalog) -> Export:
    """Exports runs, by default every one of the results folder, in the order of their names.

    ``out`` is the file of a text, written completely or not at all, or the place of a store. Raises ``UnknownName``
    for a reporter or a run that does not exist, ``BadParameter`` for its options, and ``StorageError`` if there is no
    run or ``out`` cannot be written.
    """
    reporter, options = bound(to, catalog)
    runs = finished_runs(names, results)
    if reporter.send is not None:
        return Export(to, runs, None, out, tuple(reporter.send(runs, out, **options)))
    text = reporter.work([dict(run.row) for run in runs] if reporter.export is None else runs, **options)
    if out is None:
        return Export(to, runs, text, None, ())
    with writing(Path(out)) as part:
        part.write_text(text, encoding="utf-8", newline="")
    return Export(to, runs, text, out, (out,))


def bound(to: str, catalog: Catalog) -> tuple[Reporter, dict[str, Any]]:
    """``mlflow:experiment=resnets`` -> the reporter and the options that the user gave."""
    name, colon, tail = to.partition(":")
    reporter: Reporter = catalog.find("reporter", name.strip())
    known = parameters.keywords(reporter.work)
    if colon and not known:
        raise BadParameter(expected(f"the reporter {reporter.name}", "written without options", to))
    return reporter, parameters.parse_fields(tail, known, f"option of {reporter.name}", to)


def finished_runs(names: Sequence[str], results: Path) -> tuple[FinishedRun, ...]:
    """Runs by their names, each once; without names, every complete run of the results folder."""
    if names:
        found = [run_folder.find_run(results, name) for name in names]
        folders = list({folder.resolve(): folder for folder in found}.values())
    else:
        folders = [folder for folder in run_folder.runs_in(results) if run_folder.read_manifest(folder) is not None]
    if not folders:
        raise StorageError(expected("the results folder", "one with a run in it", "none", str(results / "runs")))
    return tuple(map(finished, folders))


def finished(folder: Path) -> FinishedRun:
    """The run in a folder. Raises ``StorageError`` unless it is whole."""
    manifest = run_folder.read_whole_manifest(folder)
    row = run_manifest.result_row(manifest, str(folder), cached=True)
    counts = [(name, row[f"{name}_errors"], row["n"]) for name in ("top1", "top5")]
    counts += [("real", row["real_errors"], row["real_n"])] if row.get("real_n") else []
    rates = tuple(Rate(name, errors, n, wilson(Count(errors, n))) for name, errors, n in counts)
    return FinishedRun(row, manifest, folder, rates)
