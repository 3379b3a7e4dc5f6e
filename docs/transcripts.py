"""The output below the commands of the pages, made again by running them.

``python docs/transcripts.py [--check] [PAGE ...]`` runs every line ``$ benchsuite ...`` of the console blocks of the
pages, 80 columns wide, and writes what it prints below it; ``--check`` compares, and its exit status is 1 if a page
differs. The commands read the committed results; nothing is trained. Commands without ``$`` are not run. Those of a
page that says ``<!-- made-up data -->`` run on the pictures and the network of ``made_up.py``. An exit status of 1 is
printed below an output; another one is an error.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from benchsuite.cli import console
from benchsuite.cli import main as benchsuite
from benchsuite.report.tables.text import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))
BLOCK = re.compile(r"(?<=^```console\n)\$ .*?(?=^```$)", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
MADE_UP = "<!-- made-up data -->"
MACHINE = (
    (re.compile(r"\b\d+(\.\d+)? (?=(s|ms|minutes?|hours?|images/s)\b)"), "N "),
    (re.compile(r"\b\d+(\.\d+)? (?=[kMG]B\b)"), "N "),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.+]+"), "DATE"),
)
"""What is another on each machine or at each time, and what it is replaced by."""


def fixed(text: str) -> str:
    """A text that is the same on every machine and in every folder."""
    text = text.replace(os.path.realpath(os.curdir), "")
    for pattern, stand_in in MACHINE:
        text = pattern.sub(stand_in, text)
    return text


@contextlib.contextmanager
def fixed_output() -> Iterator[None]:
    """Commands print the same on every machine and in every folder."""
    wrapped, fitted, cut = console.wrapped, console.fitted, console.cut

    def cells(table: Table) -> Table:
        headers, rows = table
        return [*map(fixed, headers)], [[*map(fixed, row)] for row in rows]

    with patch.multiple(
        console,
        wrapped=lambda text, room: wrapped(fixed(text), room),
        fitted=lambda table, room, **options: fitted(cells(table), room, **options),
        cut=lambda table, room, **options: cut(cells(table), room, **options),
    ):
        yield


def printed(command: str, tidy: Callable[[str], str] = str) -> str:
    """What a command prints, ``tidy``, without spaces at the ends of lines. Raises ``RuntimeError`` if it fails."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    here = os.path.realpath(os.curdir)
    words = shlex.split(command.replace("/data/", f"{here}/data/"))
    with contextlib.redirect_stdout(stream):
        status = benchsuite(words[1:])
        stream.flush()
    text = tidy(stream.buffer.getvalue().decode("utf-8"))
    if status not in (0, 1):
        raise RuntimeError(f"exit status {status}: {command}")
    lines = [*text.strip("\n").splitlines(), *(["(exit status 1)"] if status else [])]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def run_again(block: str, tidy: Callable[[str], str]) -> str:
    """A block with the present output of its commands."""
    commands = [line for line in block.splitlines() if line.startswith(PROMPT)]
    return "\n".join(f"{line}\n{printed(line.removeprefix(PROMPT), tidy)}" for line in commands)


@contextlib.contextmanager
def apart(*, made_up: bool) -> Iterator[Callable[[str], str]]:
    """An empty folder with the committed results or the ``made_up`` data in it, and none of the user's settings.

    Yields what makes an output the same everywhere, which those of committed results are.
    """
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BENCHSUITE_")}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        own = {"BENCHSUITE_CACHE": f"{folder}/cache", "BENCHSUITE_CONFIG": "0", "XDG_CONFIG_HOME": f"{folder}/config"}
        with patch.dict(os.environ, {**plain, "COLUMNS": "80", **own}, clear=True), contextlib.ExitStack() as stack:
            if made_up:
                import made_up as data  # beside this file

                stack.enter_context(data.world(Path(folder).resolve()))
                stack.enter_context(fixed_output())
            else:
                Path("results").symlink_to(ROOT / "results")
            yield fixed if made_up else str


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page differs")
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="default: those of docs")
    args, differs = parser.parse_args(arguments), False
    for page in [path.resolve() for path in args.pages] or sorted((ROOT / "docs").glob("*.md")):
        before = page.read_text(encoding="utf-8")
        with apart(made_up=MADE_UP in before) as tidy:
            after = BLOCK.sub(lambda found: run_again(found.group(), tidy), before)
        if after != before:
            differs = True
            print(f"{page.name}: {'differs' if args.check else 'written'}")
            if not args.check:
                page.write_text(after, encoding="utf-8", newline="\n")
    return int(args.check and differs)


if __name__ == "__main__":
    sys.exit(main())
