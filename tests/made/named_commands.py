"""Every command as it is typed, the function that it calls, and the keyword of each of its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import benchsuite
from benchsuite.cli import COMMANDS, make_parser

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "run": benchsuite.evaluate,
    "sweep": benchsuite.sweep,
    "train": benchsuite.train,
    "list": benchsuite.list_entries,
    "show": benchsuite.show,
    "compare": benchsuite.compare,
    "explain": benchsuite.explain,
    "reproduce": benchsuite.reproduce,
    "audit": benchsuite.audit,
    "report": benchsuite.write_report,
    "export": benchsuite.export,
    "tables": benchsuite.write_tables,
    "data add": benchsuite.add_data,
    "data list": benchsuite.list_data,
    "data remove": benchsuite.remove_data,
    "data download": benchsuite.download_data,
    "data check": benchsuite.check_data,
    "data prepare": benchsuite.prepare_data,
    "plugin new": benchsuite.new_plugin,
    "plugin check": benchsuite.check_plugin,
    "doctor": benchsuite.check_installation,
    "cache list": benchsuite.list_cache,
    "cache clear": benchsuite.clear_cache,
    "completion": benchsuite.completion_script,
    "query": benchsuite.query,
}
"""The function of each command."""

RENAMED = {
    "run architectures": "networks",
    "run --protocol": "protocols",
    "run --transform": "transforms",
    "run --compile": "compiled",
    "explain --from": "start",
    "explain --to": "goal",
    "run --all": "every",
    "list --all": "every",
    "show --all": "every",
    "compare --all": "every",
    "audit --all": "every",
    "data check --all": "every",
    "explain --all": "every",
    "doctor --all": "every",
    "explain --transform": "transforms",
    "explain --compile": "compiled",
    "reproduce --transform": "transforms",
    "reproduce --compile": "compiled",
    "audit run_name": "run",
    "audit --batch-size": "batch_sizes",
    "audit --world-size": "world_sizes",
    "train --held-out": "heldout",
    "train --compile": "compiled",
    "sweep file": "definition",
    "run --on": "place",
    "sweep --on": "place",
    "report names": "runs",
    "export names": "runs",
}
"""Options whose keyword has another name: one for several values, or not a word that Python uses itself."""

WITH_FORMATS = ("list", "show", "compare", "audit", "reproduce", "sweep", "data check")
"""Commands that print Markdown and write a page."""

LEFT_OUT = {
    "--help": "help(function)",
    "--json": ".record, .records or .row of the result",
    "--no-config": "functions read no config file",
    "--debug": "an error of Python has its traceback",
    "run --format": ".rendered(name) of the result",
    "explain --markdown": ".markdown of the result",
    **{f"{command} --all": "the result has every row" for command in ("query", "sweep", "reproduce", "train")},
    **{f"{command} --markdown": ".markdown of the result" for command in WITH_FORMATS},
    **{f"{command} --html": ".write_html(path) of the result" for command in WITH_FORMATS},
}
"""Options without a keyword, and what has their place."""


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command and subcommand with its parser."""
    for name in COMMANDS:
        command = subparsers(make_parser([name]))[name]
        yield from ((f"{name} {task}", parser) for task, parser in subparsers(command).items())
        if not subparsers(command):
            yield name, command


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions: list[Any] = parser._actions
    return next((dict(a.choices) for a in actions if isinstance(a, argparse._SubParsersAction)), {})


def keyword(command: str, option: str) -> str:
    """The keyword of an option: ``--short-side`` is ``short_side``."""
    return RENAMED.get(f"{command} {option}", option.removeprefix("--").replace("-", "_"))


def options(command: str, parser: argparse.ArgumentParser) -> list[str]:
    """The options and arguments of a command, each by its long name, without those of ``LEFT_OUT``."""
    actions: list[Any] = parser._actions
    names = [a.option_strings[-1] if a.option_strings else a.dest for a in actions]
    return [name for name in names if name not in LEFT_OUT and f"{command} {name}" not in LEFT_OUT]
