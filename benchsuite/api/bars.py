"""Progress: a bar in a terminal or a notebook, plain lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchsuite.progress import Progress

EVERY = 15.0
"""Least seconds between two lines about progress if standard error is not a terminal."""

HEIGHTS = "▁▂▃▄▅▆▇█"
"""A value as a character, from 0 to the largest value of a curve."""


@dataclass
class Curve:
    """The values of a curve so far, as text of one line."""

    name: str
    values: list[float] = field(default_factory=list)

    def words(self, *, drawn: bool, most: int = 30) -> str:
        """``error in percent: ▇▅▂▁ 81.3 to 2.4``; the heights only if ``drawn``, at most the last ``most`` of them."""
        top = max(self.values) or 1.0
        heights = "".join(HEIGHTS[min(int(8 * value / top), 7)] for value in self.values[-most:])
        ends = f"{self.values[0]:.1f} to {self.values[-1]:.1f}"
        return f"{self.name}: {f'{heights} ' if drawn else ''}{ends}"


@dataclass
class ProgressLines:
    """Progress as lines of text for a log file, at most one every ``EVERY`` seconds.

    A task with a ``curve`` has one line for each point instead. ``told`` is the time of the last line, in seconds since
    ``start``.
    """

    title: str
    total: int
    start: float
    done: int = 0
    told: float = 0.0
    curve: str = ""

    def advance(self, steps: int, detail: str, now: float) -> str | None:
        """Counts steps; returns a line if one is due, else None."""
        self.done += steps
        spent = now - self.start
        if self.curve or spent - self.told < EVERY or not 0 < self.done < self.total:
            return None
        self.told = spent
        words = [f"{self.title}: {self.done} of {self.total}", self._left(spent), detail]
        return ", ".join(word for word in words if word)

    def point(self, value: float, words: str, now: float) -> str:
        """The line of a point of the curve."""
        return ", ".join([f"{self.title}: {words}, {self.curve} {value:.1f}", self._left(now - self.start)])

    def _left(self, spent: float) -> str:
        return f"about {spent * (self.total - self.done) / max(self.done, 1):.0f} s left"


class NotebookBar(Progress):
    """One bar as HTML, which each task updates in its cell of a notebook; no widgets. Notes are printed as lines."""

    PAUSE = 0.2
    """Least seconds between two updates."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.running = False
        self.title, self.total, self.done, self.drawn = "", 1, 0, 0.0
        self.line = Curve("")

    def note(self, text: str) -> None:
        sys.stdout.write(f"benchsuite: {text}\n")

    def start(self, title: str, total: int) -> None:
        from IPython.display import display

        self.stop()
        self.title, self.total, self.done, self.drawn, self.running = title, total, 0, time.monotonic(), True
        self.line = Curve("")
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

    def curve(self, name: str) -> None:
        self.line = Curve(name)

    def point(self, value: float, words: str) -> None:
        self.line.values.append(value)

    def stop(self) -> None:
        if self.running:
            self.handle.update(self._html(""))
        self.running = False

    def _html(self, detail: str) -> Any:
        from IPython.display import HTML

        from benchsuite.report.markup import escaped, tag

        bar = tag("progress", value=str(self.done), max=str(self.total))
        words = [
            f"{self.title}: {self.done} of {self.total}",
            detail,
            self.line.words(drawn=True) if self.line.values else "",
        ]
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
    from rich.text import Text

    class CurvedProgress(rich.Progress):
        """Bars, and below them the curve of the task."""

        line = Curve("")

        def get_renderables(self) -> Any:
            yield self.make_tasks_table(self.tasks)
            yield from self.drawn()

        def drawn(self) -> Iterator[Text]:
            if self.line.values:
                drawn = self.console.encoding.startswith("utf")
                yield Text(self.line.words(drawn=drawn), overflow="ellipsis", no_wrap=True)

    class ProgressBars(Progress):
        def __init__(self) -> None:
            self.console = Console(stderr=True, highlight=False)
            self.bar: CurvedProgress | None = None
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
                *(rich.TextColumn("{task.description}"), rich.BarColumn(bar_width=None)),
                *(rich.MofNCompleteColumn(), rich.TimeElapsedColumn()),
            )
            left = (rich.TimeRemainingColumn(), rich.TextColumn("{task.fields[detail]}"))
            self.bar = CurvedProgress(*columns, *left, console=self.console, transient=True)
            self.bar.start()
            self.task = self.bar.add_task(title, total=total, detail="")

        def advance(self, steps: int, detail: str = "") -> None:
            if self.bar is not None:
                self.bar.update(self.task, advance=steps, detail=detail)
            elif self.lines is not None and (line := self.lines.advance(steps, detail, time.monotonic())):
                self.note(line)

        def curve(self, name: str) -> None:
            if self.bar is not None:
                self.bar.line = Curve(name)
            elif self.lines is not None:
                self.lines.curve = name

        def point(self, value: float, words: str) -> None:
            if self.bar is not None:
                self.bar.line.values.append(value)
            elif self.lines is not None:
                self.note(self.lines.point(value, words, time.monotonic()))

        def stop(self) -> None:
            self.lines = None
            if self.bar is not None:
                self.bar.stop()
                for line in self.bar.drawn():
                    self.console.print(line)
                self.bar = None

    return ProgressBars()
