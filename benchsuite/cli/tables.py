"""``benchsuite tables``: regenerates the tables of committed results from the runs next to them.

The pages are those of the results folder and of its subfolders. In committed manifests, the paths of the machine that
made them are replaced by PATH.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchsuite.cli.console import add_results, endless, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The pages, and whether they are written or only checked."""
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="pages of Markdown (default: all of them)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if anything would change")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Makes every table, then writes the changed files; with ``--check`` it only prints what would change."""
    from benchsuite.api.pages import write_tables

    found = write_tables(*args.pages, check=args.check, results=args.results, catalog=load_plugins())
    print_result(found, args, found.record, room=endless())
    return int(not found.fine)
