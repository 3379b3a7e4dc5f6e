"""The tensors of a network out of a checkpoint, in the network's types."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import WeightsError, expected
from benchsuite.models.checkpoints.adaptation import Adapt, adapted
from benchsuite.models.checkpoints.choice import NotThere, Reading, Selection, Target, choose
from benchsuite.models.checkpoints.near_miss import some
from benchsuite.models.checkpoints.search import Candidate, Entry, Rows, entries


@dataclass(frozen=True, slots=True)
class Extracted:
    """The tensors of a network by its own names, in its types, and how they were found.

    ``beside`` are the other tensors of the file, which are harmless.
    """

    state: Mapping[str, Any]
    reading: Reading
    beside: Mapping[str, Any]


def extract(
    content: Any, module: Any, selection: Selection, where: str, adapt: Adapt | None = None, *, path: str = "FILE"
) -> Extracted:
    """Finds the tensors of ``module`` in the content of a checkpoint.

    ``adapt`` is tried on files that do not have them under the network's names. ``where`` names network and weights in
    errors, ``path`` is the file that the user gave. Raises ``WeightsError`` if the network is not there, if two places
    hold it with different tensors and ``selection`` chooses none, or if the file has more tensors of a network.
    """
    own = module.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    target = Target(shapes, where, path, selection)
    found = entries(content)
    if not found:
        got = f"one with {some(_keys(content))}" if isinstance(content, Mapping) else type(content).__name__
        raise WeightsError(expected("a checkpoint", "a dictionary of tensors", got, path))
    tensors: Mapping[str, Any] = {e.name: e.tensor for e in found}
    try:
        chosen, reading = choose(found, target)
        used = set(chosen.names.values())
    except NotThere as error:
        converted = adapted(found, module, target, adapt)
        if converted is None:
            raise WeightsError(str(error)) from None
        tensors, chosen, reading = converted
        place = f"{reading.taken_from}." if reading.taken_from else ""
        used = {e.name for e in found if e.name.startswith(place)}
    told = _heads((*reading.same, *reading.other))
    passed = tuple(name for name in _passed_over(content, found, used) if name not in told)
    reading = dataclasses.replace(reading, passed_over=passed)
    state, changes = _converted(chosen, tensors, own, selection.rows, where)
    state = _with_versions(state, content, chosen, own)
    beside = {name: tensors[name] for name in tensors.keys() - set(chosen.names.values())}
    return Extracted(state, dataclasses.replace(reading, changes=(*reading.changes, *changes)), beside)


def _keys(content: Any) -> list[str]:
    return [str(k) for k in content] if isinstance(content, Mapping) else []


def _heads(names: Iterable[str]) -> set[str]:
    """The names and the words that they begin with, each a possible key of the outermost dictionary."""
    found: set[str] = set()
    for name in names:
        words = name.split(".")
        found |= {".".join(words[: i + 1]) for i in range(len(words))}
    return found


def _passed_over(content: Any, found: Sequence[Entry], used: set[str]) -> tuple[str, ...]:
    """What stands beside the ``used`` tensors on the way to them."""
    holding = {e.dictionary for e in found if e.name in used}
    heads = _heads(used) | {".".join(d[: i + 1]) for d in holding for i in range(len(d))}
    names: dict[str, None] = {}

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if not isinstance(value, Mapping | list | tuple):
            return
        inner = value.items() if isinstance(value, Mapping) else ((str(i), v) for i, v in enumerate(value))
        for key, under in inner:
            place = ".".join((*path, str(key)))
            if (*path, str(key)) in {d[: len(path) + 1] for d in holding}:
                walk(under, (*path, str(key)))
            elif place not in heads:
                names[place] = None

    walk(content, ())
    return tuple(names)


def _converted(
    chosen: Candidate, tensors: Mapping[str, Any], own: Mapping[str, Any], rows: Rows | None, where: str
) -> tuple[OrderedDict[str, Any], tuple[str, ...]]:
    """The tensors in the network's types, with the wanted rows, and what was changed, in words."""
    state: OrderedDict[str, Any] = OrderedDict()
    types: dict[tuple[str, str], int] = {}
    cut: dict[str, int] = {}
    for name, theirs in chosen.names.items():
        tensor, like = tensors[theirs], own[name]
        if tensor.shape != like.shape:
            assert rows is not None, "only rows make another shape fit"
            cut[name] = len(tensor)
            tensor = tensor[list(rows.indices)]
        if tensor.dtype != like.dtype:
            changed = _in_type(tensor, like.dtype, f"{name} of the checkpoint", where)
            larger = changed.element_size() > tensor.element_size()
            lossless = larger or bool(((changed.to(tensor.dtype) == tensor) | tensor.isnan()).all())
            kind = "read into" if lossless else "rounded to"
            said = f"{_word(tensor.dtype)} {kind} {_word(like.dtype)}"
            types[said, name] = 1
            tensor = changed
        state[name] = tensor
    if len(set(cut.values())) > 1:
        raise WeightsError(
            expected("classes=", "for one head", f"tensors of {some([str(n) for n in cut.values()])} rows", where)
        )
    changes = []
    if cut and rows is not None:
        changes.append(f"classes {rows.text} of {next(iter(cut.values()))} taken of {some(list(cut))}")
    for said in dict.fromkeys(s for s, _ in types):
        count = sum(1 for s, _ in types if s == said)
        changes.append(f"{said} ({count} {'tensor' if count == 1 else 'tensors'})")
    return state, tuple(changes)


def _in_type(tensor: Any, dtype: Any, what: str, where: str) -> Any:
    """The tensor in another type. Raises ``WeightsError`` where numbers would change by more than rounding."""
    whole = not (tensor.is_floating_point() or tensor.is_complex())
    if tensor.is_complex() != dtype.is_complex or tensor.is_quantized or (whole and dtype.is_floating_point):
        raise WeightsError(expected(what, f"of type {_word(dtype)}", _word(tensor.dtype), where))
    changed = tensor.to(dtype)
    if not whole and not dtype.is_floating_point and not bool((changed.to(tensor.dtype) == tensor).all()):
        raise WeightsError(expected(what, f"of type {_word(dtype)}", _word(tensor.dtype), where))
    shrunk = changed.element_size() <= tensor.element_size()
    if shrunk and bool((tensor.isfinite() & ~changed.isfinite()).any()):
        raise WeightsError(expected(what, f"in the range of {_word(dtype)}", f"a larger {_word(tensor.dtype)}", where))
    return changed


def _word(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _with_versions(state: OrderedDict[str, Any], content: Any, chosen: Candidate, own: Any) -> OrderedDict[str, Any]:
    """The state dict with versions of torch's modules: the file's if its names are unchanged, else the network's."""
    same = all(name == theirs for name, theirs in chosen.names.items())
    metadata = (getattr(content, "_metadata", None) if same else None) or getattr(own, "_metadata", None)
    state._metadata = metadata  # type: ignore[attr-defined]
    return state
