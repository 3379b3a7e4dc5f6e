"""Downloads a data set that may be had freely (cifar10, cifar100, mnist, svhn, fashion-mnist ...), and adds it."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchsuite.api.catalog.data_places import download_data
from benchsuite.cli.console import endless, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, and the folder for its files."""
    parser.add_argument("name", metavar="NAME", help="the data set")
    where = "a new or empty folder for its files (default: BENCHSUITE_DATA/NAME, else one in the cache)"
    parser.add_argument("--to", type=Path, metavar="DIR", help=where)


def run(args: argparse.Namespace) -> int:
    """Prints where it is."""
    made = download_data(args.name, to=args.to, catalog=load_plugins())
    print_result(made, args, room=endless())
    return 0
