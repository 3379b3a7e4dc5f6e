"""The settings of config files as defaults of options. docs/shell.md describes them.

What is typed counts more than an environment variable, that more than a file, and that more than a built-in default.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.cli import COMMANDS, make_parser
from benchsuite.cli.console import tasks_of
from benchsuite.errors import BadParameter, expected, unknown_name
from benchsuite.storage.settings import Setting, read_settings, shown


@dataclass(frozen=True, slots=True)
class General:
    """A setting for several commands: the ``commands`` that take it (empty: all that have the option).

    ``usual`` is the built-in default in words.
    """

    usual: str
    commands: tuple[str, ...] = ()


_EVALUATING = ("run", "reproduce")

GENERAL = {
    "data": General("the embedded digits", ("run",)),
    "protocol": General("1crop", ("run",)),
    "weights": General("the first of the architecture", ("run",)),
    "precision": General("auto", _EVALUATING),
    "device": General("auto", (*_EVALUATING, "train", "data-check")),
    "loader": General("torch", _EVALUATING),
    "batch-size": General("8 on a CPU, 512 on a GPU", _EVALUATING),
    "resize-on": General("auto", _EVALUATING),
    "workers": General("by the number of cores", (*_EVALUATING, "data-prepare")),
    "compile": General("false", _EVALUATING),
    "results": General("results"),
    "cache": General("the user's cache folder"),
}
"""The settings outside of the table of a command."""

VARIABLES = {"results": "BENCHSUITE_RESULTS", "cache": "BENCHSUITE_CACHE"}
"""Settings that an environment variable overrides. Its value is also how the rest of the program learns them."""

ONCE = {
    *("help", "json", "debug", "no-config", "fresh", "plan", "dry-run", "last-failed", "check", "expect", "profile"),
    *("grid", "train", "from", "to", "frequency", "claim", "accuracy", "older-than", "model"),
    *("html", "markdown", "latex", "csv", "plots", "out"),
}
"""Options that belong to one call, such as what it is about and which file it writes: no settings."""

ALONE = {"explain": ("all", "top5", "results")}
"""The only settings of a command: ``explain`` refuses what does not fit its arguments, and data start a measurement."""

TABLES = ({*COMMANDS} - {"data", "plugin", "cache", "doctor", "completion"}) | {"data-check", "data-prepare"}
TABLES |= {"plugin-new"}
"""The commands that may have a table of their own."""

Chosen = dict[str, tuple[Setting, Any]]
"""By the name of an option in the parser: its setting, and the value as the parser would make it."""


def settings_in(files: Sequence[Path]) -> tuple[Setting, ...]:
    """The settings of the files that no environment variable overrides, those that count most first.

    Raises ``UnknownName`` for a name that no setting and no command has, and as ``read_settings`` does.
    """
    found = read_settings(files)
    for setting in found:
        if setting.command and setting.command not in TABLES:
            raise unknown_name("table of settings", setting.command, TABLES, f"({setting.origin})")
        if not setting.command and setting.key not in GENERAL:
            raise unknown_name("setting", setting.key, GENERAL, f"({setting.origin})")
    return tuple(setting for setting in found if not os.environ.get(VARIABLES.get(setting.key, "")))


@contextlib.contextmanager
def folders(settings: Sequence[Setting]) -> Iterator[None]:
    """The folders of cache and results stand in the environment during the block, also for processes that it starts."""
    first = {s.key: s for s in reversed(settings) if not s.command and s.key in VARIABLES}
    for key, setting in first.items():
        os.environ[VARIABLES[key]] = str(_folder(setting))
    try:
        yield
    finally:
        for key in first:
            del os.environ[VARIABLES[key]]


def offer(settings: Sequence[Setting], command: str, parser: argparse.ArgumentParser) -> None:
    """Makes settings the defaults of a command's options, and of those of its tasks, until ``filled``.

    A switch that a file sets can be unset by ``--no-SWITCH``. Raises ``UnknownName`` for an option that does not exist,
    and ``BadParameter`` for a value of another type.
    """
    for name, leaf in _leaves(command, tasks_of(parser)[command]):
        options = {a.option_strings[-1].removeprefix("--"): a for a in leaf._actions if a.option_strings}
        options = {
            key: action
            for key, action in options.items()
            if key in ALONE.get(name, options) and key not in ONCE and not action.required
        }
        chosen: Chosen = {}
        for setting in settings:
            action = options.get(setting.key)
            if setting.command == name and action is None:
                raise unknown_name(f"setting of {name}", setting.key, options, f"({setting.origin})")
            if action is not None and _concerns(setting, name):
                chosen.setdefault(action.dest, (setting, _converted(action, setting)))
        for key, action in options.items():
            if action.dest in chosen:
                action.help = (action.help or "").replace("%(default)s", str(action.default).replace("%", "%%"))
                action.default = argparse.SUPPRESS
                if action.nargs == 0:
                    leaf.add_argument(
                        f"--no-{key}",
                        dest=action.dest,
                        action="store_false",
                        default=argparse.SUPPRESS,
                        help=argparse.SUPPRESS,
                    )
        leaf.set_defaults(settings=chosen)


def filled(args: argparse.Namespace) -> list[Setting]:
    """Gives the options that were not typed their settings; returns those settings."""
    chosen: Chosen = vars(args).pop("settings", {})
    untyped = {dest: pair for dest, pair in chosen.items() if dest not in vars(args)}
    for dest, (_, value) in untyped.items():
        setattr(args, dest, value)
    return [setting for setting, _ in untyped.values()]


def said(used: Sequence[Setting]) -> None:
    """Prints on standard error which settings come from which file, in one line; of several processes, one prints."""
    from benchsuite.distributed.process_group import leads

    files = dict.fromkeys(setting.file for setting in used)
    parts = [f"{', '.join(s.key for s in used if s.file == file)} from {shown(file)}" for file in files]
    if parts and leads():
        print(f"benchsuite: {'; '.join(parts)}", file=sys.stderr)


def blamed(message: str, used: Sequence[Setting]) -> str:
    """An error with the place of each setting whose value it names."""
    places = [f"({s.key} is set in {s.origin})" for s in used if _named(message, s)]
    return " ".join([message, *places])


def in_effect(settings: Sequence[Setting]) -> list[tuple[str, str, str]]:
    """Every setting that has a value: its name, the value, and where that comes from. Checks all of them.

    Raises as ``offer`` does.
    """
    for command in sorted({name.partition("-")[0] for name in TABLES}):
        offer(settings, command, make_parser([command]))
    rows = []
    for key, general in GENERAL.items():
        setting = next((s for s in settings if s.name == key), None)
        variable = VARIABLES.get(key, "")
        if setting is not None:
            rows.append((key, _text(setting.value), setting.origin))
        elif os.environ.get(variable):
            rows.append((key, os.environ[variable], variable))
        else:
            rows.append((key, general.usual, "default"))
    first = {s.name: s for s in reversed(settings) if s.command}
    return rows + [(name, _text(s.value), s.origin) for name, s in sorted(first.items())]


def _concerns(setting: Setting, name: str) -> bool:
    if setting.command:
        return setting.command == name
    return name in (GENERAL[setting.key].commands or (name,))


def _named(message: str, setting: Setting) -> bool:
    """Whether an error names the value of a setting; a number alone may be another one."""
    values = setting.value if isinstance(setting.value, list) else [setting.value]
    words = message.replace("_", " ").replace("-", " ")
    return any(str(v) in message and (isinstance(v, str) or setting.key.replace("-", " ") in words) for v in values)


def _converted(action: argparse.Action, setting: Setting) -> Any:
    """The value of an option that a setting means. Raises ``BadParameter``."""
    value, repeatable = setting.value, isinstance(action, argparse._AppendAction)
    kind = bool if action.nargs == 0 else {int: int}.get(action.type, str)  # type: ignore[call-overload]
    values = value if repeatable and isinstance(value, list) else [value]
    if any(type(v) is not kind for v in values) or not values:
        rule = {bool: "true or false", int: "a whole number", str: "a text in quotes"}[kind]
        raise _refused(setting, f"{rule}, or a list of such" if repeatable else rule)
    if action.choices and any(v not in action.choices for v in values):
        raise _refused(setting, " or ".join(map(str, action.choices)))
    if action.type is Path:
        return _folder(setting)
    return values if repeatable else value


def _folder(setting: Setting) -> Path:
    """A folder; from the folder of its file, if it is relative. Raises ``BadParameter``."""
    if not isinstance(setting.value, str) or not setting.value:
        raise _refused(setting, "a folder, as a text in quotes")
    return setting.file.parent / Path(setting.value).expanduser()


def _refused(setting: Setting, rule: str) -> BadParameter:
    return BadParameter(expected(setting.name, rule, setting.value, setting.origin))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _leaves(command: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A command with its parser, or each of its tasks with its: ``data-check``."""
    tasks = tasks_of(parser)
    yield from ((f"{command}-{task}", leaf) for task, leaf in tasks.items())
    if not tasks:
        yield command, parser
