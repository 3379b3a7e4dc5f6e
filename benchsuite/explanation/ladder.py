"""The protocols of a ladder: those between two protocols, one factor changed at a time. Nothing is run here.

The modules in the order of their work: ``ladder_ends``, ``ladder_plan``, ``ladder`` (this one), ``ladder_run``.
"""

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
    factors_of,
    replaced,
    shown,
)
from benchsuite.specs.parameters import Bound, change_label, show

PLACES = ("centre", "shifts", "five", "grid", "dense")
"""Places of the crops, from few views to many. A ladder to fewer views is the ladder to more views, reversed."""

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
"""Names of factors, for the fields of ``ProtocolFactors`` whose factor is not named like the field."""

MOST = 10
"""Largest number of factors whose orders are averaged: 2 ** 10 = 1024 protocols."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that differs between two rungs or two figures: its name, and its values before and after, in words."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one factor of a ``ProtocolFactors``.

    ``words`` are its values before and after, in words; if ``field`` is set, they are read from that field instead. An
    ``optional`` change is only a step in between, which makes a later change of the same field smaller.
    """

    name: str
    apply: Callable[[ProtocolFactors], ProtocolFactors]
    field: str = ""
    words: tuple[str, str] = ("", "")
    optional: bool = False

    def factor(self, before: ProtocolFactors, after: ProtocolFactors) -> Factor:
        """This change as a ``Factor``, where ``after`` is what ``apply`` returned for ``before``."""
        words = (shown(self.field, getattr(s, self.field)) for s in (before, after)) if self.field else self.words
        return Factor(self.name, *words)


@dataclass(frozen=True, slots=True)
class Rung:
    """A protocol of a ladder, and what changed since the rung before: one factor, or several at once.

    Several change at once where no protocol lies between.
    """

    factors: tuple[Factor, ...]
    bound: Bound


def rungs(start: Bound, goal: Bound, context: ProtocolContext) -> list[Rung]:
    """The rungs from ``start`` to ``goal``, both included; the first has no factors.

    If both protocols are made of known factors, one factor changes at a time, in the order of ``changes``. If not, one
    parameter changes at a time, in the order of their names; between different protocols the whole protocol changes,
    or its pixels alone.
    """
    a, b = factors_of_protocol(start, context), factors_of_protocol(goal, context)
    if a is None or b is None:
        return _by_parameters(start, goal, context)
    if _to_fewer_places(a, b):
        return _reversed(_by_factors((b, goal), (a, start), context))
    return _by_factors((a, start), (b, goal), context)


def factors_of_protocol(bound: Bound, context: ProtocolContext) -> ProtocolFactors | None:
    """The factors of a protocol; None if no built-in protocol with parameters makes and merges exactly these views."""
    factors = factors_of(context.views(bound), bound.combine, change_label(bound))
    return factors if factors is not None and express(factors, context) else None


def carried_over(bound: Bound, old: ProtocolContext, new: ProtocolContext) -> Bound:
    """A protocol for the weights of ``new`` that keeps the sizes it has with the weights of ``old``.

    Unchanged if both have the same preprocessing, or if the protocol is not made of known factors or does not fit the
    new weights.
    """
    factors = None if old.preprocess == new.preprocess else factors_of_protocol(bound, old)
    return (express(factors, new) if factors else None) or bound


def changes(start: ProtocolFactors, goal: ProtocolFactors) -> list[Change]:
    """The changes that turn ``start`` into ``goal``, one factor at a time. ``goal`` must not look at fewer places.

    In this order: resampling; sizes; five crops, as a step towards the whole image; mirror images; the whole image with
    global pooling; its score map; each scale; merging; changed pixels. Pixels that ``goal`` does not change come first.
    """
    pixels = _field("pixels", start, goal)
    steps = [] if goal.pixels else [pixels]
    steps += [_field(f, start, goal) for f in ("interpolation", "antialias", "long_side")]
    base, old = _base(start, goal), start.scales[0]
    size = [_field("crop", start, goal), None if base is None else _scale("resize", old, base)]
    steps += size if base is None or base < old else size[::-1]
    steps.append(_field("rounding", start, goal) if goal.rounding and start.rounding else None)
    dense = start.places != goal.places == "dense"
    if dense:
        steps.append(_change("places", "five", optional=True) if start.places == "centre" else None)
        steps.append(_field("flip", start, goal))
        steps.append(_change("places", "dense", spatial="gap", rounding="", border=""))
        steps.append(None if goal.spatial == "gap" else _change("spatial", goal.spatial))
    else:
        steps += [_crops(start, goal), _field("flip", start, goal), _field("spatial", start, goal)]
    scales = set(start.scales) if base is None else {base}
    steps += [_scale(f"scale {s}", None, s) for s in sorted(set(goal.scales) - scales)]
    steps += [_scale(f"scale {s}", s, None) for s in sorted(scales - set(goal.scales))]
    steps += [_field(f, start, goal) for f in ("rule", "merge", "average")]
    steps += [pixels] if goal.pixels else []
    return [change for change in steps if change is not None]


def subsets(start: Bound, goal: Bound, context: ProtocolContext) -> dict[frozenset[str], Bound]:
    """The protocols with some of the factors between two protocols changed: names of changed factors -> protocol.

    Sets of factors that no protocol has are left out. Raises ``BadParameter`` for no factors, for more than ``MOST``,
    and for protocols that are not made of known factors.
    """
    a, b = factors_of_protocol(start, context), factors_of_protocol(goal, context)
    if a is None or b is None:
        got = f"{start.label}, {goal.label}"
        raise BadParameter(expected("--shapley", "used between protocols made of known factors", got))
    down = _to_fewer_places(a, b)
    low, high = ((b, goal), (a, start)) if down else ((a, start), (b, goal))
    steps = [change for change in changes(low[0], high[0]) if not change.optional]
    if not 0 < len(steps) <= MOST:
        raise BadParameter(expected("--shapley", f"used for 1 to {MOST} factors", len(steps)))
    protocols = {}
    for bits in range(2 ** len(steps)):
        chosen = [step for i, step in enumerate(steps) if bits >> i & 1]
        _, changed = _applied(low[0], chosen)
        bound = dict((low, high)).get(changed) or express(changed, context)
        if bound is not None:
            names = frozenset(s.name for s in steps if (s in chosen) is not down)
            protocols[names] = bound
    return protocols


def _to_fewer_places(a: ProtocolFactors, b: ProtocolFactors) -> bool:
    first, second = (PLACES.index(s.places.partition(" ")[0]) for s in (a, b))
    return first > second


def _base(start: ProtocolFactors, goal: ProtocolFactors) -> int | None:
    """The scale that ``start`` is resized to first, before other scales are added; None if ``start`` has several.

    It is the scale of ``start`` if ``goal`` has it too, unless centre crops become other crops and this scale leaves no
    margin to move them. Else it is the nearest scale of ``goal``, of those larger than the crop if there are any.
    """
    if len(start.scales) > 1:
        return None
    (old,) = start.scales
    roomy = [s for s in goal.scales if s > goal.crop] or list(goal.scales)
    moves = start.places == "centre" and goal.places != "centre" and not goal.border
    if old in goal.scales and (old in roomy or not moves):
        return old
    return min(roomy, key=lambda s: (abs(s - old), s))


def _crops(start: ProtocolFactors, goal: ProtocolFactors) -> Change | None:
    """The change of places, together with the border that they lie in: the centre crop has none."""
    if start.border == goal.border:
        return _field("places", start, goal)
    if start.places == goal.places:
        return _field("border", start, goal)
    before, after = (
        shown("places", s.places) + (f" in a border of {shown('border', s.border)}" if s.border else "")
        for s in (start, goal)
    )
    apply = lambda s: replaced(s, places=goal.places, border=goal.border)  # noqa: E731
    return Change(NAMES["places"], apply, words=(before, after))


def _field(field: str, start: ProtocolFactors, goal: ProtocolFactors) -> Change | None:
    after = getattr(goal, field)
    return None if getattr(start, field) == after else _change(field, after)


def _change(field: str, after: Any, *, optional: bool = False, **extra: Any) -> Change:
    apply = lambda s: replaced(s, **{field: after}, **extra)  # noqa: E731
    return Change(NAMES.get(field, field), apply, field, optional=optional)


def _scale(name: str, old: int | None, new: int | None) -> Change | None:
    """The change of short side ``old`` to ``new``: ``old`` None adds ``new``, ``new`` None removes ``old``.

    Returns None if they are equal.
    """
    if old == new:
        return None
    added = set() if new is None else {new}
    words = (str(old), str(new)) if old and new else ("without", "with") if new else ("with", "without")
    return Change(name, lambda s: replaced(s, scales=(set(s.scales) - {old}) | added), words=words)


def _by_factors(
    low: tuple[ProtocolFactors, Bound], high: tuple[ProtocolFactors, Bound], context: ProtocolContext
) -> list[Rung]:
    """The rungs from the protocol with fewer views to the one with more.

    Each rung makes the first change left that leads to a protocol by itself. If no change does, it makes as few changes
    together as lead to a protocol.
    """
    steps, now, left = [Rung((), low[1])], low[0], changes(low[0], high[0])
    while now != high[0]:
        needed = [change for change in left if not change.optional]
        alone = [[change] for change in left]
        for taken in (*alone, *(needed[:several] for several in range(2, len(needed) + 1))):
            factors, after = _applied(now, taken)
            bound = high[1] if after == high[0] else express(after, context)
            if after != now and bound is not None:
                break
        steps.append(Rung(factors, bound or high[1]))
        now = after
        left = [c for c in left if c not in taken and not (c.optional and c.field in {t.field for t in taken})]
    return steps


def _applied(before: ProtocolFactors, taken: Iterable[Change]) -> tuple[tuple[Factor, ...], ProtocolFactors]:
    """The factors of some changes, and the ``ProtocolFactors`` after them."""
    factors, now = [], before
    for change in taken:
        after = change.apply(now)
        factors.append(change.factor(now, after))
        now = after
    return tuple(factors), now


def _reversed(steps: Sequence[Rung]) -> list[Rung]:
    turned = [tuple(Factor(f.name, f.after, f.before) for f in rung.factors[::-1]) for rung in steps]
    return [Rung(factors, rung.bound) for factors, rung in zip([(), *turned[:0:-1]], steps[::-1], strict=True)]


def _by_parameters(start: Bound, goal: Bound, context: ProtocolContext) -> list[Rung]:
    """The rungs between protocols that are not made of known factors: one parameter at a time.

    Parameters whose values do not fit the others yet change together with the next ones.
    """
    steps, waiting = [Rung((), start)], list[Factor]()
    if start.protocol.name != goal.protocol.name:
        if (start.of or start).label == (goal.of or goal).label:
            words = [shown("pixels", change_label(bound)) for bound in (start, goal)]
            return [*steps, Rung((Factor("pixels", *words),), goal)]
        return [*steps, Rung((Factor("protocol", start.label, goal.label),), goal)]
    now, new = _typed_parameters(start), _typed_parameters(goal)
    for key in _differing(now, new):
        waiting.append(Factor(key, now.get(key, "default"), new.get(key, "default")))
        now = {k: v for k, v in now.items() if k != key} | ({key: new[key]} if key in new else {})
        bound = goal if now == new else bound_as(goal.protocol.name, now, context)
        if bound is not None:
            steps.append(Rung(tuple(waiting), bound))
            waiting = []
    return steps


def _typed_parameters(bound: Bound) -> dict[str, str]:
    """The parameters of a protocol by name, each value as a user types it, with the three of merging if it has them."""
    how = bound.combine
    given = dict(bound.parameters) | dict(bound.overrides)
    if bound.of is None:
        given |= {"merge": how.space, "rule": how.rule, "average": how.average}
    return {key: show(value) for key, value in given.items()}


def _differing(a: dict[str, str], b: dict[str, str]) -> Iterable[str]:
    return sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))
