"""``benchsuite tables``: makes the tables of committed results again from the runs beside them.

The pages are those of the results folder and of the folders in it. Committed manifests lose the paths of the machine
that they were made on.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.cli.console import add_results, print_json
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.report.results_pages import Page

SHOWN = 40
"""Lines of a difference that are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which pages, and whether they are written."""
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="pages of Markdown (default: all of them)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if anything would change")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Makes every table, then writes what has changed, or says it."""
    from benchsuite.report import committed_runs, results_pages
    from benchsuite.report.results_tables import maker

    make = maker(load_plugins())
    moved = list(committed_runs.kept(args.results))
    if not args.check:
        for found in moved:
            committed_runs.write(found)
    made = [results_pages.again(path, make) for path in args.pages or results_pages.pages_in(args.results)]
    faults = [*committed_runs.faults(args.results), *(fault for page in made for fault in page.faults)]
    changed = [path for page in made for path in page.changed]
    differs = bool(faults or (args.check and (moved or changed)))
    texts = [*(f"{found.path}: {_paths(found.paths, args.check)}" for found in moved), *_texts(made, args.check)]
    if not args.check:
        for page in made:
            page.write()
    if args.json:
        told = [{"path": str(page.path), "tables": page.tables} for page in made]
        files = {"changed": list(map(str, changed)), "with_paths": [str(found.path) for found in moved]}
        print_json({"pages": told, **files, "faults": faults, "written": not args.check})
    else:
        print(*texts, *faults, sep="\n")
    return int(differs)


def _paths(found: Sequence[str], check: bool) -> str:
    """What is said of a file that names paths of a machine, or relative ones of its data."""
    more = f" and {len(found) - 1} paths more" if len(found) > 1 else ""
    words = f"{found[0]}{more}" if found else "the path of its data"
    return f"names {words}; benchsuite tables puts PATH there" if check else f"{words} is now PATH"


def _texts(made: Sequence[Page], check: bool) -> Iterator[str]:
    for page in made:
        changed = page.changed
        state = "as it should be" if not changed else "differs" if check else "written"
        yield f"{page.path}: {page.tables} table{'' if page.tables == 1 else 's'}, {state}"
        for path, text in page.files if check else ():
            if path in changed:
                yield from _difference(path, text)


def _difference(path: Path, text: str) -> list[str]:
    """The lines that differ, from the file as it is to what it should be."""
    old = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = list(difflib.unified_diff(old, text.splitlines(), str(path), f"{path}, made again", lineterm="", n=1))
    more = [f"... and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]
