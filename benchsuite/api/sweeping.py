"""``benchsuite.sweep``: every combination of networks, protocols and data sets that a file or a dictionary names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from benchsuite.api.evaluation import Evaluations, of_row
from benchsuite.api.options import Surroundings, results_folder, surroundings
from benchsuite.api.shown import Shown
from benchsuite.distributed import places
from benchsuite.distributed.process_group import leads
from benchsuite.report.tables.text import Table, preprocessing_lines
from benchsuite.runs import sweep as sweeps
from benchsuite.runs import sweep_file
from benchsuite.runs.sweep import CellState
from benchsuite.runs.sweep_file import Sweep, SweepCell
from benchsuite.stats.digits import percent, with_interval
from benchsuite.stats.metrics import Count

if TYPE_CHECKING:
    import pandas as pd

Report = Callable[[Sweep, SweepCell, CellState], None]
"""Receives the sweep, a cell of it, and the cell's new state."""


@dataclass(frozen=True, slots=True, repr=False)
class SweepResult(Shown):
    """The cells of a sweep with their states: done, failed, to do ..."""

    definition: Sweep
    states: Mapping[SweepCell, CellState]

    @property
    def failed(self) -> dict[str, str]:
        """The error of each failed cell."""
        failed = ((cell, state) for cell, state in self.states.items() if state.state == "failed")
        return {cell.label: state.error or "" for cell, state in failed}

    @property
    def runs(self) -> Evaluations:
        """The finished runs."""
        return Evaluations(tuple(of_row(state.row) for state in self.states.values() if state.row is not None))

    @property
    def preprocessing(self) -> list[str]:
        """How the images of the finished runs were prepared, a line for each way."""
        return preprocessing_lines([state.row for state in self.states.values() if state.row is not None])

    @property
    def records(self) -> list[dict[str, Any]]:
        """The cells of ``sweep --json``."""
        return [
            {**dataclasses.asdict(cell), "state": state.state, "error": state.error, **(state.row or {})}
            for cell, state in self.states.items()
        ]

    @property
    def table(self) -> pd.DataFrame:
        """One row for each cell: its names, its state, and the columns of its run."""
        import pandas as pd

        return pd.json_normalize(self.records, sep="_")

    def lines(self) -> Sequence[str]:
        """How many cells there are in each state, and the range of their errors; then what failed, and why."""
        states = [state.state for state in self.states.values()]
        counts = ", ".join(f"{states.count(name)} {name}" for name in dict.fromkeys(states))
        rows = [state.row for state in self.states.values() if state.row is not None]
        errors = sorted((Count(row["top1_errors"], row["n"]) for row in rows), key=lambda count: count.ratio)
        ends = dict.fromkeys(percent(count) for count in (*errors[:1], *errors[-1:]))
        found = f"; top-1 error {' to '.join(ends)} %" if ends else ""
        return [f"{self.definition.name}: {counts}{found}", *self.preprocessing, *self._reasons()]

    def _reasons(self) -> list[str]:
        """The errors of failed cells, one line per error: a missing folder fails every cell that needs it."""
        names, failed = varied(self.definition), dict[str, list[str]]()
        for cell, state in self.states.items():
            if state.error is not None:
                failed.setdefault(state.error, []).append(short(cell, names))
        cells = [f"{first} and {len(rest)} more" if rest else first for first, *rest in failed.values()]
        return [f"{name}: {error}" for name, error in zip(cells, failed, strict=True)]

    def cells(self) -> Table:
        """A line for each cell: what distinguishes it, its error, and its state."""
        names, rows = varied(self.definition), []
        for cell, state in self.states.items():
            error = "" if state.row is None else with_interval(Count(state.row["top1_errors"], state.row["n"]))
            rows.append([*(str(getattr(cell, name)) for name in names), error, state.state])
        return [*names, "top-1 error %", "state"], rows


def varied(definition: Sweep) -> list[str]:
    """The fields in which the cells differ, and always architecture, protocol and data."""
    usual = ["architecture", "protocol", "data"]
    rest = ["weights", "preprocess", "transform", "precision", "loader", "seed"]
    return [*usual, *(name for name in rest if len({getattr(cell, name) for cell in definition.cells}) > 1)]


def short(cell: SweepCell, names: Sequence[str]) -> str:
    """A short name that distinguishes the cell from the others, which differ in the fields of ``varied``, ``names``."""
    return " ".join([cell.architecture, cell.protocol, cell.data, *(f"{n}={getattr(cell, n)}" for n in names[3:])])


def sweep(
    definition: str | Path | Mapping[str, Any],
    *,
    place: str = "local",
    dry_run: bool = False,
    last_failed: bool = False,
    fresh: bool = False,
    results: str | Path | None = None,
    report: Report | None = None,
    name: str = "sweep",
    **options: Unpack[Surroundings],
) -> SweepResult:
    """Evaluates every combination that a TOML file names, as ``benchsuite sweep`` does.

    ``definition`` is a file (docs/sweeps.md describes it) or a dictionary with its contents, such as
    ``{"architectures": ["resnet20"], "protocols": ["1crop", "tta"], "data": ["cifar10:PATH"]}``, whose states are kept
    under ``name``. ``place`` is local, slurm or ray. With ``dry_run`` the cells and their states are returned, and
    nothing is evaluated. A cell that fails keeps its error, and the others go on. ``report`` is called with every cell
    whose state changes. Under ``torchrun`` only the first process returns states.
    """
    catalog, progress = surroundings(options)
    if isinstance(definition, Mapping):
        spec = sweep_file.parse(name, definition, catalog)
    else:
        spec = sweep_file.read(Path(definition), catalog)
    choice = sweeps.SweepOptions(results_folder(results), place, last_failed, fresh)
    for pattern in spec.idle if leads() else ():
        progress.note(f"no cell matches the [[skip]] of {pattern}")
    if dry_run:
        places.place(place, spec.places)
        board = sweeps.board(spec, choice)
        sweeps.survey(spec, choice, catalog, board, lambda cell, state: None)
        return SweepResult(spec, board.states)

    def tell(cell: SweepCell, state: CellState) -> None:
        if report is not None:
            report(spec, cell, state)

    return SweepResult(spec, sweeps.sweep(spec, choice, catalog, progress, tell))
