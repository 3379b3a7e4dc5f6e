"""Forgets where a data set lies; its files stay."""

from __future__ import annotations

import argparse

from benchsuite.api.catalog.data_places import remove_data
from benchsuite.cli.console import endless, print_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set."""
    parser.add_argument("name", metavar="NAME", help="one of benchsuite data list")


def run(args: argparse.Namespace) -> int:
    """Prints what is forgotten."""
    removed = remove_data(args.name)
    print_result(removed, args, removed.record, room=endless())
    return 0
