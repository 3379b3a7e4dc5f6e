"""Grids: every combination of a few factors trained, the cheapest first; a table on disk grows with each."""

from __future__ import annotations

import csv
import dataclasses
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
from benchsuite.specs.recipe import Grid
from benchsuite.storage.files import writing
from benchsuite.training.job import Job, TrainRequest, cells, job, open_splits
from benchsuite.training.run import carry_out

Row = dict[str, Any]
COLUMNS = ("epochs_run", "n", "top1_errors", "top1_error", "scale", "seed", "images_per_second", "run_id", "failed")


@dataclass(frozen=True, slots=True)
class GridCell:
    """One combination: the level of each factor by name, and its training, which others may share."""

    levels: dict[str, str]
    job: Job


def find(name: str, catalog: Catalog) -> tuple[Architecture, Grid]:
    """The grid of that name and its architecture. Raises ``UnknownName``."""
    architectures = [a for a in catalog.architectures.values() if isinstance(a, Architecture)]
    known = {grid.name: (a, grid) for a in architectures for grid in a.grids}
    if name not in known:
        raise unknown_name("grid", name, known)
    return known[name]


def plan(request: TrainRequest, name: str, catalog: Catalog) -> list[GridCell]:
    """The trainings of a grid, those with the fewest images to learn from first; ``request`` names no architecture."""
    architecture, grid = find(name, catalog)
    if request.epochs is not None and any(field == "epochs" for field in _changes(grid)):
        raise BadParameter(expected("--epochs", f"left out, as epochs are a factor of {name}", request.epochs))
    recipe = {r.name: r for r in architecture.recipes}[grid.recipe]
    request = dataclasses.replace(request, architecture=architecture.name)
    opened = open_splits(request, recipe, catalog)
    names = [factor for factor, _ in grid.factors]
    made = [
        GridCell(dict(zip(names, (level.name for level in levels), strict=True)), job(request, cell, catalog, opened))
        for levels, cell in cells(grid, recipe)
    ]
    return sorted(made, key=lambda cell: cell.job.recipe.epochs * len(cell.job.learned))


def _changes(grid: Grid) -> list[str]:
    return [field for _, levels in grid.factors for level in levels for field, _ in level.changes]


def train(
    request: TrainRequest, name: str, catalog: Catalog, progress: Progress, tell: Callable[[list[Row]], None]
) -> list[Row]:
    """Trains a grid, or goes on with it; returns a row for each combination, with its level of each factor.

    Combinations that come to the same training share it. One whose loss becomes no number says so in ``failed``, and
    the others go on. ``tell(rows)`` hears of the rows after each training; the table lies in RESULTS/grids.
    """
    planned = plan(request, name, catalog)
    path = request.results / "grids" / f"{name}{'' if request.scale == 'full' else '@' + request.scale}.csv"
    rows: list[Row] = []
    found: dict[str, Row] = {}
    for number, cell in enumerate(planned, 1):
        same = cell.job.identity
        if same not in found:
            words = ", ".join(f"{factor} {level}" for factor, level in cell.levels.items())
            progress.note(f"training {number} of {len(planned)} of {name}: {words}")
            found[same] = _one(cell.job, request, progress)
        rows.append({"levels": cell.levels, **found[same]})
        if leads():
            _write(path, rows)
        tell(rows)
    return rows


def _one(job: Job, request: TrainRequest, progress: Progress) -> Row:
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
        counted = {**row, "epochs_run": row.get("epochs")}  # epochs may be a factor, whose level is another number
        table.writerow(row["levels"] | {name: counted.get(name) for name in COLUMNS})
    with writing(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8")
