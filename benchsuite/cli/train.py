"""``benchsuite train``: trains a network by a recipe, or a grid of trainings; resumes a stopped one."""

from __future__ import annotations

import argparse
from typing import Any

from benchsuite.api.bars import bars
from benchsuite.cli.console import add_every, add_results, print_json, print_result, print_shown
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``train``."""
    add = parser.add_argument
    add("architecture", nargs="?", metavar="ARCHITECTURE", help="resnet20, pnn:level=0.1 ...: overrides recipe options")
    add("--recipe", metavar="NAME", help="see benchsuite list recipes (default: the recipe of the data set)")
    add("--grid", metavar="NAME", help="train every combination of this grid, or of all grids that match hfc-* ...")
    add("--data", metavar="NAME[:PATH]", help="cifar10:PATH ... (default: the data set of the recipe)")
    add("--scale", default="full", help="full, or mini: smaller, for two CPU cores (default: %(default)s)")
    add("--epochs", type=int, metavar="N", help="default: the recipe's; the schedule is scaled in proportion")
    add("--seed", type=int, metavar="N", help="default: the recipe's")
    add(
        "--held-out",
        dest="heldout",
        type=int,
        default=0,
        metavar="N",
        help="do not train on N training images: choose an epoch by them",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
    add("--precision", default="auto", help="auto (bf16 or fp16 if the device has it, else fp32), fp32, bf16 or fp16")
    add("--compile", dest="compiled", action="store_true", help="compile the network with torch.compile")
    add("--fresh", action="store_true", help="train again from the start, even if results or a checkpoint exist")
    add_every(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Trains and prints the result. With several processes, started by ``torchrun``, only the leader prints."""
    from benchsuite.api.training import Training, train
    from benchsuite.distributed import process_group
    from benchsuite.progress import Progress
    from benchsuite.report.tables.text import grid_table
    from benchsuite.training.grid import matching

    leads = process_group.leads()
    progress = bars() if leads else Progress()

    def tell(rows: list[dict[str, Any]]) -> None:
        *_, (*_, error, minutes, _) = grid_table(rows)[1]
        progress.note(f"error {error} %, {minutes} minutes")

    names = ("data", "scale", "epochs", "seed", "heldout", "device", "precision", "compiled", "fresh", "results")
    catalog = load_plugins()
    options: Any = {name: getattr(args, name) for name in names} | {"catalog": catalog, "progress": progress}
    if args.grid is None or args.architecture or args.recipe:
        found = train(args.architecture, args.recipe, grid=args.grid, **options)
        if leads and isinstance(found, Training):
            print_result(found, args, {"trainings": [dict(found.row)]})
        return 0
    grids = matching(args.grid, args.data, catalog)
    done = []
    for name in grids:
        trained = train(grid=name, tell=tell, **options)
        done.append({"grid": name, "trainings": [dict(row) for row in trained.rows]})
        if leads and not args.json:
            print_shown(trained, whole=args.every)
    if leads and args.json:
        print_json(done[0] if grids == [args.grid] else {"grids": done})
    return 0
