"""``benchsuite show NAME``: a protocol's views, an architecture's weights, a transform, a published number, a run."""

from __future__ import annotations

import argparse

from benchsuite.api.catalog.description import show
from benchsuite.cli.console import add_formats, add_results, print_result
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The name to show, and the architecture and dataset for which the views of a protocol are made."""
    add = parser.add_argument
    add("name", metavar="NAME", help="a protocol (10crop:merge=logit), an architecture, a published id, a run ...")
    add("--architecture", default="resnet50", metavar="NAME", help="for a protocol's views (default: %(default)s)")
    add("--data", metavar="NAME[:PATH]", help="the dataset whose preprocessing and mirror rule the views follow")
    add("--all", action="store_true", dest="every", help="all that is known, and not only what matters most")
    add_formats(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what is known of the name."""
    options = {"architecture": args.architecture, "data": args.data, "every": args.every, "results": args.results}
    found = show(args.name, **options, catalog=load_plugins())
    print_result(found, args, found.record)
    return 0
