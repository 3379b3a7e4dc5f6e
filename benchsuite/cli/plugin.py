"""``benchsuite plugin``: write a plugin of your own, or check that one keeps its contract."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from benchsuite.cli.console import columns, print_json
from benchsuite.specs.catalog import load_plugins

KINDS = ("architecture", "protocol", "perturbation", "dataset", "loader", "transform", "reporter")
"""What a new plugin may declare."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands ``new`` and ``check``."""
    tasks = parser.add_subparsers(title="tasks", metavar="TASK", required=True)
    new = tasks.add_parser("new", help="write a small package that installs and passes its checks as it is")
    new.add_argument("name", metavar="NAME", help="of the package, its plugin and what it declares: my-net")
    new.add_argument("--kind", choices=KINDS, default="architecture", help="what it declares (default: %(default)s)")
    new.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="where its folder is made (default: .)")
    new.set_defaults(work=_new)
    text = "check everything that a plugin declares; exit 1 if something is wrong"
    check = tasks.add_parser("check", help=text, description=_check.__doc__)
    check.add_argument("name", metavar="NAME", help="an installed plugin or package, or a name that one declares")
    check.set_defaults(work=_check)
    for task in (new, check):
        for option, words in (("--json", "print one JSON object"), ("--debug", "show the traceback of an error")):
            task.add_argument(option, action="store_true", default=argparse.SUPPRESS, help=words)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen task."""
    status: int = args.work(args)
    return status


def _new(args: argparse.Namespace) -> int:
    from benchsuite.scaffold.new import new_plugin

    made = new_plugin(args.name, args.kind, args.into)
    if args.json:
        print_json({"folder": str(made.folder), "kind": args.kind, "files": [str(file) for file in made.files]})
        return 0
    print(f"written to {made.folder}: {', '.join(str(file) for file in made.files)}")
    print("install it, check it, and run its tests:")
    print(*columns([[command] for command in made.commands]), sep="\n")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Checks what a plugin imports and everything that it declares. Each failure says how to mend it."""
    from benchsuite.testing.plugin import check_plugin

    findings = check_plugin(args.name, load_plugins())
    failed = [finding for finding in findings if not finding.passed]
    if args.json:
        rows = [dataclasses.asdict(f) | {"passed": f.passed, "mend": f.mend} for f in findings]
        print_json({"plugin": args.name, "passed": not failed, "findings": rows})
        return int(bool(failed))
    count = f"{len(failed)} of {len(findings)} checks failed" if failed else f"all {len(findings)} checks passed"
    print(f"{args.name}: {count}")
    words = {f.subject: "skipped" if f.skipped else "ok" if f.passed else f"FAILED: {f.defect}" for f in findings}
    print(*columns([[subject, word] for subject, word in words.items()]), sep="\n")
    for finding in failed:
        print(f"{finding.defect}: {finding.problem}")
        print(f"  {finding.mend}")
    for finding in findings:
        if finding.skipped:
            print(f"{finding.subject} was not checked: {finding.skipped}")
    return int(bool(failed))
