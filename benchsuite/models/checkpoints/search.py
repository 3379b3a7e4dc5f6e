"""Finds a network's tensors in a checkpoint, in any nesting of dictionaries and behind any prefix.

The names of a checkpoint form a tree, those of the network another. A candidate is a node of the first under which the
second can be laid, tensor on tensor of the same shape. Words such as ``module`` or ``backbone`` may stand between a
module and its children in the file, as long as every tensor of the network is found in exactly one place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

DEPTH = 3
"""The most words that may stand between a module and its child."""

FEW = 8
"""The most ways to lay the network under one node that are looked at; two are too many already."""

COUNTER = "num_batches_tracked"
"""A counter of batch normalisation, which old checkpoints lack and evaluation does not use."""

Shape = tuple[int, ...]
Names = dict[str, str]
"""The name in the file of each tensor, by its name in the network."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor of a checkpoint: the dictionary that holds it, by its keys from the outermost on, and its key there."""

    dictionary: tuple[str, ...]
    key: str
    tensor: Any

    @property
    def name(self) -> str:
        """The keys joined by dots."""
        return ".".join((*self.dictionary, self.key))


@dataclass(frozen=True, slots=True)
class Rows:
    """The classes of a larger head that the network has: the rows to take, and how the user wrote them."""

    text: str
    indices: tuple[int, ...]

    def fit(self, own: Shape, shape: Shape) -> bool:
        """Whether a tensor of ``shape`` has the shape ``own`` once only these rows are taken."""
        same = len(own) == len(shape) > 0 and own[1:] == shape[1:] and own[0] == len(self.indices)
        return same and shape[0] > max(self.indices)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where the whole network is. ``name`` is what ``key=`` takes; ``.`` means the outermost names.

    ``place`` are the words before all of its names, joined by dots; ``between`` those that stand in the file between a
    module and its children.
    """

    name: str
    names: Names
    place: str = ""
    between: tuple[str, ...] = ()

    def called(self, key: str) -> bool:
        """Whether ``key=`` means this candidate: its name, or the dictionary that it is in."""
        return key == self.name or self.name.startswith(f"{key}.") or self.name.startswith(f"{key}+")


@dataclass(slots=True)
class _Node:
    """A node of a tree of names: its tensor's shape, if it is a tensor; ``size`` counts the tensors below."""

    shape: Shape | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    size: int = 0


def entries(content: Any) -> list[Entry]:
    """All tensors with a name in nested dictionaries, lists and tuples. Nothing else is looked at."""
    import torch

    found: list[Entry] = []
    seen: set[int] = set()

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        for key, inner in _items(value):
            if isinstance(inner, torch.Tensor):
                found.append(Entry(path, key, inner))
            elif isinstance(inner, Mapping | list | tuple):
                walk(inner, (*path, key))

    walk(content, ())
    return found


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((key, inner) for key, inner in value.items() if isinstance(key, str))
    elif isinstance(value, list | tuple):
        yield from ((str(i), inner) for i, inner in enumerate(value) if isinstance(inner, Mapping))


def candidates(
    found: Iterable[Entry], own: Mapping[str, Shape], rows: Rows | None = None, *, shapes: bool = True
) -> list[Candidate]:
    """Every place where the whole network is; ``own`` are the shapes of its tensors by name.

    Counters of batches may be missing. Without ``shapes``, names alone decide, to say what is wrong with a file.
    """
    required = {n: s for n, s in own.items() if not n.endswith(COUNTER)}
    shape_of = {e.name: tuple(e.tensor.shape) for e in found}
    wanted, file = _tree(required), _tree(shape_of)
    if not required:
        return []
    if not shapes:
        fits = _any
    elif rows is None:
        fits = _equal
    else:
        fits = _Either(rows)
    places = [c for path, node in _nodes(file, wanted.size) for c in _here(wanted, node, path, fits)]
    whole = {name for c in places if not c.between for name in c.names.values()}
    places = [c for c in places if not c.between or whole.isdisjoint(c.names.values())]
    return [_with_counters(c, own, shape_of) for c in places]


def _tree(shapes: Mapping[str, Shape]) -> _Node:
    root = _Node()
    for name, shape in shapes.items():
        node = root
        node.size += 1
        for word in name.split("."):
            node = node.children.setdefault(word, _Node())
            node.size += 1
        node.shape = shape
    return root


def _nodes(node: _Node, size: int, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], _Node]]:
    """The nodes with at least ``size`` tensors below, from the outermost on."""
    if node.size >= size:
        yield path, node
        for word, child in node.children.items():
            yield from _nodes(child, size, (*path, word))


def _here(wanted: _Node, node: _Node, path: tuple[str, ...], fits: Any) -> Iterator[Candidate]:
    """The candidates at a node. None if one word leads to the whole network: that is a candidate further down."""
    ways = [names for names in _below(wanted, node, fits, DEPTH) if not _further(names, wanted)]
    place = ".".join(path)
    for names in ways:
        between = _between(names)
        suffix = "+".join(between) if len(ways) > 1 else ""
        name = ".".join(p for p in (place, suffix) if p) or "."
        full = {own: f"{place}.{theirs}" if place else theirs for own, theirs in names.items()}
        yield Candidate(name, full, place, between)


def _further(names: Names, wanted: _Node) -> bool:
    first = {theirs.partition(".")[0] for theirs in names.values()}
    return len(first) == 1 and first.isdisjoint(wanted.children)


def _between(names: Names) -> tuple[str, ...]:
    """The words in the file's names that the network's names lack, each once, in order."""
    words: dict[str, None] = {}
    for own, theirs in names.items():
        if own != theirs:
            left = own.split(".")
            for word in theirs.split("."):
                if left and word == left[0]:
                    left.pop(0)
                else:
                    words[word] = None
    return tuple(words)


def _below(own: _Node, at: _Node, fits: Any, depth: int) -> list[Names]:
    """The ways to lay a module of the network on a node of the file: names below the one by names below the other."""
    ways: list[Names] = [{}]
    if own.shape is not None:
        if at.shape is None or not fits(own.shape, at.shape):
            return []
        ways = [{"": ""}]
    if not own.children:
        return ways
    return [a | b for a in ways for b in _place(own.children, frozenset(own.children), at, fits, depth)]


def _place(children: Mapping[str, _Node], taken: frozenset[str], at: _Node, fits: Any, depth: int) -> list[Names]:
    """The ways to find children of one module below a node, at once or behind a word that is not in ``taken``.

    Children that can be found behind the same words are found behind one of them: never one tensor of a layer in the
    weights and the next in their moving average.
    """
    parts: list[list[Names]] = []
    behind: dict[str, frozenset[str]] = {}
    for name, child in children.items():
        direct = at.children.get(name)
        ways = _below(child, direct, fits, depth) if direct is not None and direct.size >= child.size else []
        if ways:
            parts.append([_prefixed(name, name, names) for names in ways])
            continue
        words = (w for w, n in at.children.items() if w not in taken and n.size >= child.size) if depth else ()
        behind[name] = frozenset(w for w in words if _place({name: child}, taken, at.children[w], fits, depth - 1))
        if not behind[name]:
            return []
    for names_, words_ in _groups(behind):
        group = {name: children[name] for name in names_}
        inner = [(w, _place(group, taken, at.children[w], fits, depth - 1)) for w in sorted(words_)]
        parts.append([_behind(word, names) for word, ways in inner for names in ways])
    return [_joined(way) for way in _first(product(*parts), FEW)]


def _groups(behind: Mapping[str, frozenset[str]]) -> list[tuple[list[str], frozenset[str]]]:
    """The children to be found behind the same word: all of them if one word has them all, else by their words."""
    if not behind:
        return []
    common = frozenset.intersection(*behind.values())
    if common:
        return [(list(behind), common)]
    return [([n for n in behind if behind[n] == words], words) for words in dict.fromkeys(behind.values())]


def _prefixed(own: str, theirs: str, names: Names) -> Names:
    return {f"{own}.{a}" if a else own: f"{theirs}.{b}" if b else theirs for a, b in names.items()}


def _behind(word: str, names: Names) -> Names:
    return {own: f"{word}.{theirs}" for own, theirs in names.items()}


def _joined(parts: Sequence[Names]) -> Names:
    return {own: theirs for part in parts for own, theirs in part.items()}


def _first(ways: Iterable[Any], count: int) -> list[Any]:
    return [way for way, _ in zip(ways, range(count), strict=False)]


def _with_counters(candidate: Candidate, own: Mapping[str, Shape], shape_of: Mapping[str, Shape]) -> Candidate:
    """The candidate with the counters of batch normalisation that stand in the file beside their mean."""
    names = dict(candidate.names)
    for counter in (n for n in own if n.endswith(COUNTER)):
        beside = f"{counter.removesuffix(COUNTER)}running_mean"
        theirs = names[beside].removesuffix("running_mean") + COUNTER if beside in names else counter
        if shape_of.get(theirs) == own[counter]:
            names[counter] = theirs
    return dataclasses.replace(candidate, names=names)


def _equal(own: Shape, shape: Shape) -> bool:
    return own == shape


def _any(own: Shape, shape: Shape) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class _Either:
    rows: Rows

    def __call__(self, own: Shape, shape: Shape) -> bool:
        return own == shape or self.rows.fit(own, shape)
