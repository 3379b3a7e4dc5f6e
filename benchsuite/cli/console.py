"""Functions for the output of commands. rich is imported only for the streams of a run, not for plain text."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.report.tables.fitted import cut, fitted, wrapped

if TYPE_CHECKING:
    from rich.console import Console

    from benchsuite.api.shown import Shown


ON = "local, slurm or ray; with options, ray:HOST:6379,num_gpus=1 or slurm:timeout_min=60 (default: %(default)s)"
"""Help of the option ``--on``."""


def open_streams() -> None:
    """Makes standard output and error accept every text: what their encoding lacks is escaped (``\\u4e2d``).

    A stream that the caller closed (``>&-``) becomes the null device.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (open until the process ends)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def out() -> Console:
    """A console on standard output, for results only. If that is a file or a pipe, lines are 160 columns wide."""
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=160 if piped else None)


def width() -> int:
    """The width of lines in characters: COLUMNS, else that of the terminal, else 80."""
    return max(shutil.get_terminal_size().columns, 20)


def endless() -> int | None:
    """A width that cuts nothing if the output is a file or a pipe of unknown width, for long lists; else None."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else sys.maxsize


def rule() -> str:
    """The character of the line under the headers of a table, which the encoding of standard output must have."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    return "─" if encoding in ("utf-8", "utf8") else "-"


def print_shown(found: Shown, *, lists: bool = False, numbers: bool = False, room: int | None = None) -> None:
    """Prints a result: the answer, its table, the other sentences, and what is below.

    No line is wider than ``room``, by default ``width``. The rows of ``lists`` are cut there, those of other tables are
    wrapped. With ``numbers`` all columns but the first are right-aligned.
    """
    room = room or width()
    first, *rest = found.lines()
    print(*wrapped(first, room), sep="\n")
    cells, line = found.cells(), rule()
    table = [*(cut(cells, room, rule=line) if lists else fitted(cells, room, numbers=numbers, rule=line))]
    print(*(["", *table, *([""] if rest else [])] if table else []), sep="\n", end="\n" if table else "")
    for line in rest:
        print(*wrapped(line, room), sep="\n")
    for part in found.below():
        print()
        print_shown(part, lists=lists, numbers=numbers, room=room)


def print_json(value: Any) -> None:
    """Prints one JSON object on standard output. Raises ``ValueError`` for NaN and infinity, which JSON cannot hold.

    Unless the output is UTF-8, other characters than ASCII are escaped as JSON does it.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    print(json.dumps(value, indent=2, ensure_ascii=encoding not in ("utf-8", "utf8"), allow_nan=False))


def add_common(parser: argparse.ArgumentParser, *, task: bool = False) -> None:
    """The options of every command; those of a ``task`` leave in place what was typed before it."""
    for option, words in (
        ("--json", "print one JSON object on stdout and nothing else"),
        ("--debug", "show the traceback of an error"),
        ("--no-config", "read no config file"),
    ):
        parser.add_argument(option, action="store_true", default=argparse.SUPPRESS if task else False, help=words)


def tasks_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The tasks of a command, or the commands of the program, by name."""
    actions: list[Any] = parser._actions
    return next((dict(a.choices) for a in actions if isinstance(a, argparse._SubParsersAction)), {})


def add_results(parser: argparse.ArgumentParser) -> None:
    """The option ``--results``: the folder of the runs, by default BENCHSUITE_RESULTS or ./results."""
    default = Path(os.environ.get("BENCHSUITE_RESULTS") or "results")
    parser.add_argument(
        "--results", type=Path, default=default, metavar="DIR", help="folder of the runs (default: %(default)s)"
    )


def print_table(
    console: Any, title: str, headers: Sequence[str], lines: Sequence[Sequence[str]], *, numbers: bool = False
) -> None:
    """Prints a title and a table as wide as the console at most, with an empty line below; nothing without lines.

    With ``numbers`` the first column names the rows and is never wrapped; the others are right-aligned.
    """
    if lines:
        table = ([*headers], [[*line] for line in lines])
        text = [*([title] if title else []), *fitted(table, console.width, numbers=numbers, rule=rule()), ""]
        console.print("\n".join(text), markup=False, soft_wrap=True)
