"""The way from one protocol to another, one factor at a time: which protocols lie between, before anything is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BadParameter, expected
from benchsuite.explanation.protocol_factors import (
    ProtocolContext,
    ProtocolFactors,
    bound_as,
    express,
    replaced,
    setting,
    shown,
)
from benchsuite.specs.parameters import Bound, show

PLACES = ("centre", "shifts", "five", "grid", "dense")
"""From few views to many; a ladder that leads down is the one that leads up, read backwards."""

NAMES = {
    "crop": "crop size",
    "long_side": "rounding of the longer side",
    "rounding": "rounding of half a pixel",
    "places": "crops",
    "flip": "mirror images",
    "spatial": "pooling",
    "rule": "merge rule",
    "merge": "merge space",
    "average": "weight of a scale",
}
"""Fields of a setting whose factor has a name of its own."""

MOST = 10
"""Factors whose orders are averaged at most: 1024 protocols."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that differs: its name, and what it was and is, in words."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Change:
    """What one factor does to a setting. ``optional`` ones only make the next one smaller.

    ``words`` are what was and what is; without them they are read from ``field``.
    """

    name: str
    apply: Callable[[ProtocolFactors], ProtocolFactors]
    field: str = ""
    words: tuple[str, str] = ("", "")
    optional: bool = False

    def factor(self, before: ProtocolFactors, after: ProtocolFactors) -> Factor:
        """The factor between a setting and the one that ``apply`` made of it."""
        words = (shown(self.field, getattr(s, self.field)) for s in (before, after)) if self.field else self.words
        return Factor(self.name, *words)


@dataclass(frozen=True, slots=True)
class Rung:
    """A protocol on the way and what changed since the one before: one factor, or several that no protocol parts."""

    factors: tuple[Factor, ...]
    bound: Bound


def rungs(start: Bound, goal: Bound, frame: ProtocolContext) -> list[Rung]:
    """The protocols from ``start`` to ``goal``, both among them; the first has no factors.

    Where both are made of known factors, one changes at a time, in the order of ``changes``; else one parameter, by its
    name; else the protocol as a whole.
    """
    a, b = taken_apart(start, frame), taken_apart(goal, frame)
    if a is None or b is None:
        return _by_parameters(start, goal, frame)
    if _down(a, b):
        return _reversed(_climb((b, goal), (a, start), frame))
    return _climb((a, start), (b, goal), frame)


def taken_apart(bound: Bound, frame: ProtocolContext) -> ProtocolFactors | None:
    """The factors of a protocol; None if it has others too, so that no known protocol can be told to do the same."""
    found = setting(frame.views(bound), bound.combine)
    return found if found is not None and express(found, frame) else None


def carried(bound: Bound, old: ProtocolContext, new: ProtocolContext) -> Bound:
    """A protocol with the sizes that it has with other weights; as it was typed where it is not of known factors."""
    found = None if old.preprocess == new.preprocess else taken_apart(bound, old)
    return (express(found, new) if found else None) or bound


def changes(start: ProtocolFactors, goal: ProtocolFactors) -> list[Change]:
    """What turns a setting into another that looks at no fewer places, one factor at a time, in this order.

    Resampling, sizes, five crops on the way to the whole image, mirror images, the whole image with global pooling,
    its score map, each scale, merging.
    """
    made = [_field(f, start, goal) for f in ("interpolation", "antialias", "long_side")]
    base, old = _base(start, goal), start.scales[0]
    size = [_field("crop", start, goal), None if base is None else _scale("resize", old, base)]
    made += size if base is None or base < old else size[::-1]
    made.append(_field("rounding", start, goal) if goal.rounding and start.rounding else None)
    dense = start.places != goal.places == "dense"
    if dense:
        made.append(_change("places", "five", optional=True) if start.places == "centre" else None)
        made.append(_field("flip", start, goal))
        made.append(_change("places", "dense", spatial="gap", rounding=""))
        made.append(None if goal.spatial == "gap" else _change("spatial", goal.spatial))
    else:
        made += [_field(f, start, goal) for f in ("places", "flip", "spatial")]
    there = set(start.scales) if base is None else {base}
    made += [_scale(f"scale {s}", None, s) for s in sorted(set(goal.scales) - there)]
    made += [_scale(f"scale {s}", s, None) for s in sorted(there - set(goal.scales))]
    made += [_field(f, start, goal) for f in ("rule", "merge", "average")]
    return [change for change in made if change is not None]


def subsets(start: Bound, goal: Bound, frame: ProtocolContext) -> dict[frozenset[str], Bound]:
    """Every set of the factors between two protocols that a protocol can have, with that protocol.

    Raises ``BadParameter`` for more than ``MOST`` factors, and for protocols that are not made of known ones.
    """
    a, b = taken_apart(start, frame), taken_apart(goal, frame)
    if a is None or b is None:
        raise BadParameter(expected("--shapley", "between protocols of known factors", f"{start.label}, {goal.label}"))
    down = _down(a, b)
    low, high = ((b, goal), (a, start)) if down else ((a, start), (b, goal))
    steps = [change for change in changes(low[0], high[0]) if not change.optional]
    if not 0 < len(steps) <= MOST:
        raise BadParameter(expected("--shapley", f"used for 1 to {MOST} factors", len(steps)))
    found = {}
    for bits in range(2 ** len(steps)):
        chosen = [step for i, step in enumerate(steps) if bits >> i & 1]
        _, here = _applied(low[0], chosen)
        bound = dict((low, high)).get(here) or express(here, frame)
        if bound is not None:
            names = frozenset(s.name for s in steps if (s in chosen) is not down)
            found[names] = bound
    return found


def _down(a: ProtocolFactors, b: ProtocolFactors) -> bool:
    first, second = (PLACES.index(s.places.partition(" ")[0]) for s in (a, b))
    return first > second


def _base(start: ProtocolFactors, goal: ProtocolFactors) -> int | None:
    """The one scale that the others are added to, if there is one to begin with: near, and with room to move a crop."""
    if len(start.scales) > 1:
        return None
    (old,) = start.scales
    roomy = [s for s in goal.scales if s > goal.crop] or list(goal.scales)
    moves = start.places == "centre" and goal.places != "centre"
    if old in goal.scales and (old in roomy or not moves):
        return old
    return min(roomy, key=lambda s: (abs(s - old), s))


def _field(field: str, start: ProtocolFactors, goal: ProtocolFactors) -> Change | None:
    after = getattr(goal, field)
    return None if getattr(start, field) == after else _change(field, after)


def _change(field: str, after: Any, *, optional: bool = False, **extra: Any) -> Change:
    apply = lambda s: replaced(s, **{field: after}, **extra)  # noqa: E731
    return Change(NAMES.get(field, field), apply, field, optional=optional)


def _scale(name: str, old: int | None, new: int | None) -> Change | None:
    """A short side that replaces another, is added, or is left out."""
    if old == new:
        return None
    added = set() if new is None else {new}
    words = (str(old), str(new)) if old and new else ("without", "with") if new else ("with", "without")
    return Change(name, lambda s: replaced(s, scales=(set(s.scales) - {old}) | added), words=words)


def _climb(
    low: tuple[ProtocolFactors, Bound], high: tuple[ProtocolFactors, Bound], frame: ProtocolContext
) -> list[Rung]:
    """The rungs from the setting with fewer views to that with more.

    The first change that a protocol can have alone is made next; where none can, as few as can together.
    """
    made, here, left = [Rung((), low[1])], low[0], changes(low[0], high[0])
    while here != high[0]:
        needed = [change for change in left if not change.optional]
        alone = [[change] for change in left]
        for taken in (*alone, *(needed[:several] for several in range(2, len(needed) + 1))):
            factors, there = _applied(here, taken)
            bound = high[1] if there == high[0] else express(there, frame)
            if there != here and bound is not None:
                break
        made.append(Rung(factors, bound or high[1]))
        here = there
        left = [c for c in left if c not in taken and not (c.optional and c.field in {t.field for t in taken})]
    return made


def _applied(here: ProtocolFactors, taken: Iterable[Change]) -> tuple[tuple[Factor, ...], ProtocolFactors]:
    """The setting after some changes, and their factors."""
    factors = []
    for change in taken:
        there = change.apply(here)
        factors.append(change.factor(here, there))
        here = there
    return tuple(factors), here


def _reversed(made: Sequence[Rung]) -> list[Rung]:
    turned = [tuple(Factor(f.name, f.after, f.before) for f in rung.factors[::-1]) for rung in made]
    return [Rung(factors, rung.bound) for factors, rung in zip([(), *turned[:0:-1]], made[::-1], strict=True)]


def _by_parameters(start: Bound, goal: Bound, frame: ProtocolContext) -> list[Rung]:
    """The way between protocols that are not made of known factors."""
    made, waiting = [Rung((), start)], list[Factor]()
    if start.protocol.name != goal.protocol.name:
        return [*made, Rung((Factor("protocol", start.label, goal.label),), goal)]
    now, new = _told(start), _told(goal)
    for key in _differing(now, new):
        waiting.append(Factor(key, now.get(key, "default"), new.get(key, "default")))
        now = {k: v for k, v in now.items() if k != key} | ({key: new[key]} if key in new else {})
        bound = goal if now == new else bound_as(goal.protocol.name, now, frame)
        if bound is not None:
            made.append(Rung(tuple(waiting), bound))
            waiting = []
    return made


def _told(bound: Bound) -> dict[str, str]:
    """What a user may have written after the colon, as it is typed."""
    how = bound.combine
    given = dict(bound.parameters) | dict(bound.overrides)
    given |= {"merge": how.space, "rule": how.rule, "average": how.average}
    return {key: show(value) for key, value in given.items()}


def _differing(a: dict[str, str], b: dict[str, str]) -> Iterable[str]:
    return sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
