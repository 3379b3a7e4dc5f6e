"""Tests of the commands as functions: each has one, with a keyword for every option, and docs/api.md lists it."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from named_commands import FUNCTIONS, RENAMED, keyword, options, parsers

import benchsuite
from benchsuite import cli

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


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
CLI = Path(cli.__file__).parent


def test_every_command_has_a_function() -> None:
    assert set(PARSERS) == set(FUNCTIONS)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_every_option_is_a_keyword(command: str) -> None:
    known = keywords(FUNCTIONS[command])
    names = options(command, PARSERS[command])
    assert [name for name in names if keyword(command, name) not in known] == []


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


@pytest.mark.parametrize(
    "command", [name for name in FUNCTIONS if name != "query"]
)  # query prints plain values, which a DataFrame changes
def test_the_command_line_calls_the_function(command: str) -> None:
    sources = [CLI / f"{command.partition(' ')[0]}.py", CLI / f"_{command.replace(' ', '_')}.py"]
    imported = {
        f"{node.module}.{alias.name}"
        for path in sources
        if path.is_file()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    function = FUNCTIONS[command]
    assert f"{function.__module__}.{function.__name__}" in imported
