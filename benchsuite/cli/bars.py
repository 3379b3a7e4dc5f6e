"""Progress on standard error: a bar in a terminal, plain lines in a log file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from benchsuite.cli.console import err

EVERY = 15.0
"""Least seconds between two lines about progress if standard error is not a terminal."""


@dataclass
class ProgressLines:
    """Progress as lines of text for a log file, at most one every ``EVERY`` seconds.

    ``told`` is the time of the last line, in seconds since ``start``.
    """

    title: str
    total: int
    start: float
    done: int = 0
    told: float = 0.0

    def advance(self, steps: int, detail: str, now: float) -> str | None:
        """Counts steps; returns a line if one is due, else None."""
        self.done += steps
        spent = now - self.start
        if spent - self.told < EVERY or not 0 < self.done < self.total:
            return None
        self.told = spent
        left = spent * (self.total - self.done) / self.done
        words = [f"{self.title}: {self.done} of {self.total}", f"about {left:.0f} s left", detail]
        return ", ".join(word for word in words if word)


def bars() -> Any:
    """A ``Progress`` that draws a bar on standard error, or writes ``ProgressLines`` if that is not a terminal."""
    from rich import progress as rich

    from benchsuite.progress import Progress

    class ProgressBars(Progress):
        def __init__(self) -> None:
            self.console = err()
            self.bar: rich.Progress | None = None
            self.task: Any = None
            self.lines: ProgressLines | None = None

        def note(self, text: str) -> None:
            self.console.print(f"benchsuite: {text}", markup=False, soft_wrap=True)

        def start(self, title: str, total: int) -> None:
            self.stop()
            if not self.console.is_terminal:
                self.lines = ProgressLines(title, total, time.monotonic())
                self.note(title)
                return
            columns = (
                *(rich.TextColumn("{task.description}"), rich.BarColumn()),
                *(rich.MofNCompleteColumn(), rich.TimeElapsedColumn()),
            )
            left = (rich.TimeRemainingColumn(), rich.TextColumn("{task.fields[detail]}"))
            self.bar = rich.Progress(*columns, *left, console=self.console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task(title, total=total, detail="")

        def advance(self, steps: int, detail: str = "") -> None:
            if self.bar is not None:
                self.bar.update(self.task, advance=steps, detail=detail)
            elif self.lines is not None and (line := self.lines.advance(steps, detail, time.monotonic())):
                self.note(line)

        def stop(self) -> None:
            self.lines = None
            if self.bar is not None:
                self.bar.stop()
                self.bar = None

    return ProgressBars()
