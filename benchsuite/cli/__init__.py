"""The command line: one file per command. Errors become one line on stderr and an exit status."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

from benchsuite.cli.console import open_streams
from benchsuite.data.prefetch import give_way
from benchsuite.errors import BenchsuiteError, first_line, unknown_name

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
    """Parses the arguments and runs the command; an error is one line. Raises ``BrokenPipeError``."""
    if given[:2] == ["complete", "--"]:
        from benchsuite.cli._complete import candidates

        with contextlib.suppress(BenchsuiteError):  # a shell shows what it gets in the middle of a line
            for word in candidates(given[2:] or [""]):
                print(word)
        return 0
    args = make_parser(given).parse_args(given)
    try:
        status: int = args.run(args)
        return status
    except BenchsuiteError as error:
        if args.debug:
            raise
        _say(str(error))
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
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"{__name__}.{name}") if name == chosen else None
        command = commands.add_parser(name, help=text, description=module.__doc__ if module else None)
        if module:
            command.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else")
            command.add_argument("--debug", action="store_true", help="show the traceback of an error")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
