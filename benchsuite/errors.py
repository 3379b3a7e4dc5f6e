"""The exception tree. Every error a user can cause is one line and carries the exit status of the command.

Grammar of a message: ``Expected <what> to be <rule>, got <value> (<where>)``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchsuiteError(Exception):
    """Root of the tree: one line for the user, exit status 2, nothing lost."""

    exit_status = 2


class UnknownName(BenchsuiteError):
    """A name that no plugin declares, a run that is not there; the nearest known name is suggested."""


class BadParameter(BenchsuiteError):
    """A parameter that does not exist, has the wrong type, or cannot work with the others."""


class UnsupportedProtocol(BenchsuiteError):
    """A protocol that this network cannot run, for example a dense one on a network of fixed input size."""


class PluginError(BenchsuiteError):
    """A plugin that breaks its contract, or two plugins that claim one name."""


class DataError(BenchsuiteError):
    """A missing folder, a broken image, labels that do not fit the network."""


class TooLarge(DataError):
    """An image that would have more pixels after a resize than any image may have. Who knows its file adds that."""

    def at(self, where: str) -> DataError:
        """The error of an image that lies there."""
        return DataError(f"{self} ({where})")


class WeightsError(BenchsuiteError):
    """Weights that are missing, belong to another network, or would run code when read."""


class TrainingError(BenchsuiteError):
    """A training that cannot go on: a loss that is no number, or a checkpoint of another recipe."""


class StorageError(BenchsuiteError):
    """A result or a chunk that cannot be written or read back: full disk, read-only folder."""


def expected(what: str, rule: str, got: object, where: str = "") -> str:
    """One line in the grammar of the module; the value is shown with ``repr`` unless it is already a sentence part."""
    value = got if isinstance(got, str) else repr(got)
    line = f"Expected {what} to be {rule}, got {value}"
    return " ".join((line + (f" ({where})" if where else "")).split())


def first_line(error: BaseException) -> str:
    """What an error of another library says: its first line with words in it, else the name of its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownName:
    """The error for a name nobody declares: suggests the nearest known one, else lists what is known."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    nearest = [n for n in names if near and n.lower() == near[0]]
    if nearest:
        tail = f"did you mean {nearest[0]!r}?"
    else:
        tail = f"known: {', '.join(names) if names else 'none'}"
    return UnknownName(f"Unknown {kind} {name!r}: {tail}{' ' + hint if hint else ''}")


def no_score_map(architecture: str, nominal: int, reason: str) -> UnsupportedProtocol:
    """A dense protocol was asked of a network that cannot make a score map; ``nominal`` is its crop in pixels."""
    return UnsupportedProtocol(
        f"Expected {architecture} to be fully convolutional up to a global pooling, got a network that is "
        f"not: {reason}. Use 1crop, 10crop, multicrop or tta at {nominal} pixels instead"
    )
