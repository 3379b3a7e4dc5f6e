"""``benchsuite cache``: what lies in the cache folder, and how old files are deleted from it."""

from __future__ import annotations

import argparse

from benchsuite.api.shell.caches import clear_cache, list_cache
from benchsuite.cli.console import add_common, print_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands ``list`` and ``clear``."""
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    shown = tasks.add_parser("list", help="how much of each kind lies in the cache")
    clear = tasks.add_parser("clear", help="delete what is old and used by no process")
    clear.add_argument("--older-than", required=True, metavar="AGE", help="written longer ago than 12h, 30d, 8w ...")
    clear.add_argument("--dry-run", action="store_true", help="only print what would be deleted")
    shown.set_defaults(work=lambda args: list_cache())
    clear.set_defaults(work=lambda args: clear_cache(args.older_than, dry_run=args.dry_run))
    for task in (shown, clear):
        add_common(task, task=True)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen task."""
    found = args.work(args)
    print_result(found, args, found.record)
    return 0
