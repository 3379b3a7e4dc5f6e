"""``benchsuite reproduce``: measures published figures again, and judges whether they were reproduced.

NAME is the id of a figure (benchsuite list published), a pattern of ids such as 'he-t4-*', or a model for all of its
figures. Exit status 1 if a figure was not reproduced, 0 if all were or cannot be compared.
"""

from __future__ import annotations

import argparse

from benchsuite.api.bars import bars
from benchsuite.cli.console import add_every, add_formats, print_result
from benchsuite.cli.run import add_evaluation, evaluation_options
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The figures, whether trainings are allowed, and the options of an evaluation."""
    add = parser.add_argument
    add("name", metavar="NAME", help="the id of a published figure, a pattern of ids, or a model")
    add("--plan", action="store_true", help="only print what would be run, what it costs, and what is missing")
    add("--train", action="store_true", help="also train the recipes of figures that were trained for; says how long")
    add("--scale", default="full", help="of trainings: full, or mini, which is not comparable (default: %(default)s)")
    add("--seeds", type=int, default=1, metavar="N", help="of each training: judge figures by N seeds (default: 1)")
    add_every(parser)
    add_formats(parser)
    add_evaluation(parser)


def run(args: argparse.Namespace) -> int:
    """Prints what will be run on stderr, then the verdict and one table."""
    from benchsuite.api.reproduction.reproduce import PlannedReproduction, reproduce

    asked = {name: getattr(args, name) for name in ("plan", "train", "scale", "seeds")}
    found = reproduce(args.name, **asked, **evaluation_options(args), catalog=load_plugins(), progress=bars())
    print_result(found, args, found.record, whole=args.every)
    return 0 if isinstance(found, PlannedReproduction) else int(not found.fine)
