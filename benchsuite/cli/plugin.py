"""``benchsuite plugin``: write a plugin of your own, or check that one keeps its contract."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchsuite.cli.console import add_common, endless, print_result
from benchsuite.scaffold.new import USES
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands ``new`` and ``check``."""
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    new = tasks.add_parser("new", help="write a small package that installs and passes its checks as it is")
    new.add_argument("name", metavar="NAME", help="of the package, its plugin and what it declares: my-net")
    new.add_argument(
        "--kind", choices=tuple(USES), default="architecture", help="what it declares (default: %(default)s)"
    )
    new.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="where its folder is made (default: .)")
    new.set_defaults(work=_new)
    text = "check everything that a plugin declares; exit 1 if something is wrong"
    check = tasks.add_parser("check", help=text, description=_check.__doc__)
    check.add_argument("name", metavar="NAME", help="an installed plugin or package, or a name that one declares")
    check.set_defaults(work=_check)
    for task in (new, check):
        add_common(task, task=True)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen task."""
    status: int = args.work(args)
    return status


def _new(args: argparse.Namespace) -> int:
    from benchsuite.api.catalog.plugins import new_plugin

    made = new_plugin(args.name, args.kind, into=args.into)
    print_result(made, args, made.record, room=endless())
    return 0


def _check(args: argparse.Namespace) -> int:
    """Checks what a plugin imports and everything that it declares. Each failure says how to mend it."""
    from benchsuite.api.catalog.plugins import check_plugin

    found = check_plugin(args.name, catalog=load_plugins())
    print_result(found, args, found.record, room=endless())
    return int(not found.passed)
