"""Tests of the commands as functions: each has one, with a keyword for every option, and docs/api.md lists it."""

from __future__ import annotations

import argparse
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import benchsuite
from benchsuite.cli import COMMANDS, make_parser

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "run": benchsuite.evaluate,
    "sweep": benchsuite.sweep,
    "train": benchsuite.train,
    "list": benchsuite.list_entries,
    "show": benchsuite.show,
    "compare": benchsuite.compare,
    "explain": benchsuite.explain,
    "audit": benchsuite.audit,
    "report": benchsuite.write_report,
    "tables": benchsuite.write_tables,
    "data check": benchsuite.check_data,
    "data prepare": benchsuite.prepare_data,
    "plugin new": benchsuite.new_plugin,
    "plugin check": benchsuite.check_plugin,
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
    "explain --transform": "transforms",
    "explain --compile": "compiled",
    "audit run_name": "run",
    "audit --batch-size": "batch_sizes",
    "audit --world-size": "world_sizes",
    "train --held-out": "heldout",
    "train --compile": "compiled",
    "sweep file": "definition",
    "sweep --on": "place",
    "report names": "runs",
}
"""Options whose keyword has another name: one for several values, or not a word that Python uses itself."""

LEFT_OUT = {
    "--help": "help(function)",
    "--json": ".record, .records or .row of the result",
    "--debug": "an error of Python has its traceback",
    "run --format": ".rendered(name) of the result",
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


def options(command: str, parser: argparse.ArgumentParser) -> list[str]:
    """The options and arguments of a command, each by its long name, without those of ``LEFT_OUT``."""
    actions: list[Any] = parser._actions
    names = [a.option_strings[-1] if a.option_strings else a.dest for a in actions]
    return [name for name in names if name not in LEFT_OUT and f"{command} {name}" not in LEFT_OUT]


def keywords(function: Callable[..., Any]) -> set[str]:
    """The names that a function takes, with those of the TypedDict of its ``**options``."""
    found = set()
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            (unpacked,) = typing.get_args(eval(parameter.annotation, function.__globals__))
            found |= set(unpacked.__annotations__)
        else:
            found.add(name)
    return found


PARSERS = dict(parsers())


def test_every_command_has_a_function() -> None:
    assert set(PARSERS) == set(FUNCTIONS)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_every_option_is_a_keyword(command: str) -> None:
    known = keywords(FUNCTIONS[command])
    wanted = {
        name: RENAMED.get(f"{command} {name}", name.removeprefix("--").replace("-", "_"))
        for name in options(command, PARSERS[command])
    }
    assert {name: keyword for name, keyword in wanted.items() if keyword not in known} == {}


def test_every_exception_is_an_option() -> None:
    every = {f"{command} {name}" for command, parser in PARSERS.items() for name in options(command, parser)}
    assert [name for name in RENAMED if name not in every] == []


@pytest.mark.parametrize("command", FUNCTIONS)
def test_the_page_lists_every_function_next_to_its_command(command: str) -> None:
    assert re.search(rf"^\| `{command}` \| `benchsuite\.{FUNCTIONS[command].__name__}\(", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_a_function_says_which_command_it_is(command: str) -> None:
    assert f"as ``benchsuite {command}`` does" in " ".join((FUNCTIONS[command].__doc__ or "").split())
    assert FUNCTIONS[command].__name__ in benchsuite.__all__
