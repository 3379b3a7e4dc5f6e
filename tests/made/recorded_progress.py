"""Progress that records what it is told."""

from __future__ import annotations

from benchsuite.progress import Progress


class RecordedProgress(Progress):
    """Keeps the ``notes`` and the ``points`` of curves, and adds up the steps: ``done`` of ``total``."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.points: list[tuple[float, str]] = []
        self.total = self.done = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, title: str, total: int) -> None:
        self.total += total

    def advance(self, steps: int, detail: str = "") -> None:
        self.done += steps

    def point(self, value: float, words: str) -> None:
        self.points.append((value, words))
