"""``benchsuite list``: what is installed and what has been published, one line each. Imports neither torch nor rich."""

from __future__ import annotations

import argparse
import dataclasses
import sys

from benchsuite.api.catalog.entries import KINDS
from benchsuite.api.catalog.listing import list_entries
from benchsuite.cli.console import add_formats, endless, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kind to list, and which of its entries are wanted."""
    add = parser.add_argument
    add("kind", nargs="?", metavar="KIND", help=f"one of {', '.join(KINDS)}")
    add("pattern", nargs="?", metavar="PATTERN", help="only names like this one: 'resnet*', 'timm:resnet*'")
    add("--model", metavar="NAME", help="only the published numbers or weights of this model")
    add("--weights", action="store_true", help="only architectures that have weights, with their names")
    add("--all", action="store_true", dest="every", help="each entry of a long list, which else is grouped or cut")
    add_formats(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the lists, and on standard error the plugins that could not be loaded."""
    options = {"model": args.model, "weights": args.weights, "every": args.every}
    found = list_entries(args.kind, args.pattern, **options, catalog=load_plugins())
    for name, reason in found.broken:
        print(f"Not loaded: {name}: {' '.join(reason.split())}", file=sys.stderr)
    listed = dataclasses.replace(found, broken=())
    full = dataclasses.replace(listed, every=args.every or args.kind is not None)
    print_result(listed, args, record=found.record, lists=True, room=endless(), full=full)
    return 0
