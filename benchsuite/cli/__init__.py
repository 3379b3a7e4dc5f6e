"""The command line: one file per command. Errors become one line on stderr and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from benchsuite.cli.console import add_common, open_streams
from benchsuite.data.prefetch import give_way
from benchsuite.errors import BenchsuiteError, first_line, unknown_name

if TYPE_CHECKING:
    from pathlib import Path

    from benchsuite.storage.settings import Setting

COMMANDS = {
    "run": "evaluate architectures under test protocols",
    "sweep": "evaluate every combination of architectures, protocols and data sets that a file names",
    "train": "train an architecture by a recipe",
    "list": "list architectures, protocols, datasets, loaders, reporters, recipes, weights or published numbers",
    "show": "show a protocol with its views, an architecture, a dataset, a published number or a run",
    "compare": "compare runs on the same images: which images were fixed or broken, and whether that can be chance",
    "doctor": "try what is installed: packages, loaders, devices, plugins, folders",
    "explain": "explain why two error rates differ, one factor at a time",
    "reproduce": "measure published figures again, and judge whether they were reproduced",
    "audit": "count the predictions of a run under every published accounting, and judge a claimed accuracy",
    "report": "show finished runs: one HTML page, tables for papers, plots",
    "export": "write finished runs for other tools: model cards of the Hugging Face hub, MLflow, W&B, CSV",
    "tables": "regenerate the tables of committed results, or check that they are up to date",
    "data": "add, list, download, check or prepare data sets",
    "plugin": "write a plugin of your own, or check one",
    "cache": "list what lies in the cache, or delete what is old",
    "completion": "print the script by which bash, zsh or fish complete names and options",
    "query": "query all runs in SQL: tables runs and predictions",
}
"""The help text of each command; a command's module is imported only when it is used."""

QUICK = ("list", "complete")
"""Commands that answer at once."""

_NO_CONFIG = "--no-config"


class _Version(argparse.Action):
    """Prints the version, and the environment below it."""

    def __call__(self, *_: object) -> NoReturn:
        from benchsuite.storage.environment import described

        print(*described(), sep="\n")
        raise SystemExit(0)


class _Parser(argparse.ArgumentParser):
    """argparse with one line per error, which suggests the nearest name."""

    def error(self, message: str) -> NoReturn:
        if "invalid choice: " in message:
            argument, _, rest = message.removeprefix("argument ").partition(": invalid choice: ")
            wrong, _, known = rest.partition(" (choose from ")
            names = [name.strip(" '\"") for name in known.removesuffix(")").split(",")]
            message = str(unknown_name(argument.lower(), wrong.strip("'\""), names))
        self.exit(2, f"benchsuite: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0 success, 1 an expectation failed, 2 an error, 130 interrupted.

    A reader that closes the pipe is no error.
    """
    give_way()
    open_streams()
    given = sys.argv[1:] if arguments is None else [*arguments]  # not list(): here that may be the command's module
    try:
        try:
            with _quickly(given):
                return _command(given)
        finally:  # also after --help, which raises SystemExit
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextlib.contextmanager
def _quickly(given: Sequence[str]) -> Iterator[None]:
    """Collects no garbage during a command that only imports and prints: that takes a tenth of its time."""
    pause = gc.isenabled() and any(word in QUICK for word in given[:1])
    if pause:
        gc.disable()
    try:
        yield
    finally:
        if pause:
            gc.enable()


def _command(given: Sequence[str]) -> int:
    """Reads the settings and runs the command with them; an error is one line. Raises ``BrokenPipeError``."""
    completes = given[:2] == ["complete", "--"]
    try:
        with _read(given) as settings:
            return _print_candidates(given[2:] or [""]) if completes else _run(given, settings)
    except BenchsuiteError as error:  # of the settings, or of what completes
        if completes:  # a shell shows what it gets in the middle of a line
            return 0
        if "--debug" in given:
            raise
        print(f"benchsuite: {error}", file=sys.stderr)
        return error.exit_status


@contextlib.contextmanager
def _read(given: Sequence[str]) -> Iterator[Sequence[Setting]]:
    """The settings of config files for a command, if there are any; where the folders that they name are in effect."""
    files: Sequence[Path] = ()
    if _chosen(given) and not any(map(_NO_CONFIG.startswith, _long(given))):
        from benchsuite.storage.files import config_files

        files = config_files()
    if not files:
        yield ()
        return
    from benchsuite.cli._settings import folders, settings_in

    settings = settings_in(files)
    with folders(settings):
        yield settings


def _print_candidates(words: Sequence[str]) -> int:
    from benchsuite.cli._complete import candidates

    for word in candidates(words):
        print(word)
    return 0


def _run(given: Sequence[str], settings: Sequence[Setting]) -> int:
    """Parses the arguments and runs the command. Raises ``BenchsuiteError`` for settings that the command cannot use.

    Other errors are one line.
    """
    parser, command = make_parser(given), _chosen(given)
    used: list[Setting] = []
    if settings and command in COMMANDS:
        from benchsuite.cli._settings import blamed, filled, offer, said

        offer(settings, command, parser)
    args = parser.parse_args(given)
    if settings:
        used = filled(args)
        said(used)
    args.settings = settings
    try:
        status: int = args.run(args)
        return status
    except BenchsuiteError as error:
        if args.debug:
            raise
        _say(blamed(str(error), used) if used else str(error))
        return error.exit_status
    except KeyboardInterrupt as error:
        if args.debug:
            raise
        outcome = str(error) or "finished work is kept, and the same command continues from there"
        print(f"benchsuite: interrupted; {outcome}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if args.debug:
            raise
        _say(f"{type(error).__name__}: {first_line(error)} (--debug shows where)")
        return 2


def _say(line: str) -> None:
    """Prints why the command ends; of several processes that ``torchrun`` started, the first one that fails does."""
    from benchsuite.distributed.process_group import first_to_fail

    if first_to_fail():
        print(f"benchsuite: {line}", file=sys.stderr, flush=True)


def make_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser with every command; only the command that is first among the arguments gets its options."""
    parser = _Parser(
        prog="benchsuite",
        description="Evaluates image classifiers under any test protocol, counts exactly, and keeps every prediction.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and the environment")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    chosen = _chosen(arguments)
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"{__name__}.{name}") if name == chosen else None
        command = commands.add_parser(name, help=text, description=module.__doc__ if module else None)
        if module:
            add_common(command)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _chosen(arguments: Sequence[str]) -> str | None:
    """The command among the arguments."""
    return next((word for word in arguments if not word.startswith("-")), None)


def _long(arguments: Sequence[str]) -> list[str]:
    """The long options among the arguments, which argparse also takes shortened."""
    return [word for word in arguments if word.startswith("--") and len(word) > 2]
