"""The exceptions. Every error that a user can cause is one line; its class carries the exit status of the command.

Grammar of a message: ``Expected <what> to be <rule>, got <value> (<where>)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any


class BenchsuiteError(Exception):
    """Base class of all errors for the user: one line, exit status 2. Results that are stored stay valid."""

    exit_status = 2


class UnknownName(BenchsuiteError):
    """A name that no plugin declares, or a run that does not exist; the nearest known name is suggested."""


class BadParameter(BenchsuiteError):
    """A parameter that does not exist, has the wrong type, or cannot work with the others."""


class UnsupportedProtocol(BenchsuiteError):
    """A protocol that this network cannot run, for example a dense one on a network of fixed input size."""


class PluginError(BenchsuiteError):
    """A plugin that breaks its contract, or two plugins that claim one name."""


class DataError(BenchsuiteError):
    """A missing folder, a broken image, or labels that do not fit the network."""


class TooLarge(DataError):
    """An image that a resize would make larger than the limit. A caller that knows its file adds it with ``at``."""

    def at(self, where: str) -> DataError:
        """The same error with the place of the image: its file or row."""
        return DataError(f"{self} ({where})")


class WeightsError(BenchsuiteError):
    """Weights that are missing, belong to another network, or would run code when read."""


class TrainingError(BenchsuiteError):
    """A training that cannot continue: a loss that is not finite, or a checkpoint of another recipe."""


class StorageError(BenchsuiteError):
    """A result or a chunk that cannot be written or read, for example on a full disk or in a read-only folder."""


class ExpectationFailed(BenchsuiteError):
    """Results that are not what ``--expect`` says: ``failures`` has a line for each, ``runs`` are the results."""

    exit_status = 1

    def __init__(self, message: str, failures: Sequence[str] = (), runs: Any = ()) -> None:
        super().__init__(message)
        self.failures, self.runs = tuple(failures), runs


LONGEST = 160
"""Characters of a value's ``repr`` in a message: more would hide the message."""

MANY = 40
"""Known names that are listed for an unknown one; of more, only how many there are."""


def expected(what: str, rule: str, got: object, where: str = "") -> str:
    """A message of one line in this module's grammar; strings and fractions by ``str``, other values by ``repr``.

    A ``repr`` longer than ``LONGEST`` is cut.
    """
    value = str(got) if isinstance(got, str | Fraction) else repr(got)
    if not isinstance(got, str | Fraction) and len(value) > LONGEST:
        value = f"{value[:LONGEST]}..."
    line = f"Expected {what} to be {rule}, got {value}"
    return " ".join((line + (f" ({where})" if where else "")).split())


def is_utf8(text: str) -> bool:
    """Whether a text from the command line or the disk was valid UTF-8; a byte that was not is a lone surrogate."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def first_line(error: BaseException) -> str:
    """The first line that is not blank of another library's error, else the name of its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
    """The error for a name that nothing declares: suggests the nearest known name, else lists the known ones.

    If there are more than ``MANY``, it lists only those that contain the name or a word of it, or says how many.
    """
    import difflib
    import re

    names = sorted(set(known))
    near = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    nearest = [n for n in names if near and n.lower() == near[0]]
    if nearest:
        tail = f"did you mean {nearest[0]!r}?"
    else:
        parts = [part for part in (name.lower(), *re.split(r"[^a-z0-9]+", name.lower())) if len(part) > 2]
        some = [n for n in names if any(part in n.lower() for part in parts)] if len(names) > MANY else names
        tail = f"known: {', '.join(some) if some else 'none'}"
        if len(names) > MANY:
            tail = f"{tail}, of {len(names)}" if 0 < len(some) <= MANY else f"none of the {len(names)} known ones"
    return UnknownName(f"Unknown {kind} {name!r}: {tail}{' ' + hint if hint else ''}")


def no_score_map(architecture: str, nominal: int, reason: str) -> UnsupportedProtocol:
    """The error for a dense protocol on a network that cannot make a score map; ``nominal`` is its crop in pixels."""
    return UnsupportedProtocol(
        f"Expected {architecture} to be fully convolutional up to a global pooling, got a network that is "
        f"not: {reason}. Use 1crop, 10crop, multicrop or tta at {nominal} pixels instead"
    )
