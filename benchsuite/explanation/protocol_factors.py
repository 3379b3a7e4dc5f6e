"""The factors of a protocol, one field each: read from its views, and turned into a protocol again."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BenchsuiteError
from benchsuite.specs.combine import Combine
from benchsuite.specs.parameters import MERGING, OVERRIDES, Bound, bind, show, views, with_change
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.view import POSITIONS, Crop, View


@dataclass(frozen=True, slots=True)
class ProtocolFactors:
    """The factors of a protocol, read from its views and its combine rule.

    ``scales`` are short sides in pixels; ``crop`` is the side of a crop or of a dense window, in pixels. ``places`` is
    where crops lie: ``centre``, ``five``, ``grid 5``, ``shifts -8+0+8``; ``dense`` for the whole image; else ``other``.
    ``border`` is that of the image at all places but the centre: ``reflect 4``; empty if there is none.
    ``rounding`` is empty for dense views, ``spatial`` is empty for crops. ``merge`` is the space that views are merged
    in: ``prob`` or ``logit``. ``pixels`` is how pixels are changed, as a user types it: ``lowpass:r=12``; empty if they
    are not.
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
    pixels: str = ""
    border: str = ""


@dataclass(frozen=True, slots=True)
class ProtocolContext:
    """What the views of a protocol depend on besides its parameters.

    ``find`` returns the protocol of a name; ``preprocess`` is that of the weights; ``mirror`` tells whether a mirror
    image keeps its class in this dataset, which is the default of a protocol's ``flip``.
    """

    find: Callable[[str], Protocol]
    preprocess: Preprocess
    mirror: bool

    def views(self, bound: Bound) -> tuple[View, ...]:
        """The distinct views of a bound protocol in this context."""
        return views(bound, self.preprocess, self.mirror)


def factors_of(distinct_views: tuple[View, ...], combine: Combine, pixels: str = "") -> ProtocolFactors | None:
    """The factors of distinct views and their combine rule. ``pixels`` names the change of pixels that the views have.

    None unless the views are all combinations of some scales, places and mirror images, and equal in all else. None
    also for mirror images alone, for a whole image that is not evaluated densely, and for changed pixels without a
    name.
    """
    first, flips = distinct_views[0], {v.flip for v in distinct_views}
    same = ("interpolation", "antialias", "long_side", "dense", "nominal", "spatial", "perturbation")
    if (first.perturbation is None) is not (not pixels):
        return None
    if flips == {True} or any(getattr(v, field) != getattr(first, field) for v in distinct_views for field in same):
        return None
    crops = {v.crop for v in distinct_views}
    borders = {f"{v.border} {v.pad}" if v.pad else "" for v in distinct_views if not _central(v)} or {""}
    if len(borders) > 1 or any(v.pad for v in distinct_views if _central(v)):
        return None
    scales = {v.resize if isinstance(v.resize, int) else min(v.resize) for v in distinct_views}
    if len(distinct_views) != len(scales) * len(crops) * len(flips):
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
        pixels=pixels,
        border=borders.pop(),
    )


def _central(view: View) -> bool:
    return view.crop is not None and view.crop.fractions == (0.5, 0.5) and view.crop.shift == (0, 0)


def _places(crops: set[Crop]) -> tuple[str, str, int]:
    """The name of the places where crops lie, their rounding, and their side in pixels.

    The name is ``other`` for patterns that no protocol makes, and if the crops differ in rounding or size.
    """
    first = next(iter(crops))
    side = math.isqrt(len(crops))
    even = [i / (side - 1) for i in range(side)] if side > 1 else [0.5]
    steps = sorted({d for c in crops for d in c.shift})
    positions = {(c.position, c.shift) for c in crops}
    known = {
        "centre": {("center", (0, 0))},
        "five": {(position, (0, 0)) for position in POSITIONS},
        f"grid {side}": {((down, right), (0, 0)) for down in even for right in even},
        "shifts " + show(tuple(steps)): {("center", (down, right)) for down in steps for right in steps},
    }
    name = next((name for name, pattern in known.items() if pattern == positions), "other")
    alike = len({(c.rounding, c.size) for c in crops}) == 1
    return name if alike else "other", first.rounding, first.size


def express(wanted: ProtocolFactors, context: ProtocolContext) -> Bound | None:
    """The protocol with exactly these factors and as few parameters as possible; None if no built-in one has them."""
    if wanted.pixels:
        return _changed(express(dataclasses.replace(wanted, pixels=""), context), wanted.pixels, context)
    for name, own in _candidates(wanted):
        given = own | {field: getattr(wanted, field) for field in (*OVERRIDES, *MERGING)}
        bound = bound_as(name, given, context)
        wanted_views = () if bound is None else context.views(bound)
        if bound is None or factors_of(wanted_views, bound.combine) != wanted:
            continue
        for key in list(given):
            fewer = {k: v for k, v in given.items() if k != key}
            shorter = bound_as(name, fewer, context)
            if shorter and shorter.combine == bound.combine and context.views(shorter) == wanted_views:
                bound, given = shorter, fewer
        return bound
    return None


def _changed(plain: Bound | None, pixels: str, context: ProtocolContext) -> Bound | None:
    """The protocol that changes the pixels of a plain one; None if there is none, as for an attack on a score map."""
    try:
        bound = None if plain is None else with_change(pixels, plain, context.find)
        if bound is not None:
            context.views(bound)
        return bound
    except BenchsuiteError:
        return None


def _candidates(wanted: ProtocolFactors) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names of protocols that may make views at these places, each with the parameters of its own that it needs."""
    kind, _, detail = wanted.places.partition(" ")
    one = len(wanted.scales) == 1
    crops: dict[str, Any] = {"rounding": wanted.rounding}
    flipped = {"scales": wanted.scales, "flip": wanted.flip}
    border, _, pad = wanted.border.partition(" ")
    moved = crops | ({"pad": int(pad), "border": border} if border else {"pad": 0})
    if kind == "dense" and one:
        yield "fullconv", {"resize": wanted.scales[0], "flip": wanted.flip, "spatial": wanted.spatial}
    if kind == "dense":
        yield "multiscale", flipped | {"spatial": wanted.spatial}
    if kind == "centre" and one and not wanted.flip:
        yield "1crop", crops | {"resize": wanted.scales[0]}
    if kind == "centre":
        yield "tta", crops | flipped | {"shifts": (0,)}
    if kind == "five" and one:
        yield "10crop", moved | {"resize": wanted.scales[0], "flip": wanted.flip}
    if kind == "grid":
        yield "multicrop", moved | flipped | {"grid": detail}
    if kind == "shifts":
        yield "tta", moved | flipped | {"shifts": detail}


def bound_as(name: str, given: Mapping[str, Any], context: ProtocolContext) -> Bound | None:
    """The protocol with these parameters; None for an unknown name, and if they do not fit each other or the sizes."""
    try:
        bound = bind(f"{name}:" + ",".join(f"{key}={show(value)}" for key, value in given.items()), context.find)
        context.views(bound)
        return bound
    except BenchsuiteError:
        return None


def shown(field: str, value: Any) -> str:
    """The value of a field of ``ProtocolFactors`` in words; as a user types it where there are no other words."""
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
    if field == "pixels":
        return value.replace(":", " ").replace(",", ", ") or "as they are"
    if field == "border":
        kind, _, pad = value.partition(" ")
        return f"{pad} pixels, {'reflected' if kind == 'reflect' else 'black'}" if pad else "none"
    if field == "scales":
        return "+".join(map(str, value)) or "none"
    return words.get((field, value)) or show(value)


def replaced(wanted: ProtocolFactors, **fields: Any) -> ProtocolFactors:
    """``wanted`` with other values in some fields; ``scales`` are sorted."""
    if "scales" in fields:
        fields["scales"] = tuple(sorted(fields["scales"]))
    return dataclasses.replace(wanted, **fields)
