"""Trains a grid: every combination of the levels of a few factors, the cheapest first. A CSV gets a row for each."""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.distributed.process_group import leads
from benchsuite.errors import BadParameter, TrainingError, expected, unknown_name
from benchsuite.progress import Progress
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.recipe import Grid, Recipe
from benchsuite.storage.files import writing
from benchsuite.training.job import Job, TrainRequest, cells, job, open_splits
from benchsuite.training.run import carry_out

Row = dict[str, Any]
COLUMNS = ("epochs_run", "n", "top1_errors", "top1_error", "scale", "seed", "images_per_second", "run_id", "failed")


@dataclass(frozen=True, slots=True)
class GridCell:
    """One combination: the level of each factor by name, and its training. Several cells may share a training."""

    levels: dict[str, str]
    job: Job


def find(name: str, catalog: Catalog) -> tuple[Architecture, Grid]:
    """The grid of that name and its architecture. Raises ``UnknownName``."""
    known = _known(catalog)
    if name not in known:
        raise unknown_name("grid", name, known)
    return known[name]


def _known(catalog: Catalog) -> dict[str, tuple[Architecture, Grid]]:
    architectures = [a for a in catalog.architectures.values() if isinstance(a, Architecture)]
    return {grid.name: (a, grid) for a in architectures for grid in a.grids}


def _recipe(architecture: Architecture, grid: Grid) -> Recipe:
    """The recipe that a grid begins from."""
    return {r.name: r for r in architecture.recipes}[grid.recipe]


def matching(pattern: str, data: str | None, catalog: Catalog) -> list[str]:
    """The names of the grids that a pattern such as ``hfc-*`` matches; with ``data`` only those of that data set.

    A name without wildcards matches itself, also if there is no such grid. Raises ``UnknownName`` if nothing matches.
    """
    if not any(sign in pattern for sign in "*?["):
        return [pattern]
    names = [name for name in _known(catalog) if fnmatch.fnmatchcase(name, pattern)]
    fitting = [
        name for name in names if data is None or _recipe(*find(name, catalog)).dataset == data.partition(":")[0]
    ]
    if not fitting:
        raise unknown_name("grid", pattern, names or _known(catalog))
    return fitting


def plan(request: TrainRequest, name: str, catalog: Catalog) -> list[GridCell]:
    """The cells of a grid, those with the fewest epochs times training images first; ``request`` names no architecture.

    Raises ``UnknownName`` for an unknown grid, ``BadParameter`` for ``--epochs`` if epochs are a factor.
    """
    architecture, grid = find(name, catalog)
    if request.epochs is not None and any(field == "epochs" for field in _changed_fields(grid)):
        raise BadParameter(expected("--epochs", f"left out, as epochs are a factor of {name}", request.epochs))
    recipe = _recipe(architecture, grid)
    request = dataclasses.replace(request, architecture=architecture.name)
    opened = open_splits(request, recipe, catalog)
    names = [factor for factor, _ in grid.factors]
    planned = [
        GridCell(dict(zip(names, (level.name for level in levels), strict=True)), job(request, cell, catalog, opened))
        for levels, cell in cells(grid, recipe)
    ]
    return sorted(planned, key=lambda cell: cell.job.recipe.epochs * len(cell.job.learned))


def _changed_fields(grid: Grid) -> list[str]:
    return [field for _, levels in grid.factors for level in levels for field, _ in level.changes]


def train(
    request: TrainRequest, name: str, catalog: Catalog, progress: Progress, tell: Callable[[list[Row]], None]
) -> list[Row]:
    """Trains a grid, or resumes it; returns a row for each combination, with its level of each factor.

    Combinations with the same training share it. If the loss of one is not finite, ``failed`` has the message, and the
    others are still trained. ``tell(rows)`` is called with all rows so far after each combination. The table is at
    ``table_path``.
    """
    planned = plan(request, name, catalog)
    path = table_path(request, name)
    rows: list[Row] = []
    trained: dict[str, Row] = {}
    for number, cell in enumerate(planned, 1):
        identity = cell.job.digest
        if identity not in trained:
            levels = ", ".join(f"{factor} {level}" for factor, level in cell.levels.items())
            progress.note(f"training {number} of {len(planned)} of {name}: {levels}")
            trained[identity] = _train_cell(cell.job, request, progress)
        rows.append({"levels": cell.levels, **trained[identity]})
        if leads():
            _write(path, rows)
        tell(rows)
    return rows


def table_path(request: TrainRequest, name: str) -> Path:
    """The file of a grid's table: RESULTS/grids/NAME.csv, or NAME@mini,seed=1.csv at a scale and with a given seed."""
    changes = [] if request.scale == "full" else [request.scale]
    changes += [f"{option}={value}" for option in ("epochs", "seed") if (value := getattr(request, option)) is not None]
    return request.results / "grids" / f"{name}{'@' if changes else ''}{','.join(changes)}.csv"


def _train_cell(job: Job, request: TrainRequest, progress: Progress) -> Row:
    try:
        return {**carry_out(job, request, progress), "failed": None}
    except TrainingError as error:
        progress.note(str(error))
        return {"run_id": job.run_id, "recipe": job.recipe.name, "scale": job.scale, "failed": str(error)}


def _write(path: Path, rows: list[Row]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, [*rows[0]["levels"], *COLUMNS], lineterminator="\n")
    table.writeheader()
    for row in rows:
        # a factor may be named epochs, and its level may differ from the epochs that were run
        counted = {**row, "epochs_run": row.get("epochs")}
        table.writerow(row["levels"] | {name: counted.get(name) for name in COLUMNS})
    with writing(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8")
