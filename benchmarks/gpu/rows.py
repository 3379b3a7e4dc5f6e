"""Checks and stages: each stage is a process with a time limit, each check of it a row, whatever happens in it."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Verdict = Literal["passed", "failed", "measured", "skipped"]

LEFT = 6.0
"""Seconds that are kept for writing the table."""


@dataclass(frozen=True)
class Outcome:
    """What a check found: a verdict, its reason in words, and numbers for the JSON file."""

    verdict: Verdict
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """``run(bench)`` returns an ``Outcome``; it is not begun if fewer than ``seconds`` are left.

    ``expected`` is what a device should show, in words.
    """

    name: str
    run: Callable[[Any], Outcome]
    seconds: float = 2.0
    expected: str = ""


@dataclass(frozen=True)
class Stage:
    """Checks that run in one process, of at most ``seconds``."""

    name: str
    seconds: float
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Row:
    """A row of the table: what a check found and how long it took."""

    stage: str
    check: str
    verdict: Verdict
    text: str
    seconds: float = 0.0
    values: Mapping[str, Any] = field(default_factory=dict)
    expected: str = ""


@dataclass(frozen=True)
class Record:
    """The rows that were found so far, in ``path``, and the ``machine`` that found them.

    Each row is printed, and with each the table and its JSON are written anew to ``folder``, if any: nothing is lost if
    the check is killed. Stages, which are processes, add their own rows.
    """

    path: Path
    machine: Mapping[str, Any]
    folder: Path | None = None

    def begin(self) -> None:
        """Forgets the rows of an earlier check."""
        self.path.unlink(missing_ok=True)
        self.path.touch()

    def add(self, found: Row) -> None:
        """Prints and keeps a row."""
        print(f"{found.verdict:9}{found.stage:10}{found.check}: {found.text} [{found.seconds:.1f} s]", flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(found)) + "\n")
        write(self.rows(), self.machine, self.folder, ended=False)

    def rows(self) -> list[Row]:
        """The rows, in order. A line that a killed process did not end is left out."""
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [Row(**json.loads(line)) for line in lines if line.endswith("\n")]


def failed(text: str, **values: Any) -> Outcome:
    """A promise that was broken, and how."""
    return Outcome("failed", text, values)


def measured(text: str, **values: Any) -> Outcome:
    """A number of which nothing is promised."""
    return Outcome("measured", text, values)


def skipped(text: str) -> Outcome:
    """What could not be checked here, and why."""
    return Outcome("skipped", text)


def promised(kept: bool, text: str, **values: Any) -> Outcome:
    """``passed`` or ``failed``."""
    return Outcome("passed" if kept else "failed", text, values)


def run_stages(stages: Sequence[Stage], make_bench: Callable[[], Any], record: Record, seconds: float) -> list[Row]:
    """Runs each stage in a forked process of its own; returns the rows of all, in order.

    ``make_bench()`` is called in each process. A stage that fails or runs out of time ends alone: the check that it was
    at has failed, the others are skipped.
    """
    deadline = time.monotonic() + seconds - LEFT
    record.begin()
    for stage in stages:
        left = deadline - time.monotonic()
        ended = _in_process(stage, make_bench, record, min(stage.seconds, left)) if left > 1 else None
        found = [r.check for r in record.rows() if r.stage == stage.name]
        rest = [c for c in stage.checks if c.name not in found]
        reason = "no time was left for it"
        if ended is None and stage.seconds <= left:
            reason = f"the stage ran out of time, after {stage.seconds:.0f} s"
        elif ended:
            reason = f"the process of the stage ended with status {ended}"
        if ended or (rest and ended is None and stage.seconds <= left):
            at = rest.pop(0) if rest else None
            name, expected = (at.name, at.expected) if at is not None else ("its end", "")
            record.add(Row(stage.name, name, "failed", reason, expected=expected))
        for check in rest:
            record.add(Row(stage.name, check.name, "skipped", reason, expected=check.expected))
    return record.rows()


def _in_process(stage: Stage, make_bench: Callable[[], Any], record: Record, limit: float) -> int | None:
    """Runs a stage in a process. Returns its exit status; None if it ran out of time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: none of them computes yet
        process = multiprocessing.get_context("fork").Process(target=_run, args=(stage, make_bench, record, limit))
        process.start()
    process.join(limit)
    status = process.exitcode
    _kill(process.pid)  # also what it left running
    process.join()
    return status


def _kill(group: int | None) -> None:
    if group is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def _run(stage: Stage, make_bench: Callable[[], Any], record: Record, limit: float) -> None:
    os.setsid()  # so that its processes can be ended with it
    deadline = time.monotonic() + limit
    bench = make_bench()
    for check in stage.checks:
        left = deadline - time.monotonic()
        if left < check.seconds * bench.pace:
            reason = f"{left:.0f} s are left, it needs about {check.seconds * bench.pace:.0f}"
            record.add(Row(stage.name, check.name, "skipped", reason, expected=check.expected))
            continue
        record.add(row(stage.name, check, bench))
        bench.free()
        gc.collect()


def row(stage: str, check: Check, bench: Any) -> Row:
    """Runs a check. An exception is a failure; a package that is missing, or a file of it, is a reason to skip."""
    begun = time.monotonic()
    try:
        outcome = check.run(bench)
    except ModuleNotFoundError as error:
        name = (error.name or str(error)).partition(".")[0]
        ours = name in ("benchsuite", "gpu_check")
        outcome = failed(str(error)) if ours else skipped(f"{name} is not installed here")
    except Exception as error:
        traceback.print_exc()
        outcome = failed(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    spent = round(time.monotonic() - begun, 2)
    return Row(stage, check.name, outcome.verdict, outcome.text, spent, outcome.values, check.expected)


def table(rows: Sequence[Row], machine: Mapping[str, Any], *, ended: bool = True) -> str:
    """The page in Markdown: the answer in one line, the machine, a line for each check."""
    lines = ["# benchsuite on a CUDA device", "", summary(rows) + ("" if ended else " It was stopped here."), ""]
    lines += ["; ".join(f"{name} {value}" for name, value in machine.items()) + ".", ""]
    lines += ["| Stage | Check | Result | Found | Expected | Seconds |", "| --- | --- | --- | --- | --- | ---: |"]
    for one in rows:
        text = one.text.replace("|", "\\|")
        lines.append(f"| {one.stage} | {one.check} | {one.verdict} | {text} | {one.expected} | {one.seconds:.1f} |")
    return "\n".join(lines) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """How many checks had which result."""
    found = [one.verdict for one in rows]
    kinds: tuple[Verdict, ...] = ("failed", "passed", "measured", "skipped")
    return f"{len(rows)} checks: " + ", ".join(f"{found.count(kind)} {kind}" for kind in kinds) + "."


def write(rows: Sequence[Row], machine: Mapping[str, Any], folder: Path | None, *, ended: bool = True) -> str:
    """Writes the table with its JSON to a folder, if any; returns the table."""
    page = table(rows, machine, ended=ended)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.md").write_text(page, encoding="utf-8")
        data = {"machine": dict(machine), "rows": [dataclasses.asdict(one) for one in rows]}
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        (folder / "check.json").write_text(text, encoding="utf-8")
    return page


def report(record: Record) -> int:
    """Prints the table of all rows and writes it. Returns the exit status: 1 if a check failed."""
    rows = record.rows()
    sys.stdout.write(write(rows, record.machine, record.folder))
    return int(not rows or any(one.verdict == "failed" for one in rows))
