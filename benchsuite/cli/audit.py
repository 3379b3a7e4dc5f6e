"""``benchsuite audit RUN``: the accuracy that each published accounting would have printed for the same predictions.

With ``--claim`` it prints how likely each accounting prints a claimed accuracy, also without a run, from the exact one.
"""

from __future__ import annotations

import argparse

from benchsuite.cli.console import add_formats, add_results, print_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the batch sizes to count in, the claim, and the random draws."""
    add = parser.add_argument
    add("run_name", nargs="?", metavar="RUN", help="an evaluation or a training: the beginning of its id, or its path")
    add("--batch-size", action="append", type=int, default=[], metavar="N", help="images in a batch; repeatable")
    add("--world-size", action="append", type=int, default=[], metavar="N", help="processes of a padded split")
    add("--claim", metavar="PERCENT", help="a published accuracy: how likely does each accounting print it?")
    add("--epochs", type=int, metavar="N", help="epochs that the claim was chosen from, all as accurate as the run")
    add("--accuracy", metavar="PERCENT", help="the exact accuracy, instead of a run")
    add("--images", type=int, metavar="N", help="images of the split, instead of a run (default: 10000)")
    add("--draws", type=int, default=1000, metavar="N", help="random sets of errors (default: %(default)s)")
    add("--orders", type=int, default=200, metavar="N", help="random orders of the images (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the random draws (default: %(default)s)")
    add("--all", action="store_true", dest="every", help="every table, and what each accounting does, with its source")
    add_formats(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the audit."""
    from benchsuite.api.auditing import audit

    names = ("claim", "accuracy", "epochs", "images", "draws", "orders", "seed", "every", "results")
    options = {name: getattr(args, name) for name in names}
    found = audit(args.run_name, batch_sizes=args.batch_size, world_sizes=args.world_size, **options)
    print_result(found, args, found.record, numbers=True)
    return 0
