"""Plots as PNG and SVG files, by matplotlib, for papers and slides."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchsuite.errors import StorageError
from benchsuite.report.markup import printable
from benchsuite.report.plots import palette as palettes
from benchsuite.report.plots.axes import apart, around, around_log, log_ticks, minus, place, ticks, written
from benchsuite.report.plots.palette import Palette, Style
from benchsuite.report.plots.shapes import Bars, Figure, Lines, Points, Row, Series
from benchsuite.report.plots.svg import heights
from benchsuite.storage.files import writing

INSTALL = "pip install 'benchsuite[report]'"
MARKS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":")
TONES = {"plain": "#1b1d21", "better": "#0b6bb0", "worse": "#c4470b", "open": "#7b8089"}
QUIET, LINE = "#5a5f69", "#dfe1e6"
DOTS = 200
"""Resolution of a PNG in pixels per inch."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "xtick.color": TONES["plain"],
    "ytick.color": TONES["plain"],
    "text.parse_math": False,
    "svg.hashsalt": "benchsuite",
    "svg.fonttype": "none",
}


def check() -> None:
    """Raises ``StorageError`` if matplotlib is not installed, before any work is done."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise StorageError(f"Expected matplotlib to be installed for --plots, got none: {INSTALL}") from None


def write(figures: Iterable[Figure], folder: Path, palette: Palette) -> Iterator[Path]:
    """Writes NAME.png and NAME.svg of each plot and yields their paths; the same plot always gives the same bytes.

    Marks have the colours of their protocols, as on a light page.

    Raises ``StorageError`` if a file cannot be written.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes in the PNG; the SVG keeps its text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        for figure in figures:
            if isinstance(figure, Bars):
                canvas = _bars(figure, palette)
            else:
                canvas = _lines(figure) if isinstance(figure, Lines) else _points(figure, palette)
            for suffix, options in (("png", {"dpi": DOTS}), ("svg", {"metadata": {"Date": None}})):
                path = folder / f"{figure.name}.{suffix}"
                with writing(path) as part:
                    canvas.savefig(part, format=suffix, bbox_inches="tight", **options)
                yield path


def _canvas(wide: float, high: float, figure: Figure) -> tuple[Any, Any]:
    """Axes under the question in bold type and the title."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(wide, high))
    axes = canvas.add_subplot()
    lines = textwrap.wrap(printable(minus(figure.title)), int(wide * 14))
    axes.set_title("\n".join(lines), loc="left", fontsize=9, color=QUIET)
    asked = textwrap.wrap(figure.question, int(wide * 12))
    above: dict[str, Any] = {"xytext": (0, 6 + 12.5 * len(lines)), "textcoords": "offset points"}
    above |= {"fontweight": "bold", "fontsize": 10, "annotation_clip": False}
    axes.annotate("\n".join(asked), (0, 1), xycoords="axes fraction", va="bottom", **above)
    axes.tick_params(length=0)
    return canvas, axes


def _bars(figure: Bars, palette: Palette) -> Any:
    canvas, axes = _canvas(7.2, 0.9 + 0.27 * len(figure.rows), figure)
    values = [v for row in figure.rows for v in _values(row)] + ([0.0] if figure.zero or figure.counts else [])
    low, high = around(values)
    axes.set(xlim=(low, high), ylim=(len(figure.rows) - 0.5, -0.5))
    axes.set_xlabel(figure.axis)
    axes.set_yticks(range(len(figure.rows)), [printable(row.label) for row in figure.rows])
    marks = [m for m in ticks(low, high, 6) if not figure.counts or m == round(m)]
    axes.set_xticks(marks, [t.lstrip("−") if figure.counts else t for t in written(marks)])
    axes.grid(visible=False, axis="y")
    if figure.zero or figure.counts:
        axes.axvline(0, color=QUIET, linewidth=0.8)
    for y, row in enumerate(figure.rows):
        _row(axes, row, y, palette)
        if figure.linked and y + 1 < len(figure.rows):
            x = row.bars[-1].end if row.bars else row.mark
            axes.plot([x, x], [y, y + 1], color=TONES["open"], linewidth=0.8, linestyle=":", zorder=1)
    return canvas


def _values(row: Row) -> Iterator[float]:
    yield from (v for bar in row.bars for v in (bar.start, bar.end))
    yield from (v for v in (row.mark, *(row.interval or ())) if v is not None)


def _row(axes: Any, row: Row, y: int, palette: Palette) -> None:
    for bar in row.bars:
        axes.barh(y, bar.end - bar.start, left=bar.start, height=0.55, color=TONES[bar.tone], zorder=2)
    if row.interval is not None:
        low, high = row.interval
        axes.errorbar((low + high) / 2, y, xerr=(high - low) / 2, color=TONES["plain"], linewidth=1, capsize=2.5)
    if row.mark is not None:
        style = palette.get(palettes.name(row.protocol))
        look = {"color": TONES[row.tone]} if style is None else _look(style)
        axes.plot(row.mark, y, marker="D", markersize=5, zorder=4, **look)
    where = axes.get_yaxis_transform()
    axes.text(1.02, y, printable(minus(row.note)), transform=where, va="center", fontsize=8)


def _look(style: Style) -> dict[str, Any]:
    """A style as options of matplotlib."""
    colour = palettes.LIGHT[style.colour]
    face, edge = ((colour, colour), ("white", colour), (colour, TONES["plain"]))[style.fill]
    return {"color": colour, "markerfacecolor": face, "markeredgecolor": edge}


def _points(figure: Points, palette: Palette) -> Any:
    canvas, axes = _canvas(*((3.2, 3.2) if figure.square else (6.0, 3.8)), figure)
    every = [p for s in figure.series for p in s.points]
    axes.set_xlabel(figure.x)
    axes.set_ylabel(figure.y)
    if figure.log:
        axes.set_xscale("log")
    if figure.square:
        axes.plot([0, 1], [0, 1], color=TONES["open"], linewidth=0.8, linestyle=":")
    named: list[tuple[Any, str]] = []
    if figure.level is not None:
        level = axes.axhline(figure.level[1], color=TONES["plain"], linewidth=0.8, linestyle="--")
        named.append((level, printable(figure.level[0])))
    xs = (0.0, 1.0) if figure.square else (around_log if figure.log else around)(p.x for p in every)
    ys = (0.0, 1.0) if figure.square else around(heights(figure))
    axes.set(xlim=xs, ylim=ys)
    across, up = (log_ticks if figure.log else ticks)(*xs, 6), ticks(*ys, 5)
    axes.set_xticks(across, written(across))
    axes.set_xticks([], minor=True)
    axes.set_yticks(up, written(up))
    canvas.draw_without_rendering()
    at = axes.transData.inverted().transform(apart(axes.transData.transform([(p.x, p.y) for p in every]).tolist()))
    places = iter(at.tolist())
    joined = figure.square or figure.joined
    for number, series in enumerate(figure.series):
        own = [next(places) for _ in series.points]
        named.append((_series(axes, series, own, number, palette, joined=joined), printable(series.label)))
    if not joined:
        named = [*(named if len(figure.series) > 1 else []), *_protocols(axes, figure, palette)]
    if len(named) > 1:
        axes.legend(*zip(*named, strict=True), frameon=False, fontsize=8)
    if not figure.square and not figure.joined:
        _labels(canvas, axes, [p.label for p in every], at)
    return canvas


def _lines(figure: Lines) -> Any:
    canvas, axes = _canvas(6.0, 3.4, figure)
    axes.set_xlabel(figure.x)
    axes.set_ylabel(figure.y)
    xs, ys = (around([p[at] for line in figure.lines for p in line.points]) for at in (0, 1))
    across, up = [x for x in ticks(*xs, 6) if x == round(x)], ticks(*ys, 5)
    axes.set(xlim=xs, ylim=ys)
    axes.set_xticks(across, written(across))
    axes.set_yticks(up, written(up))
    for number, line in enumerate(figure.lines):
        colour, dashes = TONES["plain"] if number < len(DASHES) else QUIET, DASHES[number % len(DASHES)]
        style: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.2}
        if line.marked is not None:
            style |= {"marker": MARKS[number % len(MARKS)], "markevery": [line.marked], "markersize": 4.5}
            label = {"textcoords": "offset points", "fontsize": 7, "color": QUIET}
            axes.annotate(f"{line.points[line.marked][1]:.2f}", line.points[line.marked], (4, 5), **label)
        axes.plot([x for x, _ in line.points], [y for _, y in line.points], **style)
    axes.legend([printable(line.label) for line in figure.lines], frameon=False, fontsize=8)
    return canvas


def _series(
    axes: Any, series: Series, at: Sequence[Sequence[float]], number: int, palette: Palette, *, joined: bool
) -> Any:
    """Draws the points of a series with their intervals, joined by a line or not; returns a mark for the legend."""
    looks = [_look(palette[palettes.name(point.protocol)]) for point in series.points]
    shape = {"marker": MARKS[number % len(MARKS)], "linestyle": "none", "markersize": 4.5}
    for point, (x, y), look in zip(series.points, at, looks, strict=True):
        axes.vlines(x, point.low, point.high, color=look["color"], linewidth=0.8, alpha=0.5)
        axes.plot(x, y, **shape, **look)
    if joined:
        dashes = DASHES[palette[palettes.name(series.points[0].protocol)].fill]
        axes.plot(*zip(*at, strict=True), color=looks[0]["color"], linestyle=dashes, linewidth=1, alpha=0.55)
    (mark,) = axes.plot([], [], **shape, **(looks[0] if joined else {"color": TONES["plain"]}))
    return mark


def _protocols(axes: Any, figure: Points, palette: Palette) -> Iterator[tuple[Any, str]]:
    """A mark and the name of each protocol, for the legend."""
    for name in dict.fromkeys(palettes.name(p.protocol) for series in figure.series for p in series.points):
        (mark,) = axes.plot([], [], marker=MARKS[0], linestyle="none", markersize=4.5, **_look(palette[name]))
        yield mark, printable(name)


def _labels(canvas: Any, axes: Any, names: Sequence[str], at: Any) -> None:
    """Draws the names of the points where there is room, by the same rule as in the page: ``axes.place``.

    Its unit is 1/72 inch here, and y points upwards.
    """
    points = axes.transData.transform(at) * 72 / canvas.dpi
    (left, low), (right, high) = axes.bbox.get_points() * 72 / canvas.dpi
    boxes = place(points.tolist(), names, 7, (left, low, right, high))
    for name, point, box in zip(names, points, boxes, strict=True):
        if box is not None:
            offset = (box[0] - point[0], (box[1] + box[3]) / 2 - point[1])
            where = axes.transData.inverted().transform(point * canvas.dpi / 72)
            style = {"textcoords": "offset points", "va": "center", "fontsize": 7, "color": QUIET}
            axes.annotate(printable(name), where, offset, annotation_clip=True, **style)
