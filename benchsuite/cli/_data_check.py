"""Checks a data set before a long run: counts, broken files, copies, sizes, and the order of the classes.

Exit status 0: fine; 1: a check failed; 2: the data set cannot be opened.
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
"""Examples that are printed for each finding."""
LONGEST = 400
"""Characters that are printed of an example: more than the path of one file has on most disks."""
STATES = {"ok": "ok", "note": "note", "skipped": "not checked", "failed": "FAILED"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The data set, whether all images are decoded, and the network whose predictions are compared."""
    add = parser.add_argument
    add("data", metavar="NAME[:PATH]", help="imagenet:PATH, cifar10:PATH ... see benchsuite list datasets")
    add("--split", choices=("test", "train"), default="test", help="which split to check (default: %(default)s)")
    add("--full", action="store_true", help="decode every image, and find copies by their pixels too")
    add(
        "--model",
        metavar="NAME",
        help="a trained network whose predictions show whether the classes are in the right order",
    )
    add("--weights", metavar="NAME|FILE", help="the weights of --model (default: the first that it declares)")
    add("--images", dest="shown", type=int, metavar="N", help="number of images shown to --model (default: 2000)")
    add("--device", help="the device that --model runs on (default: auto)")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the findings, a verdict, and what to do."""
    from benchsuite.api.bars import bars
    from benchsuite.doctor.check import CheckRequest, checkup, flat

    names = ("data", "split", "full", "model", "weights", "shown", "device", "results")
    progress = bars()
    try:
        result = checkup(CheckRequest(**{name: getattr(args, name) for name in names}), load_plugins(), progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("a check keeps no partial result: the same command starts from the beginning") from None
    if args.json:
        print_json(flat(result))
    else:
        _print(result)
    if result.failure:
        print(f"benchsuite: {result.failure}", file=sys.stderr)
    return result.exit_status


def _print(result: CheckResult) -> None:
    from benchsuite.doctor.check import conclusion

    lines = [[f.check, STATES[f.level], f.text] for f in result.findings]
    console = out()
    print_table(console, f"{result.name}, {result.split} split", ["check", "state", "what was found"], lines)
    for finding in result.findings:
        if finding.examples:
            more = len(finding.examples) - SHOWN
            names = [
                *map(_short, finding.examples[:SHOWN]),
                *([f"and {more:,} more, listed by --json"] if more > 0 else []),
            ]
            console.print(f"{finding.check}: {'; '.join(names)}", markup=False, soft_wrap=True)
    facts = [("digest of names, labels and file sizes", result.digest), ("digest of the pixels", result.pixels_digest)]
    known = [fact for fact in facts if fact[1]]
    if known:
        print("\n".join(columns(known, indent="")))
    print(conclusion(result))
    for finding in result.findings:
        if finding.advice:
            console.print(f"- {finding.check}: {finding.advice}.", markup=False, soft_wrap=True)


def _short(example: str) -> str:
    """An example cut to ``LONGEST`` characters: a group of copies may have thousands of names."""
    return example if len(example) <= LONGEST else f"{example[:LONGEST]}…"
