"""The output below the commands of the pages, made again by running them.

``python docs/transcripts.py [--check] [PAGE ...]`` runs every line ``$ benchsuite ...`` of the console blocks of the
pages, 80 columns wide, and writes what it prints below it; ``--check`` compares, and its exit status is 1 if a page
differs. The commands read the committed results; nothing is trained. Commands without ``$`` are not run.
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
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from benchsuite.cli import main as benchsuite

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?<=^```console\n)\$ .*?(?=^```$)", re.MULTILINE | re.DOTALL)
PROMPT = "$ "


def printed(command: str) -> str:
    """What a command prints, without spaces at the ends of lines. Raises ``RuntimeError`` if it fails."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    with contextlib.redirect_stdout(stream):
        status = benchsuite(shlex.split(command)[1:])
        stream.flush()
    text = stream.buffer.getvalue().decode("utf-8")
    if status:
        raise RuntimeError(f"exit status {status}: {command}")
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def run_again(block: str) -> str:
    """A block with the present output of its commands."""
    commands = [line for line in block.splitlines() if line.startswith(PROMPT)]
    return "\n".join(f"{line}\n{printed(line.removeprefix(PROMPT))}" for line in commands)


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """An empty folder with the committed results in it, and none of the user's settings."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BENCHSUITE_")}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("results").symlink_to(ROOT / "results")
        own = {"BENCHSUITE_CACHE": f"{folder}/cache", "BENCHSUITE_CONFIG": "0", "XDG_CONFIG_HOME": f"{folder}/config"}
        with patch.dict(os.environ, {**plain, "COLUMNS": "80", **own}, clear=True):
            yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page differs")
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="default: those of docs")
    args, differs = parser.parse_args(arguments), False
    for page in [path.resolve() for path in args.pages] or sorted((ROOT / "docs").glob("*.md")):
        before = page.read_text(encoding="utf-8")
        with apart():
            after = BLOCK.sub(lambda found: run_again(found.group()), before)
        if after != before:
            differs = True
            print(f"{page.name}: {'differs' if args.check else 'written'}")
            if not args.check:
                page.write_text(after, encoding="utf-8", newline="\n")
    return int(args.check and differs)


if __name__ == "__main__":
    sys.exit(main())
