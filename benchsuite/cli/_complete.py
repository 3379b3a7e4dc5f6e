"""``benchsuite complete -- WORD ...``: what the last word may become, a line each. The scripts of shells call it.

Prints nothing where files are wanted, or where nothing fits. Only what is needed is loaded: the options of one command,
the plugins for names that they declare, the results folder for runs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "tf32")
PLACES = ("auto", "host", "device")

VALUES: dict[str, tuple[str, ...]] = {
    "protocol": ("protocols",),
    "start": ("protocols", "published"),
    "goal": ("protocols", "published"),
    "data": ("datasets",),
    "loader": ("loaders",),
    "transform": ("transforms",),
    "format": ("reporters",),
    "recipe": ("recipes",),
    "model": ("architectures",),
    "architecture": ("architectures",),
    "architectures": ("architectures", "runs"),
    "kind": ("kinds",),
    "runs": ("runs",),
    "run_name": ("runs",),
    "run": ("runs",),
    "shell": ("shells",),
    "device": ("devices",),
    "precision": ("precisions",),
    "resize_on": ("places",),
    "scale": ("scales",),
}
"""The kinds of names that an option or argument takes, by its name in the parser; others take text or files."""

COMMAND_VALUES: dict[tuple[str, str], tuple[str, ...]] = {
    ("list", "pattern"): ("of the kind",),
    ("show", "name"): ("architectures", "protocols", "datasets", "transforms", "runs", "published"),
    ("explain", "names"): ("architectures", "runs", "published"),
    ("reproduce", "name"): ("published", "architectures"),
    ("report", "names"): ("runs",),
    ("data", "name"): ("datasets",),
}
"""The same, where the name alone does not tell."""


def candidates(words: Sequence[str]) -> list[str]:
    """What the last of the words after ``benchsuite`` may become, sorted. ``words`` has at least one, maybe empty."""
    from benchsuite.cli import COMMANDS, make_parser
    from benchsuite.cli.console import tasks_of

    *before, current = words
    if not any(word in COMMANDS for word in before):
        return _fitting([*COMMANDS, "--help", "--version"], current)
    command = next(word for word in before if word in COMMANDS)
    parser, typed = make_parser([command]), before
    while tasks := tasks_of(parser):
        chosen = next((word for word in typed if word in tasks), None)
        if chosen is None:
            return _fitting(_options(parser) if current.startswith("-") else tasks, current)
        parser, typed = tasks[chosen], typed[typed.index(chosen) + 1 :]
    options = _options(parser)
    name, equals, value = current.partition("=")
    if equals and name in options:
        return [f"{name}={found}" for found in _values(command, options[name], value, before)]
    if typed and typed[-1] in options and options[typed[-1]].nargs is None:
        return _values(command, options[typed[-1]], current, before)
    if current.startswith("-"):
        return _fitting(options, current)
    position = _position(parser, options, typed)
    return _values(command, position, current, before) if position else []


def _options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {text: action for action in parser._actions for text in action.option_strings}


def _position(
    parser: argparse.ArgumentParser, options: dict[str, argparse.Action], typed: Sequence[str]
) -> argparse.Action | None:
    """The argument that the next word without an option belongs to; None if there is none left."""
    count, takes_value = 0, False
    for word in typed:
        if not takes_value and not word.startswith("-"):
            count += 1
        takes_value = not takes_value and word in options and options[word].nargs is None
    places = [action for action in parser._actions if not action.option_strings]
    if count < len(places):
        return places[count]
    return places[-1] if places and places[-1].nargs in ("*", "+") else None


def _values(command: str, action: argparse.Action, current: str, before: Sequence[str]) -> list[str]:
    if action.choices:
        return _fitting(map(str, action.choices), current)
    kinds = COMMAND_VALUES.get((command, action.dest), VALUES.get(action.dest, ()))
    kinds = tuple(word for kind in kinds for word in (before[-1:] if kind == "of the kind" else [kind]))
    return _fitting((name for kind in kinds for name in NAMES.get(kind, _declared(kind))(before)), current)


def _fitting(names: Iterable[str], current: str) -> list[str]:
    return sorted({name for name in names if name.startswith(current)})


def _declared(kind: str) -> Callable[[Sequence[str]], Iterable[str]]:
    """The names of a kind that plugins declare; a family is ``timm:``, because its names would import its library."""

    def names(before: Sequence[str]) -> Iterable[str]:
        from benchsuite.specs.catalog import load_plugins

        catalog = load_plugins()
        if kind in ("recipes", "weights"):
            from benchsuite.api.catalog.entries import KINDS

            return (entry["name"] for entry in KINDS[kind](catalog))
        return (name.removesuffix("NAME") for name in getattr(catalog, kind))

    return names


def _runs(before: Sequence[str]) -> Iterable[str]:
    """The ids of runs and trainings in the folder of ``--results``, if that is typed already, or the usual one."""
    typed = [b for a, b in pairwise(before) if a == "--results"]
    typed += [word.partition("=")[2] for word in before if word.startswith("--results=")]
    results = Path(typed[-1] if typed else os.environ.get("BENCHSUITE_RESULTS") or "results")
    return (path.parent.name for kind in ("runs", "training") for path in results.glob(f"{kind}/*/manifest.json"))


def _published(before: Sequence[str]) -> Iterable[str]:
    from benchsuite.explanation import ledger

    return (row.id for row in ledger.load())


def _kinds(before: Sequence[str]) -> Iterable[str]:
    from benchsuite.api.catalog.entries import KINDS

    return KINDS


def _shells(before: Sequence[str]) -> Iterable[str]:
    from benchsuite.api.shell.completion import SCRIPTS

    return SCRIPTS


NAMES: dict[str, Callable[[Sequence[str]], Iterable[str]]] = {
    "runs": _runs,
    "published": _published,
    "kinds": _kinds,
    "shells": _shells,
    "devices": lambda before: DEVICES,
    "precisions": lambda before: PRECISIONS,
    "places": lambda before: PLACES,
    "scales": lambda before: ("full", "mini"),
}
"""Where the names of each kind come from, if no plugin declares them."""
