"""The kinds of plots, as data: both the page and the exported files draw these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "better", "worse", "open"]
"""What a mark means: a measured rate, fewer errors, more errors, or a figure or gap that no run accounts for."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from one value to another."""

    start: float
    end: float
    tone: Tone


@dataclass(frozen=True, slots=True)
class Row:
    """A row of ``Bars``: its label, its numbers as text (``note``), its bars, and a mark and an interval if any.

    ``protocol`` is the one whose rate the mark shows, if it shows a rate.
    """

    label: str
    note: str
    bars: tuple[Bar, ...] = ()
    mark: float | None = None
    interval: tuple[float, float] | None = None
    tone: Tone = "plain"
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows along one axis. ``zero`` draws a line at 0; ``linked`` draws one from the end of each row to the next row.

    With ``counts``, values are numbers of images that grow to both sides of 0, so ticks are whole and have no sign.
    ``name`` is the file name without suffix; ``question`` is what the plot answers, ``title`` for which runs; ``about``
    describes the plot in a sentence for screen readers.
    """

    name: str
    title: str
    about: str
    axis: str
    rows: tuple[Row, ...]
    zero: bool = False
    linked: bool = False
    counts: bool = False
    question: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A point, the interval of its y, its name, and the protocol of its run."""

    x: float
    y: float
    low: float
    high: float
    label: str
    protocol: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one kind."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """Points with x and y. With ``log``, x is logarithmic. With ``square``, both axes are 0..1 and points are joined.

    A ``square`` plot also shows its diagonal. With ``joined``, the points of a series are a curve, and have no labels.
    ``level`` is the name of a horizontal line and its y.
    """

    name: str
    title: str
    about: str
    x: str
    y: str
    series: tuple[Series, ...]
    log: bool = False
    square: bool = False
    joined: bool = False
    level: tuple[str, float] | None = None
    question: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through (x, y) of finite numbers, in order of x; ``marked`` is the index of a marked point, if any."""

    label: str
    points: tuple[tuple[float, float], ...]
    marked: int | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over one axis of whole numbers, such as epochs."""

    name: str
    title: str
    about: str
    x: str
    y: str
    lines: tuple[Line, ...]
    question: str = ""


Figure = Bars | Points | Lines
