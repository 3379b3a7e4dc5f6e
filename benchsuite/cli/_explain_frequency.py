"""``benchsuite explain RUN --frequency``: which spatial frequencies a network uses."""

from __future__ import annotations

import argparse
from pathlib import Path


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
