"""``benchsuite train``: trains a network by a recipe, or a grid of trainings; resumes a stopped one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from benchsuite.cli.bars import bars
from benchsuite.cli.console import add_results, out, print_json, print_table
from benchsuite.errors import BadParameter, expected
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.specs.catalog import Catalog
    from benchsuite.training.job import TrainRequest


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
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Trains and prints the result. With several processes, started by ``torchrun``, only the leader prints."""
    from benchsuite.distributed import process_group
    from benchsuite.progress import Progress
    from benchsuite.training.job import TrainRequest
    from benchsuite.training.run import train

    if (args.architecture is None) == (args.grid is None) or (args.grid and args.recipe):
        got = " ".join(word for word in (args.architecture, args.recipe, args.grid) if word) or "nothing"
        raise BadParameter(expected("the training", "an ARCHITECTURE with its --recipe, or a --grid", got))
    names = ("recipe", "data", "scale", "epochs", "seed", "heldout", "device", "precision", "compiled", "fresh")
    request = TrainRequest(args.architecture or "", **{n: getattr(args, n) for n in names}, results=args.results)
    leads = process_group.leads()
    progress = bars() if leads else Progress()
    catalog = load_plugins()
    for name, reason in catalog.broken:
        progress.note(f"plugin {name} could not be loaded: {reason}")
    if args.grid:
        return _grid(args, request, catalog, progress)
    row = train(request, catalog, progress)
    if leads:
        _print(row, args.json)
    return 0


def _grid(args: argparse.Namespace, request: TrainRequest, catalog: Catalog, progress: Any) -> int:
    from benchsuite.distributed import process_group
    from benchsuite.report.tables.text import grid_table
    from benchsuite.training import grid

    def tell(rows: list[dict[str, Any]]) -> None:
        *_, (*_, error, minutes, _) = grid_table(rows)[1]
        progress.note(f"error {error} %, {minutes} minutes")

    names = grid.matching(args.grid, args.data, catalog)
    done = []
    for name in names:
        rows = grid.train(request, name, catalog, progress, tell)
        done.append({"grid": name, "trainings": rows})
        if process_group.leads() and not args.json:
            print_table(out(), "" if names == [args.grid] else name, *grid_table(rows))
    if process_group.leads() and args.json:
        print_json(done[0] if names == [args.grid] else {"grids": done})
    return 0


def _print(row: dict[str, Any], as_json: bool) -> None:
    from benchsuite.report.tables.text import training_table

    if as_json:
        print_json({"trainings": [row]})
        return
    headers, (cells,) = training_table([row])
    for header, cell in zip(headers, cells, strict=True):
        print(f"{header:24} {cell}")
    print(f"{'answered from' if row['cached'] else 'written to'} {row['path']}")
    if row["scale"] != "full":
        print(f"scale {row['scale']}: smaller than the recipe, so not comparable with the published number")
