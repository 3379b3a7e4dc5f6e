"""The colour of each protocol: the same in every plot and table of a report, also for colour-blind readers."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LIGHT = ("#1988ff", "#992e00", "#30806d", "#8800cc", "#998d22", "#e645b3", "#660f0f", "#424b66")
DARK = ("#2b6ed9", "#e68a00", "#30bf9e", "#c28cff", "#ffd21d", "#995c86", "#cc411f", "#b7ddff")
"""Colours on a light and on a dark page. A test holds their contrast and their distance for the colour-blind."""

FILLS = ("solid", "hollow", "ringed")
"""How marks of equal colour differ. Their lines are solid, dashed and dotted."""

SEED = 409
"""Start of the checksum, for which the protocols that ship with benchsuite and change no pixels have a colour each."""


@dataclass(frozen=True, slots=True)
class Style:
    """The look of a protocol's marks: indices of a colour and of ``FILLS``."""

    colour: int
    fill: int

    @property
    def cls(self) -> str:
        """The classes of a mark on the page."""
        return f"p{self.colour} {FILLS[self.fill]}"


Palette = Mapping[str, Style]
"""The style of each protocol, by its name without parameters."""


def name(protocol: str) -> str:
    """The protocol without its parameters: ``multicrop`` of ``multicrop:grid=3``. They share a style."""
    return protocol.partition(":")[0]


def palette(protocols: Iterable[str]) -> dict[str, Style]:
    """A style for each protocol, whatever their order.

    A protocol has the colour that its name's checksum gives, in every report. Where several protocols have the same
    one, the first of them keeps it, and the others have those that are left. Two protocols share a style only if there
    are more than 24.
    """
    names = sorted({name(protocol) for protocol in protocols})
    first: dict[int, str] = {}
    for one in names:
        first.setdefault(zlib.crc32(one.encode(errors="replace"), SEED) % len(LIGHT), one)
    styles = {one: Style(colour, 0) for colour, one in first.items()}
    every = [Style(colour, fill) for fill in range(len(FILLS)) for colour in range(len(LIGHT))]
    left = [style for style in every if style not in styles.values()]
    others = (one for one in names if one not in styles)
    return styles | dict(zip(others, itertools.chain(left, itertools.cycle(every)), strict=False))


def css() -> str:
    """The colours as classes ``p0``..., which set ``--c``."""
    pairs = enumerate(zip(LIGHT, DARK, strict=True))
    return "".join(f".p{i} {{ --c: light-dark({light}, {dark}); }}\n" for i, (light, dark) in pairs)
