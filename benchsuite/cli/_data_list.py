"""Lists the data sets that were added: where they lie, how many images, checked when, prepared or not."""

from __future__ import annotations

import argparse

from benchsuite.api.catalog.data_places import list_data
from benchsuite.cli.console import endless, print_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints how many there are, and a line for each."""
    known = list_data()
    print_result(known, args, known.record, room=endless())
    return 0
