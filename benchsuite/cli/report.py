"""``benchsuite report``: finished runs as one HTML page, as tables for papers, and as plots."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchsuite.cli.console import add_results, print_json
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, and the path of each kind of output."""
    add = parser.add_argument
    add(
        "names",
        nargs="*",
        metavar="RUN|FILE.json",
        help="ids, beginnings of ids, folders, or files of explain --json and compare --json (default: every run)",
    )
    add("--html", type=Path, metavar="FILE", help="one self-contained page that needs no network and no other file")
    add("--gallery", action="store_true", help="put pictures of the images that were fixed and broken into the page")
    add(
        "--data",
        action="append",
        default=[],
        metavar="NAME[:PATH]",
        help="the runs' images, for pictures and class names; repeatable (default: the paths that the runs were given)",
    )
    add("--markdown", type=Path, metavar="FILE", help="the tables for a README or an issue")
    add("--latex", type=Path, metavar="FILE", help="the tables for a paper")
    add(
        "--csv",
        type=Path,
        metavar="FILE",
        help="a line for each run, rung, pair, radius, training, epoch, unrounded",
    )
    add("--plots", type=Path, metavar="DIR", help="every plot as PNG and SVG (needs matplotlib)")
    add("--title", default="benchsuite report", help="the title (default: %(default)s)")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Writes the requested files and prints their paths; if none is requested, prints the tables as Markdown."""
    from benchsuite.api.pages import write_report

    names = ("html", "gallery", "data", "markdown", "latex", "csv", "plots", "title", "results")
    options = {name: getattr(args, name) for name in names}
    found = write_report(*args.names, **options, catalog=load_plugins())
    for note in found.built.notes:
        print(f"benchsuite: {note}", file=sys.stderr)
    if args.json:
        print_json(found.record)
    elif found.files:
        print(*found.written, sep="\n")
    else:
        print(found.markdown, end="")
    return 0
