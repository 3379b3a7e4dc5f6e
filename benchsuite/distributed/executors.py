"""Executors: they run jobs one after the other in this process, as arrays on SLURM, or as tasks on Ray.

On SLURM and Ray a job that dies with its node is given to another one. What it returns comes back through submitit's
folder or Ray's object store.
"""

from __future__ import annotations

import functools
import io
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchsuite.distributed.crew import interrupts_blocked
from benchsuite.distributed.places import Place, package
from benchsuite.errors import BadParameter, BenchsuiteError, expected, first_line
from benchsuite.storage.files import delete

L = TypeVar("L")
R = TypeVar("R")

Event = tuple[int, str, Any]
"""(index of a job, state, value): ``running``, None; ``done``, what ``work`` returned; ``failed``, one line why."""

Submit = Callable[[Any, Sequence[Any], Callable[[Any, Any], Any]], Iterator[Event]]
"""``submit(shared, jobs, work)`` calls ``work(shared, job)`` for every job; ``work`` is imported there by its name."""

PAUSE = 1.0
"""Seconds between two checks of the states of the jobs."""

RETRIES = 3
"""How often a job that died is begun again."""

ARRAY = 8
"""Jobs of an array on SLURM that are expected to run at once, without ``slurm_array_parallelism``."""


@dataclass(frozen=True, slots=True)
class Executor:
    """A cluster that takes jobs: about ``slots`` run at once, each on ``cores`` cores; None if that is not known."""

    submit: Submit
    slots: int
    cores: int | None = None


def local(jobs: Sequence[L], work: Callable[[L], R]) -> Iterator[Event]:
    """Runs the jobs one after the other in this process."""
    for i, job in enumerate(jobs):
        yield i, "running", None
        try:
            yield i, "done", work(job)
        except BenchsuiteError as error:
            yield i, "failed", str(error)


def opened(place: Place, folder: Path, *, gpus: bool, detached: bool = False) -> AbstractContextManager[Executor]:
    """The executor of a place other than this machine. Jobs that are left at the end are stopped.

    ``folder`` is for the files of SLURM's jobs. With ``gpus`` a job on Ray gets a GPU if there are any. SLURM's jobs go
    on after the end if ``detached``. Raises a ``BenchsuiteError`` for a missing cluster and for wrong options.
    """
    return slurm(place.options, folder, detached) if place.name == "slurm" else ray(place.options, gpus)


@contextmanager
def slurm(options: Mapping[str, Any], folder: Path, detached: bool) -> Iterator[Executor]:
    """Submits jobs as arrays with submitit, which exchanges files with them in ``folder``; logs are there too.

    ``options`` are submitit's parameters (``slurm_partition``, ``timeout_min``, ``gpus_per_node`` ...); ``folder`` is
    another folder for the files, which all nodes must share; ``cluster`` may be ``local`` or ``debug``, which need no
    SLURM.
    """
    submitit = package("slurm")
    options = dict(options)
    if options.get("tasks_per_node", 1) != 1 or options.get("nodes", 1) != 1:
        raise BadParameter(expected("a job of [slurm]", "one task; processes = N splits its work", "several"))
    place = Path(options.pop("folder", folder)).absolute()
    try:
        executor = submitit.AutoExecutor(folder=place, cluster=options.pop("cluster", "slurm"))
    except Exception as error:
        rule = 'on a machine with SLURM, or with cluster = "local" in [slurm]'
        raise BenchsuiteError(expected("--on slurm", rule, _line(error))) from error
    try:
        executor.update_parameters(**{"name": "benchsuite", **options})
    except Exception as error:
        raise BadParameter(expected("the table [slurm]", "parameters of submitit", first_line(error))) from error
    left: dict[int, Any] = {}

    def submit(shared: Any, jobs: Sequence[Any], work: Callable[[Any, Any], Any]) -> Iterator[Event]:
        bound = functools.partial(work, shared)
        with interrupts_blocked():  # jobs of cluster = "local" are child processes, and continue as SLURM's do
            left.update(enumerate(executor.map_array(bound, jobs)))
        running, deaths = set[int](), Counter[int]()
        while left:
            for i, job in list(left.items()):
                if job.done():
                    del left[i]
                    if deaths[i] < RETRIES and _died(submitit, job):
                        deaths[i] += 1
                        with interrupts_blocked():
                            left[i] = executor.submit(bound, jobs[i])
                        continue
                    event = _ended(i, job.result)
                    for file in (job.paths.submitted_pickle, job.paths.result_pickle):  # of many megabytes
                        delete(file)
                    yield event
                elif i not in running and job.state == "RUNNING":
                    running.add(i)
                    yield i, "running", None
            if left:
                time.sleep(PAUSE)

    try:
        yield Executor(submit, int(options.get("slurm_array_parallelism", ARRAY)))
    finally:
        for job in () if detached else left.values():
            with suppress(Exception):  # it has ended by now
                job.cancel()


@contextmanager
def ray(options: Mapping[str, Any], gpus: bool) -> Iterator[Executor]:
    """Runs jobs as Ray tasks. ``options`` are those of ``ray.remote``, and ``address``, the cluster's."""
    with redirect_stdout(_OfRay()):
        yield from _ray(package("ray"), dict(options), gpus)


def _ray(module: Any, options: dict[str, Any], gpus: bool) -> Iterator[Executor]:
    address, own = options.pop("address", None), not module.is_initialized()
    for name in ("num_cpus", "num_gpus"):
        if not isinstance(options.get(name, 0), int | float):
            raise BadParameter(expected(f"{name} of ray", "a number", options[name]))
    if own:
        try:
            _reach(address)
            module.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False)
        except (OSError, RuntimeError, ValueError) as error:
            rule = "given the address of a cluster that is reached from here"
            raise BenchsuiteError(expected("--on ray", rule, f"{address}: {_line(error)}")) from error
    try:
        has = module.cluster_resources()
        cpus, cards = has.get("CPU", 0.0), has.get("GPU", 0.0)
        if gpus and cards and "num_gpus" not in options:
            options = {"num_cpus": max(1, int(cpus // cards)), **options, "num_gpus": 1}
        cores = max(1, int(options.get("num_cpus", 1)))
        slots = cards / options["num_gpus"] if options.get("num_gpus") else cpus / cores

        def submit(shared: Any, jobs: Sequence[Any], work: Callable[[Any, Any], Any]) -> Iterator[Event]:
            try:
                remote = module.remote(work).options(**{"max_retries": RETRIES, **options})
            except (ValueError, TypeError) as error:
                raise BadParameter(expected("the table [ray]", "options of ray.remote", first_line(error))) from error
            held = module.put(shared)  # once, not with every job
            pending = {remote.remote(held, job): i for i, job in enumerate(jobs)}
            while pending:
                ready, _ = module.wait([*pending], num_returns=1)
                for reference in ready:
                    i = pending.pop(reference)
                    yield _ended(i, lambda reference=reference: module.get(reference))  # type: ignore[misc]

        yield Executor(submit, max(1, int(slots)), cores)
    finally:
        if own:  # else it was there before
            module.shutdown()


class _OfRay(io.TextIOBase):
    """Standard output while Ray is in use: it prints there when a node dies, with pages of logs.

    The first sentence goes to standard error; standard output is for results.
    """

    def write(self, text: str) -> int:
        said = re.sub(r"\x1b\[[0-9;]*m", "", text).strip().partition("\n")[0].partition(". ")[0]
        sys.stderr.write(f"benchsuite: ray: {said}\n" if said else "")
        return len(text)


def _reach(address: str | None) -> None:
    """Raises ``OSError`` if nothing answers at HOST:PORT, for which Ray would wait for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _died(submitit: Any, job: Any) -> bool:
    """Whether a job of submitit ended without a result, because its node or its process did."""
    errors, error = submitit.core.utils, job.exception()
    return isinstance(error, errors.UncompletedJobError) and not isinstance(error, errors.FailedJobError)


def _ended(i: int, result: Callable[[], Any]) -> Event:
    try:
        return i, "done", result()
    except Exception as error:  # an error of the work, or of the cluster
        return i, "failed", _line(error)


def _line(error: Exception) -> str:
    """The last line of an error from another process; the lines before it are its traceback.

    submitit puts the error between lines of dashes, and says below them where the logs are.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    dashes = [i for i, line in enumerate(lines) if set(line) == {"-"}]
    if dashes:
        lines = lines[dashes[0] + 1 : dashes[1] if len(dashes) > 1 else None]
    return lines[-1] if lines else type(error).__name__
