"""The plots of spatial frequencies: accuracy by radius, and where energy lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from benchsuite.report.frequency.content import FrequencyContent
from benchsuite.report.plots.shapes import Figure, Line, Lines, Point, Points, Series
from benchsuite.stats import significance
from benchsuite.stats.digits import percent
from benchsuite.stats.metrics import Count
from benchsuite.stats.radial_energy import even_shares

NOISE = "noise: every wave alike"
"""The line of a picture in which every frequency has the same energy."""

RINGS = "To which waves is the network sensitive?"
WITHIN = "How much of the energy is in slow waves?"


def figures(content: FrequencyContent) -> Iterator[Figure]:
    """Every plot of one network: accuracy, then energies and kernels if they were measured."""
    yield accuracy(content)
    yield from energies(content)
    yield from kernels(content)


def accuracy(content: FrequencyContent) -> Points:
    """Accuracy on low-pass and on high-pass pictures by radius; the accuracy on the pictures as they are is a line."""
    named = (("low-pass: waves up to r", "low"), ("high-pass: waves beyond r", "high"))
    series = tuple(Series(words, tuple(_marks(content, field))) for words, field in named)
    clean = content.clean
    level = None if clean is None else (f"as they are: {percent(clean)} %", float(100 * clean.ratio))
    row = content.row
    title = f"Accuracy by radius: {row['architecture']} on {row['dataset']}"
    about = f"Accuracy on low-pass and high-pass pictures of {len(content.points)} radii, with 95 % intervals."
    kept = tuple(s for s in series if s.points)
    x, question = f"radius r, {content.unit}", "Which waves does the network need?"
    name = f"{content.name}-accuracy"
    return Points(name, title, about, x, "accuracy %", kept, joined=True, level=level, question=question)


def _marks(content: FrequencyContent, field: str) -> Iterator[Point]:
    for at in content.points:
        count: Count | None = getattr(at, field)
        if count is not None:
            low, high = significance.wilson(count)
            ratio = float(100 * count.ratio)
            label = f"r={_radius(at.radius)}"
            yield Point(float(at.radius), ratio, 100 * low, 100 * high, label, f"{field}pass")


def _radius(radius: Fraction) -> str:
    return f"{float(radius):g}"


def energies(content: FrequencyContent) -> Iterator[Lines]:
    """The shares of the energy in each ring (gradient and attack) and within each radius (also the pictures)."""
    if content.analysis is None:
        return
    measured = content.analysis.measurement
    known = dict(measured.energies)
    pictures = known.pop("pictures", None)
    noise = even_shares(measured.side, measured.side)
    x = f"radius r, {content.unit}"
    if known:
        rings = [_line(name, energy.share) for name, energy in known.items()]
        title = "Energy in each ring, between r − 1 and r"
        about = f"The share of the energy in each of {len(noise)} rings."
        yield Lines(f"{content.name}-rings", title, about, x, "% of the energy", (*rings, _line(NOISE, noise)), RINGS)
    within = [_line(name, energy.within) for name, energy in known.items()]
    within += [_line(NOISE, _summed(noise))] + ([] if pictures is None else [_line("pictures", pictures.within)])
    about = f"The share of the energy within each of {len(noise)} radii."
    yield Lines(f"{content.name}-within", "Energy within r", about, x, "% of the energy", tuple(within), WITHIN)


def kernels(content: FrequencyContent) -> Iterator[Lines]:
    """The share of the energy of the first layer's kernels within each radius, in percent of the Nyquist frequency."""
    found = None if content.analysis is None else content.analysis.measurement.kernels
    if found is not None:
        unit = 200 / found.side
        noise = _summed(even_shares(found.side, found.side))
        lines = (_line("kernels", found.energy.within, unit), _line(NOISE, noise, unit))
        title = f"Energy of the kernels within r: {found.layer}"
        about = f"The share of the energy of {found.count} kernels within each radius."
        x = "radius r, % of the Nyquist frequency"
        question = "Are the first kernels smooth?"
        yield Lines(f"{content.name}-kernels", title, about, x, "% of the energy", lines, question)


def _line(name: str, shares: Sequence[float], unit: float = 1.0) -> Line:
    """A line through shares by ring, in percent; ``unit`` is the distance of two rings."""
    return Line(name, tuple((unit * ring, 100 * share) for ring, share in enumerate(shares)))


def _summed(shares: Sequence[float]) -> list[float]:
    total, sums = 0.0, []
    for share in shares:
        total += share
        sums.append(total)
    return sums
