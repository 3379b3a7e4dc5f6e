"""``benchsuite export``: finished runs for other tools: model cards, MLflow, Weights & Biases, CSV."""

from __future__ import annotations

import argparse

from benchsuite.cli.console import add_results, print_json
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, the reporter, and where it writes."""
    add = parser.add_argument
    add("names", nargs="*", metavar="RUN", help="ids, beginnings of ids or folders (default: every run)")
    add(
        "--to",
        required=True,
        metavar="REPORTER",
        help="csv, model-index, eval-results, mlflow, wandb, markdown, latex, or that of a plugin; options follow "
        "after a colon, as in model-index:name=ORG/MODEL or mlflow:experiment=NAME",
    )
    add(
        "--out",
        metavar="FILE|PLACE",
        help="the file (default: standard output); for mlflow a file *.db or a tracking URI, for wandb a folder "
        "(default: their own)",
    )
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the text, or where each run is now."""
    from benchsuite.api.pages import export

    found = export(*args.names, to=args.to, out=args.out, results=args.results, catalog=load_plugins())
    if args.json:
        print_json(found.record)
    else:
        print("".join(f"{line}\n" for line in found.where) or found.text or "", end="")
    return 0
