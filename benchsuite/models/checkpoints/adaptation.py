"""A library's own conversion of files with other names, tried where the network's names are not in a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import WeightsError
from benchsuite.models.checkpoints.choice import Reading, Target, equal, more, two_places
from benchsuite.models.checkpoints.near_miss import some
from benchsuite.models.checkpoints.search import Candidate, Entry, candidates, entries

Adapt = Callable[[Mapping[str, Any], Any], Mapping[str, Any]]
"""A library's own conversion of files with other names: (tensors by name, the network) -> tensors by its names."""


def adapted(
    found: Sequence[Entry], module: Any, target: Target, adapt: Adapt | None
) -> tuple[Mapping[str, Any], Candidate, Reading] | None:
    """The tensors, their names and what was done, from the one dictionary whose tensors a conversion knows; else None.

    Raises ``WeightsError`` if several dictionaries give different tensors and the user has chosen none.
    """
    if adapt is None:
        return None
    key = target.selection.key
    ways: list[_Way] = []
    for dictionary in dict.fromkeys(e.dictionary for e in found):
        inside = {e.key: e.tensor for e in found if e.dictionary == dictionary}
        tried = (_way((*dictionary, *prefix), named, module, target, adapt) for prefix, named in _stripped(inside))
        ways += [way for way in tried if way is not None][:1]
    wanted = [way for way in ways if key is None or way.candidate.called(key)]
    if not wanted:
        return None
    chosen, *rest = wanted
    other = [way for way in rest if not all(equal(chosen.state[n], way.state[n]) for n in chosen.candidate.names)]
    if other:
        raise two_places([chosen.candidate.name, *(way.candidate.name for way in other)], target)
    said = "converted by the network's own rules"
    said += f": {some(chosen.changed)} left out or changed" if chosen.changed else ""
    taken = chosen.candidate.name if chosen.candidate.name != "." else ""
    same, unwanted = (tuple(w.candidate.name for w in group) for group in (rest, [w for w in ways if w not in wanted]))
    plain = dataclasses.replace(chosen.candidate, name=".")
    return chosen.state, plain, Reading(taken, same=same, other=unwanted, changes=(said,))


@dataclass(frozen=True, slots=True, eq=False)
class _Way:
    """A dictionary of the file after a library's conversion. The candidate has the dictionary's name."""

    state: Mapping[str, Any]
    candidate: Candidate
    changed: tuple[str, ...]


def _way(place: tuple[str, ...], named: Mapping[str, Any], module: Any, target: Target, adapt: Adapt) -> _Way | None:
    """The network that a conversion makes of named tensors; None if it fails or makes something else."""
    try:
        state = dict(adapt(dict(named), module))
    except WeightsError:
        raise
    except Exception:  # a conversion of another library, on a file that it does not know
        return None
    converted = entries(state)
    fitting = candidates(converted, target.shapes, target.selection.rows)
    if len(fitting) != 1 or fitting[0].name != "." or more(converted, fitting[0], fitting, beside=True):
        return None
    kept = {id(tensor) for tensor in state.values()}
    changed = tuple(name for name, tensor in named.items() if id(tensor) not in kept)
    return _Way(state, dataclasses.replace(fitting[0], name=".".join(place) or "."), changed)


def _stripped(named: Mapping[str, Any]) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The tensors under their names, then without a first word that all names share, as long as there is one."""
    prefix: list[str] = []
    current = dict(named)
    while current:
        yield list(prefix), current
        first = {name.partition(".")[0] for name in current}
        if len(first) > 1 or not all("." in name for name in current):
            return
        prefix += first
        current = {name.partition(".")[2]: tensor for name, tensor in current.items()}
