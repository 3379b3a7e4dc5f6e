"""``benchsuite data prepare``: writes the file that a fast loader reads, and reads every image in it back."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchsuite.cli.console import endless, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``data prepare``."""
    add = parser.add_argument
    add("data", metavar="NAME[:PATH]", help="imagenet:PATH, cifar10:PATH, folder:PATH, digits ...")
    add("--loader", required=True, metavar="NAME", help="the loader that will read it: ffcv or ffcv:lossy")
    add(
        "--short-side",
        type=int,
        metavar="N",
        help="store images resized to short side N, for views with this resize (default: full size)",
    )
    add(
        "--interpolation",
        choices=("bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"),
        metavar="NAME",
        help="interpolation of --short-side, the one that the network's weights declare (default: bilinear)",
    )
    add("--out", type=Path, metavar="FILE", help="the file to write (default: one in the cache)")
    add("--workers", type=int, metavar="N", help="number of decoding threads (default: one per core)")
    add("--fresh", action="store_true", help="write the file again even if it is up to date")


def run(args: argparse.Namespace) -> int:
    """Writes the file, or finds it up to date, and prints where it is."""
    from benchsuite.api.datasets import prepare_data

    names = ("short_side", "interpolation", "out", "workers", "fresh")
    options = {name: getattr(args, name) for name in names}
    try:
        made = prepare_data(args.data, args.loader, **options, catalog=load_plugins())
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the incomplete file is not kept") from None
    print_result(made, args, made.record, room=endless())
    return 0
