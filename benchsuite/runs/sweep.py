"""A complete ``sweep``: finds finished runs, runs the remaining jobs, and keeps the state of every cell on disk."""

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
from benchsuite.distributed.failure import Failure
from benchsuite.distributed.places import Place, place
from benchsuite.errors import BadParameter, BenchsuiteError, expected
from benchsuite.evaluation.question import TOLERANCE, Question, at_precision
from benchsuite.progress import Progress
from benchsuite.runs import auto_precision
from benchsuite.runs import manifest as run_manifest
from benchsuite.runs.cluster import nodes, returned
from benchsuite.runs.cluster.nodes import Errand
from benchsuite.runs.cluster.returned import ReturnedRun
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run
from benchsuite.runs.sweep_file import Sweep, SweepCell, SweepJob, jobs
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.storage.files import writing


@dataclass(slots=True)
class CellState:
    """The state of a cell: ``to do``, ``running``, ``done``, ``answered`` (by a finished run), or ``failed``.

    ``error`` is the line of a failure, ``row`` the flat result of a run.
    """

    state: str = "to do"
    error: str | None = None
    row: dict[str, Any] | None = None


Outcome = tuple[SweepCell, CellState]


@dataclass(frozen=True, slots=True)
class Returned:
    """What a node returns of a job: the states of its cells in order, and the files of its runs by their ids.

    There are no files if the node sees the results folder, where the runs then are.
    """

    states: list[CellState]
    runs: Mapping[str, ReturnedRun]


Tell = Callable[[SweepCell, CellState], None]
"""Called for every change of a cell's state."""


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """Which cells of a sweep to run, in which place (as ``--on`` names it), and the folder for results."""

    results: Path
    place: str = "local"
    last_failed: bool = False
    fresh: bool = False


@dataclass(slots=True)
class SweepStates:
    """The states of the chosen cells, and the file that keeps the states of all cells."""

    path: Path
    states: dict[SweepCell, CellState] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)

    def set(self, cell: SweepCell, state: CellState, tell: Tell) -> None:
        """Sets the state of a cell and passes it to ``tell``; ``write`` saves it."""
        self.states[cell] = state
        run_id = state.row["run_id"] if state.row else None
        self.kept[cell.label] = {"state": state.state, "error": state.error, "run_id": run_id}
        tell(cell, state)

    def write(self) -> None:
        """Writes the file. Raises ``StorageError``."""
        with writing(self.path) as part:
            part.write_text(json.dumps({"cells": self.kept}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def board(sweep: Sweep, choice: SweepOptions) -> SweepStates:
    """The chosen cells, all of them to do, and the states that the file keeps from before.

    Raises ``BadParameter`` for ``--last-failed`` if no cell has failed.
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
            raise BadParameter(expected("--last-failed", "used after a cell has failed", "no failed cell", str(path)))
    return SweepStates(path, {cell: CellState() for cell in chosen}, kept)


def survey(
    sweep: Sweep, choice: SweepOptions, catalog: Catalog, cell_states: SweepStates, tell: Tell
) -> list[SweepJob]:
    """Sets the state of cells that are answered already or cannot be answered; returns the jobs that are left."""
    left = []
    catalog = _opening_once(catalog)
    for job in jobs(sweep, list(cell_states.states), choice.results, fresh=choice.fresh):
        todo = []
        for cell, state in _states_before(job, catalog):
            if state.state == "to do":
                todo.append(cell)
                cell_states.states[cell] = state
            else:
                cell_states.set(cell, state, tell)
        left += [job.of(todo)] if todo else []
    return left


def sweep(
    spec: Sweep, choice: SweepOptions, catalog: Catalog, progress: Progress, tell: Tell
) -> dict[SweepCell, CellState]:
    """Runs a sweep, or continues it; returns the state of every chosen cell.

    A cell that fails keeps its error, and the other cells go on. Under ``torchrun`` the first process leads, and the
    others compute their share of every job. ``tell`` is called for every change of a state. Raises a
    ``BenchsuiteError`` if the sweep cannot begin.
    """
    where = place(choice.place, spec.places)
    if process_group.under_torchrun():
        if not where.is_local:
            raise BadParameter(expected("--on", "local under torchrun", choice.place))
        rest = {key: value for key, value in spec.fixed.items() if key != "processes"}  # torchrun decides how many
        spec = dataclasses.replace(spec, fixed=rest)
    if not where.is_local:  # the working folder may differ in other places
        choice = dataclasses.replace(choice, results=choice.results.absolute())
    crew = gather(1, f"sweep {spec.name}", assist, ())
    try:
        if not crew.leads:
            for job in _jobs_from_leader(crew.receive(), spec, choice):
                assist(job, catalog)
            return {}
        cell_states = board(spec, choice)
        left = survey(spec, choice, catalog, cell_states, tell)
        crew.send({"jobs": [[spec.cells.index(cell) for cell in job.cells] for job in left]})
        cell_states.write()
        for i, state, result in _events(where, spec, choice, left, catalog, progress):
            outcomes = result if state == "done" else [(cell, CellState(state, result)) for cell in left[i].cells]
            for cell, new in outcomes:
                cell_states.set(cell, new, tell)
            cell_states.write()
        return cell_states.states
    finally:
        crew.stop()


def assist(job: SweepJob, catalog: Catalog) -> None:
    """Computes a share of a job, in the other processes of ``torchrun``. The leader raises its errors by itself."""
    try:
        run(job.request, catalog, Progress())
    except BenchsuiteError:
        return


def carry_out(errand: Errand, job: SweepJob) -> Returned | Failure:
    """Runs a job on a node, which returns the files of its runs if it does not see the results folder."""

    def work() -> Returned:
        with nodes.results_folder(errand) as results:
            outcomes = attempt(dataclasses.replace(job, results=results), load_plugins(), Progress())
            states = [_named(state) for _, state in outcomes]
            rows = [] if results == errand.results else [state.row for state in states if state.row]
            return Returned(states, {row["run_id"]: returned.packed(Path(row["path"])) for row in rows})

    return nodes.on_node(errand, work)


def _named(state: CellState) -> CellState:
    """The state of a cell, whose error says on which node it happened."""
    return dataclasses.replace(state, error=f"node {nodes.name()}: {state.error}") if state.error else state


def received(job: SweepJob, event: executors.Event, catalog: Catalog) -> executors.Event:
    """The event of a job that a node has ended, with its outcomes; the runs that it returned are written here.

    A run that answers another question, as the node has other images or weights, makes the job a failed one.
    """
    i, state, value = event
    if isinstance(value, Failure):
        return i, "failed", value.text
    if state != "done":
        return event
    try:
        known = {v.run_id: q for q in plan(job.request, catalog) for v in _in_every_precision(q)} if value.runs else {}
        for run_id, one in value.runs.items():
            if run_id not in known:
                rule = "those of this machine"
                return i, "failed", expected(f"the images and weights of node {one.node}", rule, f"others, of {run_id}")
            folder, manifest = returned.unpacked(one, job.results, known[run_id].fingerprint)
            for cell in value.states:
                if cell.row and cell.row["run_id"] == run_id:
                    cell.row = returned.row_of(manifest, folder, cell.row)
    except BenchsuiteError as error:
        return i, "failed", str(error)
    return i, "done", list(zip(job.cells, value.states, strict=True))


def attempt(job: SweepJob, catalog: Catalog, progress: Progress) -> list[Outcome]:
    """Answers the cells of a job together; if that fails, one by one, so that each has an answer or its own error."""
    try:
        rows = {row["protocol"]: row for row in run(job.request, catalog, progress)}
    except BenchsuiteError as error:
        if len(job.cells) == 1:
            return [(job.cells[0], CellState("failed", str(error)))]
        return [outcome for cell in job.cells for outcome in attempt(job.of([cell]), catalog, progress)]
    found = {cell: rows[catalog.protocol(cell.protocol).label] for cell in job.cells}
    return [(cell, CellState("answered" if row["cached"] else "done", row=row)) for cell, row in found.items()]


def _events(
    where: Place, spec: Sweep, choice: SweepOptions, left: Sequence[SweepJob], catalog: Catalog, progress: Progress
) -> Iterator[executors.Event]:
    """Runs the jobs in the chosen place; yields each change of a job's state."""
    if where.is_local:
        yield from executors.local(left, lambda job: attempt(job, catalog, progress))
    elif left:  # submit nothing to a cluster
        errand, folder = nodes.errand(choice.results, where), choice.results / "sweeps" / f"{spec.name}-slurm"
        gpus, catalog = spec.fixed.get("device") != "cpu", _opening_once(catalog)
        with executors.opened(where, folder, gpus=gpus, detached=True) as executor:
            jobs_there = [_for_node(job, catalog, executor.cores) for job in left]
            for event in executor.submit(errand, jobs_there, carry_out):
                yield received(left[event[0]], event, catalog)


def _for_node(job: SweepJob, catalog: Catalog, cores: int | None) -> SweepJob:
    """The job as all nodes understand it; if it is given only some ``cores`` of a node, it decodes with as many."""
    data = nodes.data_in_full(job.cells[0].data, catalog)
    own = {} if cores is None else {"workers": max(1, cores // job.fixed.get("processes", 1))}
    cells = tuple(dataclasses.replace(cell, data=data) for cell in job.cells)
    return dataclasses.replace(job, cells=cells, fixed=own | dict(job.fixed))


def _states_before(job: SweepJob, catalog: Catalog) -> list[Outcome]:
    """The state of each cell of a job before it runs: answered, failed (it cannot be planned), or to do."""
    try:
        questions = plan(job.request, catalog)
    except BenchsuiteError as error:
        if len(job.cells) == 1:
            return [(job.cells[0], CellState("failed", str(error)))]
        return [outcome for cell in job.cells for outcome in _states_before(job.of([cell]), catalog)]
    checked = _checked(questions)
    wanted = {q.bound.label: _in_every_precision(q) if checked else [q] for q in questions}
    rows = {} if job.fresh else {label: _row(job.results, same, checked=checked) for label, same in wanted.items()}
    found = {cell: rows.get(catalog.protocol(cell.protocol).label) for cell in job.cells}
    left = [cell for cell, row in found.items() if row is None]
    if 0 < len(left) < len(found) and not _same_alone(plan(job.of(left).request, catalog), questions):
        return [(cell, CellState()) for cell in job.cells]
    return [(cell, CellState("answered", row=row) if row else CellState()) for cell, row in found.items()]


def _checked(questions: Sequence[Question]) -> bool:
    """Whether ``auto`` makes a check to choose the precision of these questions; an attack excludes it."""
    return all(q.request.precision == "auto" for q in questions) and auto_precision.worth_it(questions)


def _same_alone(left: Sequence[Question], whole: Sequence[Question]) -> bool:
    """Whether the questions that are left get the precision that they have together with the others of the job.

    They do not if an attack among the others puts the whole job in float32, or if a check is worth it for all only.
    """
    return {q.run_id for q in left} <= {q.run_id for q in whole} and _checked(left) == _checked(whole)


def _in_every_precision(question: Question) -> list[Question]:
    """A question in every precision that ``auto`` may have chosen, here or on the machine that answered it."""
    return [at_precision(question, name, ()) for name in TOLERANCE]


def _row(results: Path, questions: Sequence[Question], *, checked: bool) -> dict[str, Any] | None:
    """The row of the first question that a finished run answers; None if there is none.

    If ``checked``, only runs whose precision ``auto`` chose count, in any precision: which one it would be on this
    machine is known only after a check, and that needs the network.
    """
    for question in questions:
        manifest = run_manifest.answered(results, question)
        if manifest is None or (checked and not manifest["numerics"]["chosen"]):
            continue
        chosen = manifest["numerics"]["chosen"]
        row = run_manifest.result_row(manifest, str(run_manifest.folder(results, question)), True)
        return row | ({"precision_check": chosen} if checked else {})
    return None


def _jobs_from_leader(work: Mapping[str, Any], spec: Sweep, choice: SweepOptions) -> list[SweepJob]:
    """The jobs that the leader has announced."""
    return [
        SweepJob(tuple(spec.cells[i] for i in numbers), spec.fixed, choice.results, choice.fresh)
        for numbers in work.get("jobs", [])
    ]


def _opening_once(catalog: Catalog) -> Catalog:
    """The catalog with data sets that open each folder only once, for many questions about it."""
    opening = {n: dataclasses.replace(d, open=functools.cache(d.open)) for n, d in catalog.datasets.items()}
    return dataclasses.replace(catalog, datasets=opening)
