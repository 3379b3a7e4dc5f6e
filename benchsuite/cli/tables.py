"""``benchsuite tables``: regenerates the tables of committed results from the runs next to them.

The pages are those of the results folder and of its subfolders. In committed manifests, the paths of the machine that
made them are replaced by PATH.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.cli.console import add_results, print_json
from benchsuite.specs.catalog import load_plugins
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    from benchsuite.report.results_pages import Page

SHOWN = 40
"""At most this many lines of a difference are printed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The pages, and whether they are written or only checked."""
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="pages of Markdown (default: all of them)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if anything would change")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Makes every table, then writes the changed files; with ``--check`` it only prints what would change."""
    from benchsuite.report import committed_runs, results_pages
    from benchsuite.report.results_tables import maker

    make = maker(load_plugins())
    with_paths = list(committed_runs.files_with_paths(args.results))
    bulky = committed_runs.bulky(args.results)
    if not args.check:
        for file in with_paths:
            committed_runs.write(file)
        for folder in bulky:
            run_folder.compact(folder)
    pages = [results_pages.regenerate(path, make) for path in args.pages or results_pages.pages_in(args.results)]
    faults = [*committed_runs.faults(args.results), *(fault for page in pages for fault in page.faults)]
    changed = [path for page in pages for path in page.changed]
    differs = bool(faults or (args.check and (with_paths or changed or bulky)))
    compacted = "are too large; benchsuite tables makes them compact" if args.check else "made compact"
    texts = [f"{file.path}: {_paths(file.paths, args.check)}" for file in with_paths]
    texts += [f"{folder}: predictions {compacted}" for folder in bulky]
    texts += _texts(pages, args.check)
    if not args.check:
        for page in pages:
            page.write()
    if args.json:
        tables = [{"path": str(page.path), "tables": page.tables} for page in pages]
        files = {"changed": list(map(str, changed)), "with_paths": [str(file.path) for file in with_paths]}
        files["bulky"] = list(map(str, bulky))
        print_json({"pages": tables, **files, "faults": faults, "written": not args.check})
    else:
        print(*texts, *faults, sep="\n")
    return int(differs)


def _paths(paths: Sequence[str], check: bool) -> str:
    """The message about a file that contains absolute paths, or (without ``paths``) a relative path of its data."""
    more = f" and {len(paths) - 1} more paths" if len(paths) > 1 else ""
    words = f"{paths[0]}{more}" if paths else "the path of its data"
    return f"contains {words}; benchsuite tables writes PATH instead" if check else f"{words} replaced by PATH"


def _texts(pages: Sequence[Page], check: bool) -> Iterator[str]:
    for page in pages:
        changed = page.changed
        state = "up to date" if not changed else "differs" if check else "written"
        yield f"{page.path}: {page.tables} table{'' if page.tables == 1 else 's'}, {state}"
        for path, text in page.files if check else ():
            if path in changed:
                yield from _difference(path, text)


def _difference(path: Path, text: str) -> list[str]:
    """The lines that differ, from the file on disk to its new text."""
    old = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = list(difflib.unified_diff(old, text.splitlines(), str(path), f"{path}, regenerated", lineterm="", n=1))
    more = [f"... and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]
