"""An error of another process as plain data, which any process can receive and raise."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite import errors
from benchsuite.errors import BenchsuiteError, first_line


@dataclass(frozen=True, slots=True)
class Failure:
    """``kind`` is the name of a class of ``benchsuite.errors``, ``text`` one line."""

    kind: str
    text: str

    @property
    def error(self) -> BenchsuiteError:
        """The error, to be raised here."""
        made: BenchsuiteError = getattr(errors, self.kind, BenchsuiteError)(self.text)
        return made

    def at(self, where: str) -> Failure:
        """The same failure with the name of the process or node in front."""
        return Failure(self.kind, f"{where}: {self.text}")


def failure(error: Exception) -> Failure:
    """The failure that tells of an error."""
    if isinstance(error, BenchsuiteError):
        return Failure(type(error).__name__, str(error))
    return Failure("BenchsuiteError", f"{type(error).__name__}: {first_line(error)}")
