"""Progress of a task: notes, steps, a curve and the end. Nothing is shown unless a subclass shows it."""

from __future__ import annotations


class Progress:
    """Receives notes and progress. This class shows nothing; the command line draws bars."""

    def note(self, text: str) -> None:
        """Receives one line that the user should read."""

    def start(self, title: str, total: int) -> None:
        """A task of ``total`` steps begins; only one task runs at a time."""

    def advance(self, steps: int, detail: str = "") -> None:
        """``steps`` more steps are done."""

    def curve(self, name: str) -> None:
        """The running task measures ``name`` again and again, such as an error in percent after each epoch."""

    def point(self, value: float, words: str) -> None:
        """The next ``value`` of the curve, and when it was measured, in words such as ``epoch 3 of 10``."""

    def stop(self) -> None:
        """The task has ended."""
