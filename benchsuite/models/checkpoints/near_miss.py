"""Why a checkpoint is not one of a network: the names and shapes on both sides, in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchsuite.errors import expected
from benchsuite.models.checkpoints.search import COUNTER, Entry, Rows, Shape, candidates

IMAGENET = 1000
"""The classes of ImageNet; a part of them in folders with WordNet names keeps their indices as ``imagenet:PATH``."""

SHOWN = 3
"""Names that an error or a note lists before it counts the rest."""


def some(names: Sequence[str]) -> str:
    """``a, b, c and 4 more``."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def miss(found: Sequence[Entry], own: Mapping[str, Shape], rows: Rows | None, where: str, path: str) -> str:
    """The error for a file in which the network is nowhere: other shapes under its names, or other names."""
    shape_of = {e.name: tuple(e.tensor.shape) for e in found}
    named = candidates(found, own, shapes=False)
    if named:
        fits = rows.fit if rows else lambda a, b: False
        both = {n: (own[n], shape_of[theirs]) for n, theirs in named[0].names.items()}
        wrong = {n: (a, b) for n, (a, b) in both.items() if a != b and not fits(a, b)}
        if wrong:
            return _other_shapes(wrong, where, path)
    return _other_names(found, own, where)


def _other_shapes(wrong: Mapping[str, tuple[Shape, Shape]], where: str, path: str) -> str:
    first, *rest = wrong
    got = f"{wrong[first][1]}"
    if rest:
        got += ", and " + ", ".join(f"{n} {wrong[n][1]} for {wrong[n][0]}" for n in rest[: SHOWN - 1])
        got += f" and {len(rest) - SHOWN + 1} more" if len(rest) >= SHOWN else ""
    line = expected(f"{first} of the checkpoint", f"of shape {wrong[first][0]}", got, where)
    remedy = _classes(wrong, path)
    return f"{line}. {remedy}" if remedy else line


def _classes(wrong: Mapping[str, tuple[Shape, Shape]], path: str) -> str:
    """What to do about a head of another number of classes; nothing if something else differs."""
    if any(len(a) != len(b) or not a or a[1:] != b[1:] for a, b in wrong.values()):
        return ""
    numbers = {(a[0], b[0]) for a, b in wrong.values()}
    if len(numbers) > 1:
        return ""
    ((wanted, got),) = numbers
    if got == wanted + 1:
        return f"The file has {got} classes: if the first one is the background, give --weights {path},classes=1:{got}"
    if got > wanted:
        rule = f"LIST, a text file with {wanted} row numbers from 0, or START:STOP"
        whole = ". If the images are of ImageNet's classes, give --data imagenet:PATH" if got == IMAGENET else ""
        return f"The file has {got} classes for the {wanted} here: give --weights {path},classes= with {rule}{whole}"
    return f"The file has {got} classes, the data set {wanted}: give --data with the classes of the file"


def _other_names(found: Sequence[Entry], own: Mapping[str, Shape], where: str) -> str:
    """What the best place of the file lacks, and what it has in place of it."""
    required = {n for n in own if not n.endswith(COUNTER)}
    prefixes: Counter[str] = Counter()
    names = [e.name for e in found]
    for name in names:
        words = name.split(".")
        for i in range(len(words)):
            if ".".join(words[i:]) in required:
                prefixes["".join(f"{w}." for w in words[:i])] += 1
    prefix = prefixes.most_common(1)[0][0] if prefixes else _largest(found)
    inside = [n.removeprefix(prefix) for n in names if n.startswith(prefix)]
    have = set(inside)
    missing = [n for n in own if n in required and n not in have]
    extra = [n for n in inside if n not in own]
    if missing:
        got = f"one without {_counted(missing)}" + (f", with {some(extra)} in place of it" if extra else "")
    else:
        got = f"one with unknown {_counted(extra)}"
    return expected("the checkpoint", "one of this network", got, where)


def _largest(found: Sequence[Entry]) -> str:
    """The keys, with dots, of the dictionary that holds the most tensors."""
    dictionary = Counter(e.dictionary for e in found).most_common(1)[0][0]
    return "".join(f"{word}." for word in dictionary)


def _counted(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
