"""``benchsuite compare``: two runs, several runs against the first, or two groups of runs, on the same images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchsuite.cli.console import add_formats, add_results, print_result
from benchsuite.errors import BadParameter, expected

AGAINST = "vs"
"""The word between two groups of runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, in one list or in two groups."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help=f"ids, beginnings of ids, or folders; A B, A B C (each against A), or A B {AGAINST} C D (two groups)",
    )
    parser.add_argument("--all", action="store_true", dest="every", help="also the classes that changed most")
    add_formats(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the comparison. Raises ``DataError`` for runs that are not of the same images."""
    from benchsuite.api.comparison import ComparedGroups, compare

    parts = _parts(args.runs)
    found = compare(*(parts if len(parts) == 2 else parts[0]), every=args.every, results=args.results)
    record = {"groups": found.record} if isinstance(found, ComparedGroups) else {"comparisons": found.records}
    print_result(found, args, record)
    return 0


def _parts(words: Sequence[str]) -> list[list[str]]:
    """``A B vs C D`` -> two lists; without the word one list of at least two runs."""
    if AGAINST not in words:
        if len(words) < 2:
            raise BadParameter(expected("runs to compare", "two or more", f"{len(words)}: {words[0]}"))
        return [list(words)]
    place = words.index(AGAINST)
    parts = [list(words[:place]), list(words[place + 1 :])]
    if not all(parts) or AGAINST in parts[1]:
        raise BadParameter(expected("two groups of runs", f"written A B {AGAINST} C D", " ".join(words)))
    return parts
