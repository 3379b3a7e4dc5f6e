"""``benchsuite sweep``: every combination of architectures, protocols and data sets that a TOML file names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.api.bars import bars
from benchsuite.cli.console import ON, add_every, add_formats, add_results, print_result
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.runs.sweep import CellState
    from benchsuite.runs.sweep_file import Sweep, SweepCell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``sweep``."""
    add = parser.add_argument
    add("file", type=Path, metavar="FILE.toml", help="what is combined; docs/sweeps.md describes the format")
    add("--on", default="local", metavar="PLACE", help=ON)
    add("--dry-run", action="store_true", help="show the cells and their states, and evaluate nothing")
    add("--last-failed", action="store_true", help="only the cells that failed last time")
    add("--fresh", action="store_true", help="evaluate again, even if results exist")
    add_every(parser)
    add_formats(parser)
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 1 when a cell failed."""
    from benchsuite.api.sweeping import short, sweep, varied
    from benchsuite.distributed.process_group import leads
    from benchsuite.progress import Progress

    progress = bars() if leads() else Progress()

    def report(spec: Sweep, cell: SweepCell, state: CellState) -> None:
        number = spec.cells.index(cell) + 1
        progress.note(f"{number} of {len(spec.cells)}: {short(cell, varied(spec))}: {_state_text(state)}")

    found = sweep(
        args.file,
        place=args.on,
        dry_run=args.dry_run,
        last_failed=args.last_failed,
        fresh=args.fresh,
        results=args.results,
        report=report,
        catalog=load_plugins(),
        progress=progress,
    )
    if not leads():
        return 0
    print_result(found, args, {"sweep": found.definition.name, "cells": found.records}, whole=args.every)
    return int(bool(found.failed))


def _state_text(state: CellState) -> str:
    if state.error is not None:
        return f"{state.state}: {state.error}"
    return state.state if state.row is None else f"{state.state}, top-1 error {state.row['top1_error']:.2f} %"
