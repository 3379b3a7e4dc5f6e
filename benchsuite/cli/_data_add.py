"""Says once where a data set lies: ``--data NAME`` is then enough everywhere. It is opened first.

Exit status 0: added; 2: it cannot be opened, and nothing is changed.
"""

from __future__ import annotations

import argparse

from benchsuite.api.catalog.data_places import add_data
from benchsuite.cli.console import endless, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set and its path."""
    parser.add_argument("name", metavar="NAME", help="imagenet, cifar10, imagenet-r ... see benchsuite list datasets")
    parser.add_argument("path", metavar="PATH", help="what follows NAME: after --data: a folder, an archive, a URL ...")


def run(args: argparse.Namespace) -> int:
    """Prints what was found where."""
    added = add_data(args.name, args.path, catalog=load_plugins())
    print_result(added, args, added.record, room=endless())
    return 0
