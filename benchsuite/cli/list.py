"""``benchsuite list``: what is installed and what has been published, one line each. Imports neither torch nor rich."""

from __future__ import annotations

import argparse
import sys

from benchsuite.api.catalog.entries import KINDS, line
from benchsuite.api.catalog.listing import list_entries
from benchsuite.api.shown import columns
from benchsuite.cli.console import print_json
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kind to list, and the model whose rows are wanted."""
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("--model", metavar="NAME", help="only the published numbers or weights of this model")


def run(args: argparse.Namespace) -> int:
    """Prints the lists, and on standard error the plugins that could not be loaded."""
    found = list_entries(args.kind, model=args.model, catalog=load_plugins())
    for name, reason in found.broken:
        print(f"Not loaded: {name}: {' '.join(reason.split())}", file=sys.stderr)
    if args.json:
        print_json(found.record)
        return 0
    for kind, entries in found.lists.items():
        print(f"{kind} ({len(entries)})")
        print(*columns(line(kind, entry) for entry in entries), sep="\n", end="\n" if entries else "")
    return 0
