"""Executors of a sweep: its jobs run in this process, as an array on SLURM, or on Ray."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchsuite.distributed.crew import interrupts_blocked
from benchsuite.errors import BadParameter, BenchsuiteError, expected, first_line, unknown_name

L = TypeVar("L")
R = TypeVar("R")

Event = tuple[int, str, Any]
"""(index of a job, state, value): ``running``, None; ``done``, what ``work`` returned; ``failed``, one line why."""

EXTRAS = {"slurm": "submitit", "ray": "ray"}
PAUSE = 1.0
"""Seconds between two checks of the states of the jobs."""


def local(jobs: Sequence[L], work: Callable[[L], R]) -> Iterator[Event]:
    """Runs the jobs one after the other in this process."""
    for i, job in enumerate(jobs):
        yield i, "running", None
        try:
            yield i, "done", work(job)
        except BenchsuiteError as error:
            yield i, "failed", str(error)


def slurm(jobs: Sequence[L], work: Callable[[L], R], options: Mapping[str, Any], folder: Path) -> Iterator[Event]:
    """Submits the jobs as one array with submitit; the logs are written to ``folder``.

    ``options`` are submitit's parameters (``slurm_partition``, ``timeout_min``, ``gpus_per_node`` ...); ``cluster`` may
    be ``local`` or ``debug``, which need no SLURM. Running jobs continue when this process ends.
    """
    submitit = _module("slurm")
    options = dict(options)
    if options.get("tasks_per_node", 1) != 1 or options.get("nodes", 1) != 1:
        raise BadParameter(expected("a job of [slurm]", "one task; processes = N splits its work", "several"))
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=options.pop("cluster", "slurm"))
    except Exception as error:
        rule = 'on a machine with SLURM, or with cluster = "local" in [slurm]'
        raise BenchsuiteError(expected("--on slurm", rule, _line(error))) from error
    try:
        executor.update_parameters(**{"name": "benchsuite", **options})
    except Exception as error:
        raise BadParameter(expected("the table [slurm]", "parameters of submitit", first_line(error))) from error
    with interrupts_blocked():  # jobs of cluster = "local" are child processes, and continue as SLURM's do
        submitted = dict(enumerate(executor.map_array(work, jobs)))
    running: set[int] = set()
    while submitted:
        for i, job in list(submitted.items()):
            if job.done():
                del submitted[i]
                yield _ended(i, job.result)
            elif i not in running and job.state == "RUNNING":
                running.add(i)
                yield i, "running", None
        if submitted:
            time.sleep(PAUSE)


def ray(jobs: Sequence[L], work: Callable[[L], R], options: Mapping[str, Any]) -> Iterator[Event]:
    """Runs the jobs as Ray tasks. ``options`` are those of ``ray.remote``, and ``address``, the cluster's."""
    module = _module("ray")
    options = dict(options)
    address = options.pop("address", None)
    if not module.is_initialized():
        module.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False)
    try:
        try:
            remote = module.remote(work).options(**{"max_retries": 3, **options})
        except (ValueError, TypeError) as error:
            raise BadParameter(expected("the table [ray]", "options of ray.remote", first_line(error))) from error
        pending = {remote.remote(job): i for i, job in enumerate(jobs)}
        while pending:
            ready, _ = module.wait([*pending], num_returns=1)
            for reference in ready:
                i = pending.pop(reference)
                yield _ended(i, lambda reference=reference: module.get(reference))  # type: ignore[misc]
    finally:
        module.shutdown()


def _ended(i: int, result: Callable[[], Any]) -> Event:
    try:
        return i, "done", result()
    except Exception as error:  # an error of the work, or of the cluster
        return i, "failed", _line(error)


def _line(error: Exception) -> str:
    """The last line of an error from another process; the lines before it are its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _module(place: str) -> Any:
    try:
        return importlib.import_module(EXTRAS[place])
    except ImportError:
        got = f"no package {EXTRAS[place]}"
        raise BenchsuiteError(expected(f"--on {place}", f"installed: pip install 'benchsuite[{place}]'", got)) from None


def check(place: str) -> None:
    """Raises ``UnknownName`` for an unknown place, and ``BenchsuiteError`` if the place's package is not installed."""
    if place not in ("local", *EXTRAS):
        raise unknown_name("place", place, ("local", *EXTRAS))
    if place in EXTRAS:
        _module(place)
