"""Which of the places in a checkpoint is meant, and what stands beside it. Nothing is taken in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchsuite.errors import WeightsError, expected
from benchsuite.models.checkpoints.near_miss import miss, some
from benchsuite.models.checkpoints.search import COUNTER, Candidate, Entry, Rows, Shape, candidates


@dataclass(frozen=True, slots=True)
class Selection:
    """What ``--weights FILE,key=...,classes=...`` chooses in a file; by default nothing."""

    key: str | None = None
    rows: Rows | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was done to a checkpoint to get the network's tensors; empty if it holds just these, under their names.

    ``taken_from`` is the place in the file. ``between`` are words taken out of the names, ``passed_over`` what was left
    in the file, ``same`` other places with the same tensors, ``other`` places with others. ``changes`` are sentences.
    """

    taken_from: str = ""
    between: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """The fields that are not empty, as JSON data."""
        fields = ("taken_from", "between", "passed_over", "same", "other", "changes")
        values = {name: getattr(self, name) for name in fields}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items() if v}

    def __str__(self) -> str:
        """One line for people; empty if nothing was done."""
        parts = [f"taken from {self.taken_from}" if self.taken_from else ""]
        parts += [f"without {some(self.between)} in the names" if self.between else ""]
        parts += [f"the same tensors are in {some(self.same)}" if self.same else ""]
        parts += [f"others are in {some(self.other)}" if self.other else ""]
        parts += [f"passed over: {some(self.passed_over)}" if self.passed_over else "", *self.changes]
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Target:
    """What is looked for: the shapes of a network's tensors by name, with what the user asked of the file.

    ``where`` names network and weights in errors, ``path`` is the file as the user gave it.
    """

    shapes: Mapping[str, Shape]
    where: str
    path: str
    selection: Selection = field(default_factory=Selection)


class NotThere(WeightsError):
    """The network is nowhere in the file under its own names: a conversion may find it."""


def choose(found: Sequence[Entry], target: Target) -> tuple[Candidate, Reading]:
    """The place of the network in a checkpoint, and what there is to say about it.

    Raises ``NotThere`` if there is none or if more tensors of a network stand with it, and ``WeightsError`` if two
    places have different tensors and the user has chosen none.
    """
    shapes, selection, where, path = target.shapes, target.selection, target.where, target.path
    places = candidates(found, shapes, selection.rows)
    if not places:
        raise NotThere(miss(found, shapes, selection.rows, where, path))
    wanted = [c for c in places if selection.key is None or c.called(selection.key)]
    if not wanted:
        raise WeightsError(
            expected("key=", f"a place of the network: {some([c.name for c in places])}", str(selection.key), where)
        )
    tensors = {e.name: e.tensor for e in found}
    chosen, *rest = wanted
    other = [c for c in rest if not _same(chosen, c, tensors)]
    if other:
        raise two_places([chosen.name, *(c.name for c in other)], target)
    same = tuple(c.name for c in rest)
    unwanted = tuple(c.name for c in places if c not in wanted)
    if all(own == theirs for own, theirs in chosen.names.items()):
        taken = "" if not (same or unwanted) else "."
    else:
        taken = chosen.name
    unknown = more(found, chosen, places, beside=selection.key is None)
    if unknown:
        inside = not chosen.place or unknown[0].startswith(f"{chosen.place}.")
        hint = "" if inside else f": if it is not of the network, give --weights {path},key={chosen.name}"
        got = f"one with unknown {unknown[0]}{f' and {len(unknown) - 1} more' if len(unknown) > 1 else ''}{hint}"
        raise NotThere(expected("the checkpoint", "one of this network", got, where))
    return chosen, Reading(taken, chosen.between if taken and chosen.between else (), same=same, other=unwanted)


def two_places(names: Sequence[str], target: Target) -> WeightsError:
    """The error for a network that is in several places, with different tensors."""
    rule = f"in one place, or chosen by --weights {target.path},key={names[1]}"
    return WeightsError(expected("the network", rule, f"different tensors in {' and '.join(names[:4])}", target.where))


def _same(a: Candidate, b: Candidate, tensors: Mapping[str, Any]) -> bool:
    """Whether two places hold the same tensors; counters of batches do not matter."""
    return all(equal(tensors[a.names[n]], tensors[b.names[n]]) for n in a.names if n in b.names and COUNTER not in n)


def equal(a: Any, b: Any) -> bool:
    """Whether two tensors have the same type, shape and values."""
    import torch

    return a.dtype == b.dtype and bool(torch.equal(a, b))


def more(found: Iterable[Entry], chosen: Candidate, places: Sequence[Candidate], *, beside: bool) -> list[str]:
    """The tensors of numbers that the network does not have, in the dictionaries that hold the network.

    Whole numbers and other places of the network are harmless. Without ``beside`` only those below the chosen place.
    """
    used = set(chosen.names.values())
    known = {name for c in places for name in c.names.values()}
    holding = {e.dictionary for e in found if e.name in used}
    below = f"{chosen.place}." if chosen.place else ""
    inside = (e for e in found if e.dictionary in holding and e.name not in known)
    inside = (e for e in inside if beside or e.name.startswith(below))
    return [e.name for e in inside if e.tensor.is_floating_point() or e.tensor.is_complex()]
