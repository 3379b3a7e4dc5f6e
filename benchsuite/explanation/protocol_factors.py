"""What a protocol does to an image, one field for each factor; read from its views, and written as a protocol again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BenchsuiteError
from benchsuite.specs.combine import Combine
from benchsuite.specs.parameters import MERGING, OVERRIDES, Bound, bind, show, views
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.view import POSITIONS, Crop, View


@dataclass(frozen=True, slots=True)
class ProtocolFactors:
    """A protocol taken apart. ``scales`` are short sides in pixels, ``crop`` the side of a crop or of a dense window.

    ``places`` is where crops lie: ``centre``, ``five``, ``grid 5``, ``shifts -8+0+8``, or ``dense``: the whole image.
    ``rounding`` belongs to crops and ``spatial`` to dense views, and each is empty for the other.
    """

    scales: tuple[int, ...]
    crop: int
    interpolation: str
    antialias: bool
    long_side: str
    rounding: str
    places: str
    flip: bool
    spatial: str
    rule: str
    merge: str
    average: str


@dataclass(frozen=True, slots=True)
class ProtocolContext:
    """What a protocol is bound against: how protocols are found, the weights' preprocessing, whether mirrors count."""

    find: Callable[[str], Protocol]
    preprocess: Preprocess
    mirror: bool

    def views(self, bound: Bound) -> tuple[View, ...]:
        """The views of a bound protocol here."""
        return views(bound, self.preprocess, self.mirror)


def setting(made: tuple[View, ...], combine: Combine) -> ProtocolFactors | None:
    """The factors of a set of views and their combine rule; None if it is no product of scales, places and mirrors."""
    first, flips = made[0], {v.flip for v in made}
    same = ("interpolation", "antialias", "long_side", "dense", "nominal", "spatial")
    if flips == {True} or any(getattr(v, field) != getattr(first, field) for v in made for field in same):
        return None
    crops = {v.crop for v in made}
    scales = {v.resize if isinstance(v.resize, int) else min(v.resize) for v in made}
    if len(made) != len(scales) * len(crops) * len(flips):
        return None
    if first.dense:
        places, rounding, crop = "dense", "", first.nominal
    elif None in crops:
        return None
    else:
        places, rounding, crop = _places({c for c in crops if c is not None})
    return ProtocolFactors(
        scales=tuple(sorted(scales)),
        crop=crop,
        interpolation=first.interpolation,
        antialias=first.antialias,
        long_side=first.long_side,
        rounding=rounding,
        places=places,
        flip=len(flips) == 2,
        spatial=first.spatial if first.dense else "",
        rule=combine.rule,
        merge=combine.space,
        average=combine.average,
    )


def _places(crops: set[Crop]) -> tuple[str, str, int]:
    """Where the crops of one scale lie, their rounding and their side; no name, and no protocol, for other patterns."""
    first = next(iter(crops))
    side = math.isqrt(len(crops))
    even = [i / (side - 1) for i in range(side)] if side > 1 else [0.5]
    steps = sorted({d for c in crops for d in c.shift})
    made = {(c.position, c.shift) for c in crops}
    known = {
        "centre": {("center", (0, 0))},
        "five": {(position, (0, 0)) for position in POSITIONS},
        f"grid {side}": {((down, right), (0, 0)) for down in even for right in even},
        "shifts " + show(tuple(steps)): {("center", (down, right)) for down in steps for right in steps},
    }
    name = next((name for name, pattern in known.items() if pattern == made), "other")
    alike = len({(c.rounding, c.size) for c in crops}) == 1
    return name if alike else "other", first.rounding, first.size


def express(wanted: ProtocolFactors, frame: ProtocolContext) -> Bound | None:
    """The shortest protocol that does just this, or None if no known protocol can be told to."""
    for name, own in _candidates(wanted):
        given = own | {field: getattr(wanted, field) for field in (*OVERRIDES, *MERGING)}
        bound = bound_as(name, given, frame)
        made = () if bound is None else frame.views(bound)
        if bound is None or setting(made, bound.combine) != wanted:
            continue
        for key in list(given):
            fewer = {k: v for k, v in given.items() if k != key}
            shorter = bound_as(name, fewer, frame)
            if shorter and shorter.combine == bound.combine and frame.views(shorter) == made:
                bound, given = shorter, fewer
        return bound
    return None


def _candidates(wanted: ProtocolFactors) -> Iterator[tuple[str, dict[str, Any]]]:
    """Protocols, and what they would have to be told, for where the views lie."""
    kind, _, detail = wanted.places.partition(" ")
    one = len(wanted.scales) == 1
    crops = {"rounding": wanted.rounding}
    flipped = {"scales": wanted.scales, "flip": wanted.flip}
    if kind == "dense" and one:
        yield "fullconv", {"resize": wanted.scales[0], "flip": wanted.flip, "spatial": wanted.spatial}
    if kind == "dense":
        yield "multiscale", flipped | {"spatial": wanted.spatial}
    if kind == "centre" and one and not wanted.flip:
        yield "1crop", crops | {"resize": wanted.scales[0]}
    if kind == "centre":
        yield "tta", crops | flipped | {"shifts": (0,)}
    if kind == "five" and one:
        yield "10crop", crops | {"resize": wanted.scales[0], "flip": wanted.flip}
    if kind == "grid":
        yield "multicrop", crops | flipped | {"grid": detail}
    if kind == "shifts":
        yield "tta", crops | flipped | {"shifts": detail}


def bound_as(name: str, given: Mapping[str, Any], frame: ProtocolContext) -> Bound | None:
    """The protocol with these parameters, or None where they do not fit each other, the image size or the network."""
    try:
        bound = bind(f"{name}:" + ",".join(f"{key}={show(value)}" for key, value in given.items()), frame.find)
        frame.views(bound)
        return bound
    except BenchsuiteError:
        return None


def shown(field: str, value: Any) -> str:
    """A value of a field in words a reader needs no manual for."""
    words = {
        ("flip", True): "with mirror images",
        ("flip", False): "without",
        ("places", "centre"): "centre crop",
        ("places", "five"): "centre and corner crops",
        ("places", "dense"): "whole image",
        ("spatial", "gap"): "global pooling",
        ("spatial", "mean"): "mean of the score map",
        ("spatial", "prob"): "mean of the softmax of places",
        ("spatial", "avgmax"): "half mean, half maximum of the score map",
        ("merge", "prob"): "probabilities",
        ("merge", "logit"): "logits",
    }
    if field == "scales":
        return "+".join(map(str, value)) or "none"
    return words.get((field, value)) or show(value)


def replaced(wanted: ProtocolFactors, **fields: Any) -> ProtocolFactors:
    """The setting with other values in some fields; scales are kept in order."""
    if "scales" in fields:
        fields["scales"] = tuple(sorted(fields["scales"]))
    return dataclasses.replace(wanted, **fields)
