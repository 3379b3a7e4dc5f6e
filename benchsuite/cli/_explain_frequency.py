"""``benchsuite explain RUN --frequency``: which spatial frequencies a network uses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.api.shown import columns

if TYPE_CHECKING:
    from benchsuite.api.frequency import FrequencyExplanation, PlannedFrequency


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
    add("--html", type=Path, metavar="FILE", help="also write a page; with --frequency it has plots and pictures")


def text(explained: FrequencyExplanation | PlannedFrequency) -> Iterator[str]:
    """The answer, the accuracy by radius, and the energies by radius; or the lines of a plan."""
    from benchsuite.api.frequency import PlannedFrequency

    if isinstance(explained, PlannedFrequency):
        yield from [*columns(explained.cells()[1]), *explained.lines()]
        return
    from benchsuite.explanation.frequency import summary

    found = explained.found
    answer, *_, files = explained.lines()
    yield answer
    yield ""
    images = f"{found.n:,}{'' if found.n == found.of else f' of {found.of:,}'} images"
    names = f"{found.architecture}, {found.weights}, {found.protocol}"
    clean = summary.percentage(found.accuracy(found.clean_right))
    yield f"accuracy by radius r; {clean} as they are ({names}, {images})"
    for title, (headers, rows) in (("", explained.cells()), (explained.energy_title(), explained.energy_cells())):
        yield from ["", title] if title else ()
        yield from columns([headers, *rows])
    yield from explained.facts()
    yield files
