"""``benchsuite explain RUN --frequency``: which spatial frequencies a network uses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.bars import bars
from benchsuite.cli.console import columns, print_json
from benchsuite.cli.run import run_request
from benchsuite.errors import BadParameter, expected

if TYPE_CHECKING:
    from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
    from benchsuite.specs.catalog import Catalog
    from benchsuite.stats.radial_energy import RadialEnergy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of ``--frequency``."""
    add = parser.add_argument
    add(
        "--frequency",
        action="store_true",
        help="explain which spatial frequencies the network of a run uses: accuracy on low-pass and high-pass "
        "pictures, and the energy of pictures, input gradients, an attack and the first kernels by frequency",
    )
    add(
        "--radii",
        metavar="R,R,...",
        help="with --frequency: radii in waves per side (default: 4,8,...,28 of 32 pixels)",
    )
    add("--radius", metavar="R", help="with --frequency: the radius of the pictures (default: 12 of 32 pixels)")
    add("--html", type=Path, metavar="FILE", help="with --frequency: one self-contained page of plots and pictures")


def run(args: argparse.Namespace, catalog: Catalog) -> int:
    """Prints the analysis of a run, or of an architecture with the options of ``run``."""
    from benchsuite.explanation.frequency import plan as planning
    from benchsuite.explanation.frequency.analysis import flat
    from benchsuite.explanation.frequency.explain import explain
    from benchsuite.explanation.frequency.summary import question

    if len(args.names) != 1:
        raise BadParameter(expected("explain --frequency", "used with one run or one network", " ".join(args.names)))
    radii = None if args.radii is None else planning.parse_radii(args.radii)
    radius = None if args.radius is None else planning.parse_radius(args.radius, "--radius")
    planned = planning.make_plan(run_request(args, (), ()), args.names[0], catalog, radii, radius)
    if args.plan:
        data = planning.flat(planned)
        if args.json:
            print_json(data)
        else:
            print(*plan_text(data), sep="\n")
        return 0
    results = planned.clean.request.results
    progress = bars()
    for line in plan_text(planning.flat(planned))[-1:]:
        progress.note(line)
    found, file = explain(planned, progress)
    files = [file]
    if args.html is not None:
        from benchsuite.report.build import build_frequency

        title = question(found.architecture)
        for note in build_frequency(results, found.run_ids, args.html, title, catalog):
            progress.note(note)
        files.append(args.html)
    if args.json:
        print_json({**flat(found), "files": [str(path) for path in files]})
    else:
        print(*text(found), sep="\n")
        print(f"written to {' and '.join(map(str, files))}; the runs are in {results / 'runs'}")
    return 0


def plan_text(data: dict[str, Any]) -> list[str]:
    """The lines of a plan: its runs, then what it costs."""
    runs = [(r["protocol"], f"{r['images']} images", "finished" if r["finished"] else "") for r in data["runs"]]
    finished = sum(run["finished"] for run in data["runs"])
    left_out = f"; no attack and no gradient: {data['left_out']}" if data["left_out"] else ""
    cost = (
        f"{len(runs)} runs, {finished} of them finished already; {data['views']} views of {data['images']} images in "
        f"one pass; energies on {data['measured']} images{left_out}"
    )
    return [*columns(runs), cost]


def text(found: FrequencyAnalysis) -> Iterator[str]:
    """The answer, the accuracy by radius, and the energies by radius."""
    from benchsuite.explanation.frequency import summary
    from benchsuite.stats.digits import decimals, percent, with_interval

    yield summary.answer(found)
    yield ""
    images = f"{found.n:,}{'' if found.n == found.of else f' of {found.of:,}'} images"
    names = f"{found.architecture}, {found.weights}, {found.protocol}"
    clean = summary.percentage(found.accuracy(found.clean_right))
    yield f"accuracy by radius r; {clean} as they are ({names}, {images})"
    lines = [("r", "low-pass %", "high-pass %", "wrong on low, right on high", "by chance", "most frequent answer %")]
    for at in found.curve:
        low, high = (with_interval(found.accuracy(run.right)) for run in (at.low, at.high))
        swapped = f"{at.swapped} ({percent(found.accuracy(at.swapped))} %)"
        frequent = f"{percent(found.accuracy(at.high.frequent_n))} of high-pass"
        lines.append((str(at.radius), low, high, swapped, decimals(at.by_chance, 1), frequent))
    yield from columns(lines)
    yield ""
    measured = found.measurement
    known = measured.energies
    yield f"energy within r in % (standard error), {measured.n} images; half {summary.energies(found)}"
    yield from columns(
        [("r", *(name for name, _ in known))]
        + [(str(at.radius), *(within(energy, at.radius) for _, energy in known)) for at in found.curve]
    )
    yield summary.attacked(found)
    if measured.kernels is not None:
        kernels = measured.kernels
        half = f"{kernels.energy.half() / (kernels.side / 2):.2f}"
        yield f"first layer ({kernels.layer}, {kernels.count} kernels): half of the energy within {half} of Nyquist"


def within(energy: RadialEnergy, radius: int) -> str:
    """The share within a radius in percent, with its standard error: ``97.31 (0.12)``."""
    at = min(radius, len(energy.within) - 1)
    return f"{100 * energy.within[at]:.2f} ({100 * energy.within_error[at]:.2f})"
