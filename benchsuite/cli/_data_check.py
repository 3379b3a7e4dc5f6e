"""Checks a data set before a long run: counts, broken files, copies, sizes, and the order of the classes.

Exit status 0: fine; 1: a check failed; 2: the data set cannot be opened.
"""

from __future__ import annotations

import argparse
import sys

from benchsuite.cli.console import add_formats, add_results, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, whether all images are decoded, and the network whose predictions are compared."""
    add = parser.add_argument
    add("data", metavar="NAME[:PATH]", help="imagenet:PATH, cifar10:PATH ... see benchsuite list datasets")
    add("--split", choices=("test", "train"), default="test", help="which split to check (default: %(default)s)")
    add("--full", action="store_true", help="decode every image, and find copies by their pixels too")
    add(
        "--model",
        metavar="NAME",
        help="a trained network whose predictions show whether the classes are in the right order",
    )
    add("--weights", metavar="NAME|FILE", help="the weights of --model (default: the first that it declares)")
    add("--images", type=int, metavar="N", help="number of images shown to --model (default: 2000)")
    add("--device", help="the device that --model runs on (default: auto)")
    add("--all", action="store_true", dest="every", help="every finding, also what is fine, and more examples")
    add_formats(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the findings, a verdict, and what to do."""
    from benchsuite.api.datasets import check_data

    names = ("split", "full", "model", "weights", "images", "device", "every", "results")
    options = {name: getattr(args, name) for name in names}
    try:
        found = check_data(args.data, **options, catalog=load_plugins())
    except KeyboardInterrupt:
        raise KeyboardInterrupt("a check keeps no partial result: the same command starts from the beginning") from None
    print_result(found, args, found.record)
    if found.result.failure:
        print(f"benchsuite: {found.result.failure}", file=sys.stderr)
    return found.result.exit_status
