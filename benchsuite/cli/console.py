"""Functions for the output of commands. rich is not imported."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.report.tables.fitted import cut, fitted, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchsuite.api.shown import Shown


ON = "local, slurm or ray; with options, ray:HOST:6379,num_gpus=1 or slurm:timeout_min=60 (default: %(default)s)"
"""Help of the option ``--on``."""


ROWS, SCREEN, LINES, LONG = (20, 10, 5, 2), 24, 8, 4
"""How many rows of a table are shown, the first number with which it has at most ``SCREEN`` lines; how many sentences
below it, and how many lines of each."""


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


def width() -> int:
    """The width of lines in characters: COLUMNS, else that of the terminal, else 80."""
    return max(shutil.get_terminal_size().columns, 20)


def on_screen() -> bool:
    """Whether the output goes to a terminal, or to something whose width is in COLUMNS; not to a file or a pipe."""
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def endless() -> int | None:
    """A width that cuts nothing if the output goes to no screen, for long lists; else None."""
    return None if on_screen() else sys.maxsize


def rule() -> str:
    """The character of the line under the headers of a table, which the encoding of standard output must have."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    return "─" if encoding in ("utf-8", "utf8") else "-"


def print_result(
    found: Shown,
    args: argparse.Namespace,
    *,
    record: Any = None,
    lists: bool = False,
    numbers: bool = False,
    room: int | None = None,
    whole: bool = True,
    full: Shown | None = None,
) -> None:
    """Prints a result as the options ask: as JSON, as Markdown, or as ``print_shown`` does; also writes its page.

    ``record`` is the object of ``--json``, by default that of the result. ``full`` is the result with what a screen has
    no room for, if it is another one: it is printed where there is no screen, and is in Markdown and on the page.
    """
    full = full or found
    if getattr(args, "html", None) is not None:
        full.write_html(args.html)
    if args.json:
        print_json(found.record if record is None else record)
    elif getattr(args, "markdown", False):
        print(full.markdown)
    else:
        print_shown(found if on_screen() else full, lists=lists, numbers=numbers, room=room, whole=whole)


def print_shown(
    found: Shown, *, lists: bool = False, numbers: bool = False, room: int | None = None, whole: bool = True
) -> None:
    """Prints a result: the answer, its table, the other sentences, and what is below.

    No line is wider than ``room``, by default ``width``. The rows of ``lists`` are cut there, those of other tables are
    wrapped. With ``numbers`` all columns but the first are right-aligned. Unless ``whole``, what is more than a screen
    is counted, to be shown by ``--all``; a file or a pipe gets all of it.
    """
    room, whole = room or width(), whole or not on_screen()
    first, *rest = found.lines()
    print(*wrapped(first, room), sep="\n")
    headers, rows = found.cells()

    def laid(some: Sequence[Sequence[str]]) -> list[str]:
        table = headers, [[*row] for row in some]
        return [*(cut(table, room, rule=rule()) if lists else fitted(table, room, numbers=numbers, rule=rule()))]

    count = len(rows) if whole else next((n for n in ROWS if len(laid(rows[:n])) <= SCREEN), 1)
    table = laid(rows[:count])
    if not whole:
        hidden = [f"{len(rows) - count} more rows: --all"] if len(rows) > count else []
        more = [f"{len(rest) - LINES} more lines: --all"] if len(rest) > LINES else []
        rest = [*hidden, *rest[:LINES], *more]
    print(*(["", *table, *([""] if rest else [])] if table else []), sep="\n", end="\n" if table else "")
    for line in rest:
        parts = wrapped(line, room)
        print(*(parts if whole or len(parts) <= LONG else [*parts[: LONG - 1], "  ... --all"]), sep="\n")
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


def add_formats(parser: argparse.ArgumentParser) -> None:
    """The other forms of a table."""
    parser.add_argument("--markdown", action="store_true", help="print Markdown instead of text")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page")


def add_every(parser: argparse.ArgumentParser) -> None:
    """The option that shows more than a screen."""
    parser.add_argument("--all", action="store_true", dest="every", help="also what is more than a screen")


def add_results(parser: argparse.ArgumentParser) -> None:
    """The option ``--results``: the folder of the runs, by default BENCHSUITE_RESULTS or ./results."""
    default = Path(os.environ.get("BENCHSUITE_RESULTS") or "results")
    parser.add_argument(
        "--results", type=Path, default=default, metavar="DIR", help="folder of the runs (default: %(default)s)"
    )
