"""The choices that the source of a figure leaves open, and the protocols that other choices make of the same views."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from benchsuite.explanation.ledger import Published
from benchsuite.explanation.protocol_factors import ProtocolContext, ProtocolFactors, factors_of
from benchsuite.explanation.published_figures import attributes
from benchsuite.specs import parameters
from benchsuite.specs.combine import Average, Space
from benchsuite.specs.parameters import Bound, show
from benchsuite.specs.view import Rounding, Spatial

STATED = {
    "resize": "resize",
    "crop": "crop size",
    "interpolation": "interpolation",
    "rounding": "rounding",
    "merge": "merge space",
    "flip": "mirror images",
}
"""Parameters of protocols that a source may state, and the names of their factors of figures."""

UNSTATED = ("average", "spatial")
"""Parameters of score maps that no source in the ledger states."""

FILTERS = ("bilinear", "bicubic")
"""The interpolations that published tests use."""

VALUES = {
    "interpolation": FILTERS,
    "rounding": get_args(Rounding),
    "merge": get_args(Space),
    "average": get_args(Average),
    "flip": ("true", "false"),
    "spatial": get_args(Spatial),
}
"""The values of the parameters that have a few."""


@dataclass(frozen=True, slots=True)
class OpenChoice:
    """A parameter that the source does not state, and the value ``taken``, which is the protocol's default.

    ``counted`` are other values that need no other views, ``uncounted`` those that do.
    """

    name: str
    taken: str
    counted: tuple[str, ...]
    uncounted: tuple[str, ...]

    def __str__(self) -> str:
        words = [f"{self.name}: {self.taken} taken"]
        words += [f"{', '.join(self.counted)} counted too"] if self.counted else []
        words += [f"{', '.join(self.uncounted)} would need other views"] if self.uncounted else []
        return "; ".join(words)


def open_choices(row: Published, stated: Bound, context: ProtocolContext) -> tuple[OpenChoice, ...]:
    """What the source of a figure leaves open under its ``stated`` protocol. Empty where the views follow no pattern.

    A choice that makes no difference is none: how one view is merged, and the sizes of a source that states none of
    them, since it then tests the images at their own size.
    """
    factors = factors_of(context.views(stated), stated.combine)
    return tuple(_choice(name, stated, context, factors) for name in _open(row, stated, factors)) if factors else ()


def _open(row: Published, stated: Bound, factors: ProtocolFactors) -> list[str]:
    known, facts = parameters.parameters(stated.protocol), attributes(row)
    names = [name for name, fact in STATED.items() if facts[fact] == ""]
    if not (row.resize or row.crop or row.scales):
        names = [name for name in names if name in ("merge", "flip")]
    if factors.places == "dense":
        names += UNSTATED if len(factors.scales) > 1 else UNSTATED[1:]
    return [name for name in names if name in known]


def _choice(name: str, stated: Bound, context: ProtocolContext, factors: ProtocolFactors) -> OpenChoice:
    taken = show(getattr(factors, {"resize": "scales"}.get(name, name)))
    others = [value for value in VALUES.get(name, ()) if value != taken]
    own = set(context.views(stated))
    same = [v for v in others if own.issuperset(context.views(_bound(stated, {name: v}, context)))]
    return OpenChoice(name, taken, tuple(same), tuple(v for v in others if v not in same))


def open_accounting(accountings: Sequence[str]) -> tuple[OpenChoice, ...]:
    """The choice among the accountings that a source may have counted by; empty if there is one."""
    first, *others = accountings
    return (OpenChoice("accounting", first, tuple(others), ()),) if others else ()


def combinations(choices: tuple[OpenChoice, ...], stated: Bound, context: ProtocolContext) -> tuple[str, ...]:
    """The labels of the protocols for all combinations of the values that are counted, the stated one first."""
    axes = [[None, *((choice.name, value) for value in choice.counted)] for choice in choices if choice.counted]
    changes = (dict(filter(None, values)) for values in itertools.product(*axes))
    return tuple(_bound(stated, given, context).label for given in changes)


def _bound(stated: Bound, given: dict[str, str], context: ProtocolContext) -> Bound:
    if not given:
        return stated
    tail = ",".join(f"{name}={value}" for name, value in given.items())
    return parameters.bind(f"{stated.label}{',' if ':' in stated.label else ':'}{tail}", context.find)
