"""Progress of a piece of work: notes, steps, the end. Silent unless somebody draws it."""

from __future__ import annotations


class Progress:
    """Hears notes and progress. This one is silent; the command line draws bars."""

    def note(self, text: str) -> None:
        """Something the user should know, in one line."""

    def start(self, title: str, total: int) -> None:
        """A piece of work of ``total`` steps begins; one is under way at a time."""

    def advance(self, steps: int, detail: str = "") -> None:
        """So many more steps are done."""

    def stop(self) -> None:
        """The piece of work has ended."""
