"""Looks a data set over before a long run: counts, broken files, copies, sizes, and the order of the classes.

Exit status 0: fine; 1: a check failed; 2: it cannot be opened.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchsuite.cli.console import add_results, columns, out, print_json, print_table
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.doctor.check import CheckResult

SHOWN = 5
"""Examples that are printed of a finding."""
LONGEST = 400
"""Characters of an example that are printed; the longest paths of one file are shorter on most disks."""
STATES = {"ok": "ok", "note": "note", "skipped": "not checked", "failed": "FAILED"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, how closely it is looked at, and the network that is asked."""
    add = parser.add_argument
    add("data", metavar="NAME[:PATH]", help="imagenet:PATH, cifar10:PATH ... see benchsuite list datasets")
    add("--split", choices=("test", "train"), default="test", help="which images (default: %(default)s)")
    add("--full", action="store_true", help="decode every image, and compare them by their pixels too")
    add("--model", metavar="NAME", help="a trained network whose answers tell whether the classes are in order")
    add("--weights", metavar="NAME|FILE", help="the weights of --model (default: its first ones)")
    add("--images", dest="shown", type=int, metavar="N", help="shown to --model (default: 2000)")
    add("--device", help="where --model computes (default: auto)")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the findings, a verdict, and what to do."""
    from benchsuite.cli.bars import bars
    from benchsuite.doctor.check import CheckRequest, checkup, flat

    names = ("data", "split", "full", "model", "weights", "shown", "device", "results")
    progress = bars()
    try:
        found = checkup(CheckRequest(**{name: getattr(args, name) for name in names}), load_plugins(), progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("nothing is kept of a check, the same command begins again") from None
    if args.json:
        print_json(flat(found))
    else:
        _print(found)
    if found.failure:
        print(f"benchsuite: {found.failure}", file=sys.stderr)
    return found.exit_status


def _print(found: CheckResult) -> None:
    from benchsuite.doctor.check import conclusion

    lines = [[f.check, STATES[f.level], f.text] for f in found.findings]
    console = out()
    print_table(console, f"{found.name}, {found.split} split", ["check", "state", "what was found"], lines)
    for finding in found.findings:
        if finding.examples:
            more = len(finding.examples) - SHOWN
            names = [
                *map(_short, finding.examples[:SHOWN]),
                *([f"and {more:,} more, which --json names"] if more > 0 else []),
            ]
            console.print(f"{finding.check}: {'; '.join(names)}", markup=False, soft_wrap=True)
    facts = [("digest of names, labels and file sizes", found.digest), ("digest of the pixels", found.pixels_digest)]
    known = [fact for fact in facts if fact[1]]
    if known:
        print("\n".join(columns(known, indent="")))
    print(conclusion(found))
    for finding in found.findings:
        if finding.advice:
            console.print(f"- {finding.check}: {finding.advice}.", markup=False, soft_wrap=True)


def _short(example: str) -> str:
    """An example that fits on a few lines: a group of copies may have thousands of names."""
    return example if len(example) <= LONGEST else f"{example[:LONGEST]}…"
