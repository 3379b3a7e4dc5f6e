"""A whole ``sweep``: what is answered already, the lots that are left, and the state of every cell on disk."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchsuite.distributed import executors, process_group
from benchsuite.distributed.crew import gather
from benchsuite.errors import BadParameter, BenchsuiteError, expected
from benchsuite.evaluation.question import TOLERANCE, Question, at_precision
from benchsuite.progress import Progress
from benchsuite.runs import auto_precision
from benchsuite.runs import manifest as run_manifest
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run
from benchsuite.runs.sweep_file import Sweep, SweepCell, SweepJob, lots
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.storage.files import writing


@dataclass(slots=True)
class CellState:
    """How far a cell is: ``to do``, ``running``, ``done``, ``answered`` (from its run), or ``failed``."""

    state: str = "to do"
    error: str | None = None
    row: dict[str, Any] | None = None


Outcome = tuple[SweepCell, CellState]
Tell = Callable[[SweepCell, CellState], None]


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What of a sweep is done, where, and in which folder its results lie."""

    results: Path
    place: str = "local"
    last_failed: bool = False
    fresh: bool = False


@dataclass(slots=True)
class SweepStates:
    """The states of the chosen cells, and the file that keeps those of all."""

    path: Path
    states: dict[SweepCell, CellState] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def set(self, cell: SweepCell, state: CellState, tell: Tell) -> None:
        """A cell has come so far; said and written down when that is new."""
        self.states[cell] = state
        run_id = state.row["run_id"] if state.row else None
        self.kept[cell.label] = {"state": state.state, "error": state.error, "run_id": run_id}
        tell(cell, state)

    def write(self) -> None:
        """Writes the file. Raises ``StorageError``."""
        with writing(self.path) as part:
            part.write_text(json.dumps({"cells": self.kept}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def board(sweep: Sweep, choice: SweepOptions) -> SweepStates:
    """The chosen cells before anything is known of them.

    Raises ``BadParameter`` where the ones that failed are asked for and there are none.
    """
    path = choice.results / "sweeps" / f"{sweep.name}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        kept = {}
    chosen = sweep.cells
    if choice.last_failed:
        chosen = tuple(c for c in chosen if kept.get(c.label, {}).get("state") == "failed")
        if not chosen:
            raise BadParameter(expected("--last-failed", "asked after a cell has failed", "no failed cell", str(path)))
    return SweepStates(path, {cell: CellState() for cell in chosen}, kept)


def survey(sweep: Sweep, choice: SweepOptions, catalog: Catalog, made: SweepStates, tell: Tell) -> list[SweepJob]:
    """Finds out which cells are answered and which cannot be; returns the lots that are left."""
    left = []
    catalog = _opening_once(catalog)
    for lot in lots(sweep, list(made.states), choice.results, fresh=choice.fresh):
        todo = []
        for cell, state in _surveyed(lot, catalog):
            if state.state == "to do":
                todo.append(cell)
                made.states[cell] = state
            else:
                made.set(cell, state, tell)
        left += [lot.of(todo)] if todo else []
    return left


def sweep(
    asked: Sweep, choice: SweepOptions, catalog: Catalog, progress: Progress, tell: Tell
) -> dict[SweepCell, CellState]:
    """Carries out a sweep, or goes on with it; returns the state of every chosen cell.

    A cell that cannot be done says why, and the others go on. Of ``torchrun``'s processes the first one leads, the
    others help with every lot. ``tell`` hears of every change. Raises a ``BenchsuiteError`` for what makes it
    pointless to begin.
    """
    executors.check(choice.place)
    if process_group.asked():
        if choice.place != "local":
            raise BadParameter(expected("--on", "local under torchrun", choice.place))
        rest = {key: value for key, value in asked.fixed.items() if key != "processes"}  # there are torchrun's
        asked = dataclasses.replace(asked, fixed=rest)
    if choice.place != "local":  # elsewhere the working folder may be another one
        choice = dataclasses.replace(choice, results=choice.results.absolute())
    crew = gather(1, f"sweep {asked.name}", help_along, ())
    try:
        if not crew.leads:
            for lot in _heard(crew.hear(), asked, choice):
                help_along(lot, catalog)
            return {}
        made = board(asked, choice)
        left = survey(asked, choice, catalog, made, tell)
        crew.tell({"lots": [[asked.cells.index(cell) for cell in lot.cells] for lot in left]})
        made.write()
        for i, state, found in _events(asked, choice, left, catalog, progress):
            outcomes = found if state == "done" else [(cell, CellState(state, found)) for cell in left[i].cells]
            for cell, new in outcomes:
                made.set(cell, new, tell)
            made.write()
        return made.states
    finally:
        crew.stop()


def help_along(lot: SweepJob, catalog: Catalog) -> None:
    """What the other processes of ``torchrun`` do for a lot; the leader finds its errors by itself."""
    try:
        run(lot.asked, catalog, Progress())
    except BenchsuiteError:
        return


def carry_out(lot: SweepJob) -> list[Outcome]:
    """The work for a lot, on whatever machine."""
    return attempt(lot, load_plugins(), Progress())


def attempt(lot: SweepJob, catalog: Catalog, progress: Progress) -> list[Outcome]:
    """Answers the cells of a lot together; if that fails, one by one, so that each has an answer or its own reason."""
    try:
        rows = run(lot.asked, catalog, progress)
    except BenchsuiteError as error:
        if len(lot.cells) == 1:
            return [(lot.cells[0], CellState("failed", str(error)))]
        return [outcome for cell in lot.cells for outcome in attempt(lot.of([cell]), catalog, progress)]
    states = [CellState("answered" if row["cached"] else "done", row=row) for row in rows]
    return list(zip(lot.cells, states, strict=True))


def _events(
    asked: Sweep, choice: SweepOptions, left: Sequence[SweepJob], catalog: Catalog, progress: Progress
) -> Iterator[executors.Event]:
    options = asked.places.get(choice.place, {})
    if not left:  # a cluster would be asked for nothing
        return iter(())
    if choice.place == "slurm":
        return executors.slurm(left, carry_out, options, choice.results / "sweeps" / f"{asked.name}-slurm")
    if choice.place == "ray":
        return executors.ray(left, carry_out, options)
    return executors.local(left, lambda lot: attempt(lot, catalog, progress))


def _surveyed(lot: SweepJob, catalog: Catalog) -> list[Outcome]:
    try:
        questions = plan(lot.asked, catalog)
    except BenchsuiteError as error:
        if len(lot.cells) == 1:
            return [(lot.cells[0], CellState("failed", str(error)))]
        return [outcome for cell in lot.cells for outcome in _surveyed(lot.of([cell]), catalog)]
    auto = lot.asked.precision == "auto" and auto_precision.worth_it(questions)
    rows = [None if lot.fresh else _row(lot.results, _possible(q) if auto else [q], checked=auto) for q in questions]
    left = [q for q, row in zip(questions, rows, strict=True) if row is None]
    if (
        auto and left and not auto_precision.worth_it(left)
    ):  # they alone would come to another precision than all together
        rows = [None] * len(rows)
    return [
        (cell, CellState("answered", row=row) if row else CellState())
        for cell, row in zip(lot.cells, rows, strict=True)
    ]


def _possible(question: Question) -> list[Question]:
    """A question in every precision that ``auto`` may have come to, here or on the machine that answered it."""
    return [at_precision(question, name, ()) for name in TOLERANCE]


def _row(results: Path, questions: Sequence[Question], *, checked: bool) -> dict[str, Any] | None:
    """The row of the first question that has an answer; of those ``checked``, one that ``auto`` chose the precision of.

    Which one that is on this machine is known after a check only, which takes the network.
    """
    for question in questions:
        manifest = run_manifest.answered(results, question)
        if manifest is None or (checked and not manifest["numerics"]["chosen"]):
            continue
        chosen = manifest["numerics"]["chosen"]
        row = run_manifest.result_row(manifest, str(run_manifest.folder(results, question)), True)
        return row | ({"precision_check": chosen} if checked else {})
    return None


def _heard(work: Mapping[str, Any], asked: Sweep, choice: SweepOptions) -> list[SweepJob]:
    """The lots that the leader has told."""
    return [
        SweepJob(tuple(asked.cells[i] for i in numbers), asked.fixed, choice.results, choice.fresh)
        for numbers in work.get("lots", [])
    ]


def _opening_once(catalog: Catalog) -> Catalog:
    """The catalog whose datasets open each folder once, for many questions about it."""
    opening = {n: dataclasses.replace(d, open=functools.cache(d.open)) for n, d in catalog.datasets.items()}
    return dataclasses.replace(catalog, datasets=opening)
