"""Plots as inline SVG: small, themed by the page's CSS, with titles for screen readers.

With a palette, marks have the style of their protocol, and lines that are of no protocol are told apart by their
dashes. Without one, each series and each line has a colour.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchsuite.report.markup import escaped, tag
from benchsuite.report.plots import palette as palettes
from benchsuite.report.plots.axes import (
    Box,
    Scale,
    apart,
    around,
    around_log,
    fit,
    log_ticks,
    minus,
    place,
    ticks,
    width,
    written,
)
from benchsuite.report.plots.palette import Palette
from benchsuite.report.plots.shapes import Bars, Figure, Lines, Point, Points, Row, Series

TEXT = 12.0
"""Font size of the text of a plot in pixels."""

NARROW = 500
"""Plots below this width in pixels have the labels of rows above the rows, not next to them."""

SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.6l4.6 8.2h-9.2z",
    "M0-5l5 5l-5 5l-5-5z",
    "M0 4.6l4.6-8.2h-9.2z",
    "M-4.5-1.4h3.1v-3.1h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8v-3.1h-3.1z",
)
"""Marks of series, as SVG paths around (0, 0); they can be distinguished without colour."""


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: its name, its mark or None for a line, and the classes of either."""

    name: str
    shape: str | None
    cls: str


def draw(figure: Figure, wide: float, palette: Palette | None = None) -> str:
    """The plot as an ``<svg>`` of that width in pixels."""
    if isinstance(figure, Bars):
        height, parts = _bars(figure, wide, palette or {})
    elif isinstance(figure, Lines):
        height, parts = _lines(figure, wide, dashed=palette is not None)
    else:
        height, parts = _points(figure, wide, palette or {})
    name = f"{figure.name}-{wide:g}"
    labels = {"aria-labelledby": f"{name}-t {name}-d"}
    head = (tag("title", escaped(figure.title), id=f"{name}-t"), tag("desc", escaped(figure.about), id=f"{name}-d"))
    size = {"viewBox": f"0 0 {wide:g} {height:g}", "width": f"{wide:g}", "height": f"{height:g}"}
    cls = "rows" if isinstance(figure, Bars) else "points"
    return tag("svg", "".join((*head, *parts)), cls=cls, role="img", **labels, **size)


def _bars(figure: Bars, wide: float, palette: Palette) -> tuple[float, list[str]]:
    beside = wide >= NARROW
    labels = min(max((width(r.label, TEXT) for r in figure.rows), default=0), wide * 0.42) if beside else 0.0
    notes = max((width(r.note, TEXT) for r in figure.rows), default=0) if beside else 0.0
    pitch, left, right = (26.0, labels + 14, wide - notes - 14) if beside else (42.0, 8.0, wide - 8)
    bottom = pitch * len(figure.rows) + 4
    low, high = around(_values(figure.rows, zero=figure.zero or figure.counts))
    scale = Scale(low, high, left, right)
    marks = ticks(low, high, max(2, min(8, int((right - left) / 60))))
    if figure.counts:
        marks = [mark for mark in marks if mark == round(mark)]
    texts = [t.lstrip("−") if figure.counts else t for t in written(marks)]
    parts = [*_axis(scale, bottom, figure.axis, zip(marks, texts, strict=True))]
    if figure.zero or figure.counts:
        parts.append(_line(scale(0), 0, scale(0), bottom, "zero"))
    for number, row in enumerate(figure.rows):
        y = pitch * number + (pitch / 2 if beside else pitch - 13)
        parts.append(tag("g", "".join(_row(row, scale, y, wide if beside else -wide, palette))))
        if figure.linked and number + 1 < len(figure.rows):
            x = scale(row.bars[-1].end if row.bars else row.mark or 0.0)
            parts.append(_line(x, y + (7 if row.bars else 0), x, y + pitch - 7, "link"))
    return bottom + 40, parts


def _values(rows: Sequence[Row], *, zero: bool) -> Iterator[float]:
    for row in rows:
        yield from (v for bar in row.bars for v in (bar.start, bar.end))
        yield from (v for v in (row.mark, *(row.interval or ())) if v is not None)
    yield from [0.0] if zero else []


def _row(row: Row, scale: Scale, y: float, wide: float, palette: Palette) -> Iterator[str]:
    """A row's texts, bars, interval and mark. With a negative ``wide``, the texts are above the bars."""
    beside = wide > 0
    words = y + 4 if beside else y - 16
    note = minus(row.note)
    room = scale.start - 14 if beside else -wide - width(note, TEXT) - 24
    yield tag("title", escaped(f"{row.label}: {note}"))
    yield _text(scale.start - 10 if beside else 8, words, fit(row.label, room, TEXT), "end" if beside else "start")
    yield _text(scale.end + 10 if beside else -wide - 8, words, note, "start" if beside else "end", "num")
    for bar in row.bars:
        a, b = sorted((scale(bar.start), scale(bar.end)))
        size = {"x": _n(a), "y": _n(y - 7), "width": _n(max(b - a, 1)), "height": "14"}
        yield tag("rect", "", cls=f"t-{bar.tone}", **size)
    if row.interval is not None:
        yield from _whisker(scale(row.interval[0]), y, scale(row.interval[1]), y)
    if row.mark is not None:
        yield _mark(scale(row.mark), y, SHAPES[3], _style(palette, row.protocol) or f"t-{row.tone}")


def _style(palette: Palette, protocol: str) -> str:
    """The classes of a protocol's marks; none if it has no style."""
    style = palette.get(palettes.name(protocol))
    return style.cls if style is not None else ""


def _points(figure: Points, wide: float, palette: Palette) -> tuple[float, list[str]]:
    size = TEXT - 1 if figure.square else TEXT
    every = [p for s in figure.series for p in s.points]
    keys = [*_keys(figure, palette), *([] if figure.level is None else [Key(figure.level[0], None, "level")])]
    legend, top = _legend(keys, wide) if len(keys) > 1 else ([], 8.0)
    height = top + (wide * 0.62 if not figure.square else wide - 50)
    ys = (0.0, 1.0) if figure.square else around(heights(figure))
    marks = ticks(*ys, 5)
    left = max(width(t, size) for t in written(marks)) + 26
    y_of = Scale(*ys, height, top)
    xs = (0.0, 1.0) if figure.square else (around_log if figure.log else around)(p.x for p in every)
    x_of = Scale(*xs, left, wide - 8, figure.log)
    most = max(2, min(8, int((wide - left) / 52)))
    across = (log_ticks if figure.log else ticks)(*xs, most)
    parts = [*legend, *_axis(x_of, height, figure.x, zip(across, written(across), strict=True), top)]
    parts += _upright(y_of, left, wide - 8, figure.y, marks)
    if figure.square:
        parts.append(_line(x_of(0), y_of(0), x_of(1), y_of(1), "link"))
    if figure.level is not None:
        parts.append(_line(left, y_of(figure.level[1]), wide - 8, y_of(figure.level[1]), "level"))
    at = apart([(x_of(p.x), y_of(p.y)) for p in every])
    places = iter(at)
    for number, series in enumerate(figure.series):
        own = list(itertools.islice(places, len(series.points)))
        if figure.square or figure.joined:
            style = _style(palette, series.points[0].protocol) or _series(number)
            parts.append(tag("path", "", cls=f"join {style}", d="M" + "L".join(map(_pair, own))))
        for point, (x, y) in zip(series.points, own, strict=True):
            cls = _style(palette, point.protocol) or _series(number)
            parts.append(tag("g", "".join(_point(point, series, x, y, y_of, _shape(number), cls))))
    if not figure.square and not figure.joined:
        parts += _labels(every, at, (left + 2, top, wide - 2, height - 2))
    return height + 40, parts


def _keys(figure: Points, palette: Palette) -> list[Key]:
    """The entries of the legend: the series, and the protocols where the series are of something else."""
    if figure.joined or figure.square or not palette:
        return [
            Key(s.label, _shape(i), _style(palette, s.points[0].protocol) or _series(i))
            for i, s in enumerate(figure.series)
        ]
    protocols = dict.fromkeys(palettes.name(p.protocol) for s in figure.series for p in s.points)
    keys = [Key(s.label, _shape(i), "t-plain") for i, s in enumerate(figure.series)] if len(figure.series) > 1 else []
    return [*keys, *(Key(name, SHAPES[0], _style(palette, name) or "t-plain") for name in protocols)]


def _series(number: int) -> str:
    """The class of a series or line by its number."""
    return f"s{number % len(SHAPES)}"


def _shape(number: int) -> str:
    return SHAPES[number % len(SHAPES)]


def heights(figure: Points) -> Iterator[float]:
    """All values along the vertical axis of a plot of points."""
    yield from (v for series in figure.series for p in series.points for v in (p.y, p.low, p.high))
    yield from [] if figure.level is None else [figure.level[1]]


def _lines(figure: Lines, wide: float, *, dashed: bool) -> tuple[float, list[str]]:
    """The lines in their colours or dashes, with marked points and their values."""
    keys = [
        Key(line.label, None if dashed else _shape(i), f"course {_series(i)}" if dashed else _series(i))
        for i, line in enumerate(figure.lines)
    ]
    legend, top = _legend(keys, wide)
    height = top + wide * 0.5
    xs, ys = (around([p[at] for line in figure.lines for p in line.points]) for at in (0, 1))
    marks = ticks(*ys, 5)
    left = max(width(t, TEXT) for t in written(marks)) + 26
    x_of, y_of = Scale(*xs, left, wide - 44), Scale(*ys, height, top)
    across = [x for x in ticks(*xs, max(2, min(8, int((wide - left) / 52)))) if x == round(x)]
    parts = [*legend, *_axis(x_of, height, figure.x, zip(across, written(across), strict=True), top)]
    parts += _upright(y_of, left, wide - 44, figure.y, marks)
    marked: list[tuple[tuple[float, float], str]] = []
    for number, line in enumerate(figure.lines):
        kind, positions = _series(number), [(x_of(x), y_of(y)) for x, y in line.points]
        path = tag("path", "", cls=f"course {kind}", d="M" + "L".join(map(_pair, positions)))
        parts.append(tag("g", tag("title", escaped(line.label)) + path))
        if line.marked is not None:
            parts.append(_mark(*positions[line.marked], _shape(number), kind))
            marked.append((positions[line.marked], f"{line.points[line.marked][1]:.2f}"))
    places, names = [at for at, _ in marked], [name for _, name in marked]
    for name, box in zip(names, place(places, names, TEXT - 1, (left + 2, top, wide - 2, height - 2)), strict=True):
        parts += [] if box is None else [_text(box[0], box[3] - 4, name, "start", "label num")]
    return height + 40, parts


def _upright(scale: Scale, left: float, right: float, name: str, marks: Sequence[float]) -> Iterator[str]:
    """Grid lines, ticks and the name of a vertical axis."""
    for mark, words in zip(marks, written(marks), strict=True):
        yield _line(left, scale(mark), right, scale(mark), "grid")
        yield _text(left - 6, scale(mark) + 4, words, "end", "num")
    middle = (scale.start + scale.end) / 2
    yield _text(12, middle, name, "middle", "name", transform=f"rotate(-90 12 {_n(middle)})")


def _point(point: Point, series: Series, x: float, y: float, y_of: Scale, shape: str, cls: str) -> Iterator[str]:
    yield tag("title", escaped(f"{series.label}, {point.label}: {point.x:.4g}, {point.y:.4g}"))
    yield from _whisker(x, y_of(point.low), x, y_of(point.high), cls)
    yield _mark(x, y, shape, cls)


def _labels(points: Sequence[Point], places: Sequence[tuple[float, float]], frame: Box) -> Iterator[str]:
    """The name of each point where there is room; the title of a point has its name in any case."""
    names = [fit(p.label, 260, TEXT - 1) for p in points]
    for name, box in zip(names, place(places, names, TEXT - 1, frame), strict=True):
        if box is not None:
            yield _text(box[0], box[3] - 4, name, "start", "label")


def _legend(keys: Iterable[Key], wide: float) -> tuple[list[str], float]:
    """The entries of a legend, in as many rows as they need; and the y at which the plot begins."""
    parts, x, y = [], 8.0, 12.0
    for key in keys:
        name = fit(key.name, wide - 40, TEXT)
        sample = 24 if key.cls.startswith("course") else 12
        room = width(name, TEXT) + sample + 18
        if x + room > wide and x > 8:
            x, y = 8.0, y + 18
        line = _line(x, y - 4, x + sample, y - 4, key.cls)
        parts.append(line if key.shape is None else _mark(x + 6, y - 4, key.shape, key.cls))
        parts.append(_text(x + sample + 4, y, name, "start"))
        x += room
    return parts, y + 12


def _axis(
    scale: Scale, bottom: float, name: str, marks: Iterable[tuple[float, str]], top: float = 0.0
) -> Iterator[str]:
    """Grid lines, ticks and the name of a horizontal axis."""
    for value, words in marks:
        yield _line(scale(value), top, scale(value), bottom, "grid")
        yield _text(scale(value), bottom + 16, words, "middle", "num")
    middle = (scale.start + scale.end) / 2
    yield _text(middle, bottom + 34, fit(name, 2 * min(middle, 340), TEXT), "middle", "name")


def _whisker(x1: float, y1: float, x2: float, y2: float, cls: str = "") -> Iterator[str]:
    """An interval with its ends."""
    across, along = (0, 3) if y1 == y2 else (3, 0)
    ends = "".join(
        f"M{_n(x - across)} {_n(y - along)}L{_n(x + across)} {_n(y + along)}" for x, y in ((x1, y1), (x2, y2))
    )
    yield tag("path", "", cls=f"whisker {cls}".strip(), d=f"M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}{ends}")


def _mark(x: float, y: float, shape: str, cls: str) -> str:
    return tag("path", "", cls=f"mark {cls}", d=shape, transform=f"translate({_n(x)} {_n(y)})")


def _line(x1: float, y1: float, x2: float, y2: float, cls: str) -> str:
    return tag("line", "", cls=cls, x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2))


def _text(x: float, y: float, words: str, anchor: str, cls: str = "", **more: str) -> str:
    named = {"cls": cls} if cls else {}
    return tag("text", escaped(words), x=_n(x), y=_n(y), **{"text-anchor": anchor}, **named, **more)


def _pair(at: tuple[float, float]) -> str:
    return f"{_n(at[0])} {_n(at[1])}"


def _n(value: float) -> str:
    """A coordinate as text, rounded to a tenth of a pixel."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
