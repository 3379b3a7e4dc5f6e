"""``benchsuite data``: say once where a data set lies, download it, check it, or prepare it for a fast loader."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

from benchsuite.cli.console import add_common

TASKS = {
    "add": "say once where a data set lies: its name alone is then enough",
    "list": "list the data sets that were added: where they lie, how many images, checked when, prepared or not",
    "remove": "forget where a data set lies; its files stay",
    "download": "download a data set that may be had freely, and add it",
    "check": "check a data set before a long run, and say what to do about each problem",
    "prepare": "write the file that a fast loader reads",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each task, which its own module describes."""
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    for name, text in TASKS.items():
        where = f"benchsuite.cli._data_{name}"
        if importlib.util.find_spec(where) is None:
            continue
        module = importlib.import_module(where)
        task = tasks.add_parser(name, help=text, description=module.__doc__)
        add_common(task, task=True)
        module.add_arguments(task)
        task.set_defaults(work=module.run)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen task."""
    status: int = args.work(args)
    return status
