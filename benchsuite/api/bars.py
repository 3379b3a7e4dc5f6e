"""Progress: a bar in a terminal or a notebook, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

from benchsuite.progress import Progress

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


class NotebookBar(Progress):
    """One bar as HTML, which each task updates in its cell of a notebook; no widgets. Notes are printed as lines."""

    PAUSE = 0.2
    """Least seconds between two updates."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.running = False
        self.title, self.total, self.done, self.drawn = "", 1, 0, 0.0

    def note(self, text: str) -> None:
        sys.stdout.write(f"benchsuite: {text}\n")

    def start(self, title: str, total: int) -> None:
        from IPython.display import display

        self.stop()
        self.title, self.total, self.done, self.drawn, self.running = title, total, 0, time.monotonic(), True
        if self.handle is None:
            self.handle = display(self._html(""), display_id=True)
        else:
            self.handle.update(self._html(""))

    def advance(self, steps: int, detail: str = "") -> None:
        self.done += steps
        now = time.monotonic()
        if self.running and now - self.drawn >= self.PAUSE:
            self.drawn = now
            self.handle.update(self._html(detail))

    def stop(self) -> None:
        if self.running:
            self.handle.update(self._html(""))
        self.running = False

    def _html(self, detail: str) -> Any:
        from IPython.display import HTML

        from benchsuite.report.markup import escaped, tag

        bar = tag("progress", value=str(self.done), max=str(self.total))
        words = [f"{self.title}: {self.done} of {self.total}", detail]
        return HTML(f"{bar} {escaped(', '.join(word for word in words if word))}")


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def bars() -> Progress:
    """A ``Progress`` that draws a bar on standard error, or writes ``ProgressLines`` if that is not a terminal.

    In a notebook a ``NotebookBar``.
    """
    if in_notebook():
        return NotebookBar()
    from rich import progress as rich
    from rich.console import Console

    class ProgressBars(Progress):
        def __init__(self) -> None:
            self.console = Console(stderr=True, highlight=False)
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
