"""``benchsuite query "select ..."``: SQL over all runs and their predictions."""

from __future__ import annotations

import argparse
import math
from typing import Any

from benchsuite.api.shown import Section
from benchsuite.cli.console import add_every, add_results, endless, print_json, print_shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The query and the results folder."""
    parser.add_argument("sql", metavar="SQL", help="select protocol, top1_error from runs order by top1_error")
    add_every(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the rows that the query returns."""
    from benchsuite.runs import query

    names, rows = query.rows(args.sql, args.results)
    if args.json:
        print_json({"columns": names, "rows": [[plain(value) for value in row] for row in rows]})
    else:
        cells = [["" if value is None else str(value) for value in row] for row in rows]
        counted = f"{len(rows)} row{'' if len(rows) == 1 else 's'}"
        print_shown(Section(counted, (names, cells)), room=endless(), whole=args.every)
    return 0


def plain(value: Any) -> Any:
    """A value of SQL as JSON: NaN and infinity become null; dates, decimals and other types become text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)
