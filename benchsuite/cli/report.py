"""``benchsuite report``: finished runs as one HTML page, as tables for papers, and as plots."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchsuite.cli.console import add_results, print_json
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, and where each kind of output goes."""
    add = parser.add_argument
    add(
        "names",
        nargs="*",
        metavar="RUN|FILE.json",
        help="ids, beginnings of ids, folders, or what explain --json and compare --json wrote (default: every run)",
    )
    add("--html", type=Path, metavar="FILE", help="a page that needs no network and no other file")
    add("--gallery", action="store_true", help="with pictures of the images that were fixed and broken, in the page")
    add(
        "--data",
        action="append",
        default=[],
        metavar="NAME:PATH",
        help="where the runs' images are now, for pictures and names of classes; repeatable (default: where they were)",
    )
    add("--markdown", type=Path, metavar="FILE", help="the tables for a README or an issue")
    add("--latex", type=Path, metavar="FILE", help="the tables for a paper")
    add("--csv", type=Path, metavar="FILE", help="a line for each run, pair and rung, unrounded")
    add("--plots", type=Path, metavar="DIR", help="every plot as PNG and SVG (needs matplotlib)")
    add("--title", default="benchsuite report", help="the title (default: %(default)s)")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Writes what was asked for; prints the names of the files, or the tables as Markdown where none was asked for."""
    from benchsuite.report import export
    from benchsuite.report.build import ReportRequest, build
    from benchsuite.report.markup import size_words

    told = {name: getattr(args, name) for name in ("results", "html", "markdown", "latex", "csv", "plots", "gallery")}
    request = ReportRequest(names=tuple(args.names), data=tuple(args.data), title=args.title, **told)
    built = build(request, load_plugins())
    for note in built.notes:
        print(f"benchsuite: {note}", file=sys.stderr)
    if args.json:
        print_json({**export.as_json(built.report), "files": [str(path) for path in built.files]})
    elif built.files:
        print(*(f"{path} ({size_words(path.stat().st_size)})" for path in built.files), sep="\n")
    else:
        print(export.markdown(built.report, args.title), end="")
    return 0
