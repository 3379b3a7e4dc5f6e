"""The tables of spatial frequencies: accuracy by radius, and the energy within each radius."""

from __future__ import annotations

from collections.abc import Iterator

from benchsuite.explanation.frequency.analysis import FrequencyAnalysis, RadiusCounts
from benchsuite.report.frequency.content import CurvePoint, FrequencyContent
from benchsuite.report.tables.sheet import Cell, Column, Sheet, number, number_columns, rate, whole
from benchsuite.report.tables.text import image_count, preprocessing_lines
from benchsuite.stats.digits import decimals, p_value, percent


def accuracy(content: FrequencyContent) -> Sheet:
    """The accuracy at each radius; with an analysis, also the images fixed and broken, and those that are swapped."""
    row = content.row
    title = f"Accuracy by radius: {row['architecture']} on {row['dataset']}"
    images = f"{row['architecture']}, {row['weights']}; {row['dataset']}, {image_count(row)} images"
    clean = [] if content.clean is None else [f"accuracy as they are {percent(content.clean)} %"]
    remarks = ("; ".join([images, *clean]) + ".", *preprocessing_lines([row]))
    columns = [Column("r", True), *number_columns("low-pass %", "95 % interval", "high-pass %", "95 % interval")]
    analysis = content.analysis
    if analysis is None:
        rows = tuple(tuple(_rates(point)) for point in content.points)
    else:
        columns += number_columns("wrong on low, right on high", "by chance", "most frequent answer on high-pass %")
        columns += number_columns("low-pass: fixed", "broken", "p", "high-pass: fixed", "broken", "p")
        rows = tuple(
            (*_rates(point), *_swapped(analysis, at), *_paired(at))
            for point, at in zip(content.points, analysis.curve, strict=True)
        )
    return Sheet(f"{content.name}-table", title, tuple(columns), rows, remarks)


def _rates(point: CurvePoint) -> Iterator[Cell]:
    radius = float(point.radius)
    yield Cell(f"{radius:g}", radius)
    for count in (point.low, point.high):
        yield from (Cell(""), Cell("")) if count is None else rate(count)


def _swapped(analysis: FrequencyAnalysis, at: RadiusCounts) -> Iterator[Cell]:
    yield whole(at.swapped)
    yield Cell(decimals(at.by_chance, 1), float(at.by_chance))
    frequent = analysis.accuracy(at.high.frequent_n)
    yield Cell(percent(frequent), float(100 * frequent.ratio))


def _paired(at: RadiusCounts) -> Iterator[Cell]:
    for run in (at.low, at.high):
        yield from (whole(run.fixed), whole(run.broken), Cell(p_value(run.p), run.p))


def energy(content: FrequencyContent) -> Sheet:
    """The energy within each radius of the curve, with its standard error; without an analysis it has no rows."""
    analysis = content.analysis
    if analysis is None:
        return Sheet(f"{content.name}-energies", "Energy within r", (), ())
    known = analysis.measurement.energies
    titles = [title for name, _ in known for title in (f"{name} %", "standard error")]
    rows = []
    for at in analysis.curve:
        cells = [whole(at.radius)]
        for _, measured in known:
            ring = min(at.radius, len(measured.within) - 1)
            cells += [number(100 * values[ring], 2) for values in (measured.within, measured.within_error)]
        rows.append(tuple(cells))
    remarks = (
        f"{analysis.measurement.n} images; {analysis.measurement.view}; the shares are averages over the images.",
    )
    columns = (Column("r", True), *number_columns(*titles))
    return Sheet(f"{content.name}-energies", "Energy within r", columns, tuple(rows), remarks)
