"""Where the lots of a sweep are computed: here, as an array of SLURM jobs, or on Ray."""

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
"""The number of a lot and its state: ``running``; ``done`` with what its work returned; ``failed`` with a line why."""

EXTRAS = {"slurm": "submitit", "ray": "ray"}
PAUSE = 1.0
"""Seconds between two questions about the state of a job."""


def local(lots: Sequence[L], work: Callable[[L], R]) -> Iterator[Event]:
    """One after the other, in this process."""
    for i, lot in enumerate(lots):
        yield i, "running", None
        try:
            yield i, "done", work(lot)
        except BenchsuiteError as error:
            yield i, "failed", str(error)


def slurm(lots: Sequence[L], work: Callable[[L], R], options: Mapping[str, Any], folder: Path) -> Iterator[Event]:
    """An array of jobs by submitit, a lot each; its logs lie in ``folder``.

    ``options`` are submitit's parameters (``slurm_partition``, ``timeout_min``, ``gpus_per_node`` ...); ``cluster`` may
    be ``local`` or ``debug``, which need no SLURM. Jobs that are under way go on when this process ends.
    """
    submitit = _module("slurm")
    options = dict(options)
    if options.get("tasks_per_node", 1) != 1 or options.get("nodes", 1) != 1:
        raise BadParameter(expected("a job of [slurm]", "one task; processes = N shares it out", "several"))
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=options.pop("cluster", "slurm"))
    except Exception as error:
        rule = 'where SLURM is, or cluster = "local" in [slurm]'
        raise BenchsuiteError(expected("--on slurm", rule, _line(error))) from error
    try:
        executor.update_parameters(**{"name": "benchsuite", **options})
    except Exception as error:
        raise BadParameter(expected("the table [slurm]", "parameters of submitit", first_line(error))) from error
    with interrupts_blocked():  # those of cluster = "local" are this command's children, and go on as others do
        jobs = dict(enumerate(executor.map_array(work, lots)))
    running: set[int] = set()
    while jobs:
        for i, job in list(jobs.items()):
            if job.done():
                del jobs[i]
                yield _ended(i, job.result)
            elif i not in running and job.state == "RUNNING":
                running.add(i)
                yield i, "running", None
        if jobs:
            time.sleep(PAUSE)


def ray(lots: Sequence[L], work: Callable[[L], R], options: Mapping[str, Any]) -> Iterator[Event]:
    """Tasks of Ray, a lot each. ``options`` are those of ``ray.remote``, and ``address`` that of a cluster."""
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
        asked = {remote.remote(lot): i for i, lot in enumerate(lots)}
        while asked:
            ready, _ = module.wait([*asked], num_returns=1)
            for reference in ready:
                i = asked.pop(reference)
                yield _ended(i, lambda reference=reference: module.get(reference))  # type: ignore[misc]
    finally:
        module.shutdown()


def _ended(i: int, result: Callable[[], Any]) -> Event:
    try:
        return i, "done", result()
    except Exception as error:  # whatever the work raised there, and what the cluster has to say
        return i, "failed", _line(error)


def _line(error: Exception) -> str:
    """The last line of an error that has been sent from elsewhere: the others are its traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _module(place: str) -> Any:
    try:
        return importlib.import_module(EXTRAS[place])
    except ImportError:
        got = f"no package {EXTRAS[place]}"
        raise BenchsuiteError(expected(f"--on {place}", f"installed: pip install 'benchsuite[{place}]'", got)) from None


def check(place: str) -> None:
    """Raises ``UnknownName`` for a place that is none, and ``BenchsuiteError`` for one whose package is missing."""
    if place not in ("local", *EXTRAS):
        raise unknown_name("place", place, ("local", *EXTRAS))
    if place in EXTRAS:
        _module(place)
