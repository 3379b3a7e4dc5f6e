"""``benchsuite sweep``: every combination of architectures, protocols and data sets that a TOML file names."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.cli.bars import bars
from benchsuite.cli.console import add_results, out, print_json, print_table
from benchsuite.specs.catalog import load_plugins

WIDE = 110
"""Columns of a terminal that holds the whole table of a sweep."""

if TYPE_CHECKING:
    from benchsuite.runs.sweep import CellState
    from benchsuite.runs.sweep_file import SweepCell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``sweep``."""
    add = parser.add_argument
    add("file", type=Path, metavar="FILE.toml", help="what is combined; docs/sweeps.md says how it is written")
    add("--on", default="local", metavar="PLACE", help="local, slurm or ray (default: %(default)s)")
    add("--dry-run", action="store_true", help="show the cells and what is known of them, and do nothing")
    add("--last-failed", action="store_true", help="only the cells that failed last time")
    add("--fresh", action="store_true", help="evaluate again, whatever is there")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 1 when a cell failed."""
    from benchsuite.distributed import executors
    from benchsuite.distributed.process_group import leads
    from benchsuite.progress import Progress
    from benchsuite.runs import sweep, sweep_file

    catalog = load_plugins()
    asked = sweep_file.read(args.file, catalog)
    choice = sweep.SweepOptions(args.results, args.on, args.last_failed, args.fresh)
    progress = bars() if leads() else Progress()
    for name, reason in catalog.broken:
        progress.note(f"plugin {name} could not be loaded: {reason}")
    for pattern in asked.idle if leads() else ():
        progress.note(f"no cell matches the [[skip]] of {pattern}")
    if args.dry_run:
        executors.check(args.on)
        made = sweep.board(asked, choice)
        sweep.survey(asked, choice, catalog, made, lambda cell, state: None)
        states = made.states
    else:
        numbers = {cell: i for i, cell in enumerate(asked.cells, 1)}
        varied = names(asked.cells)

        def tell(cell: SweepCell, state: CellState) -> None:
            progress.note(f"{numbers[cell]} of {len(numbers)}: {_short(cell, varied)}: {_words(state)}")

        states = sweep.sweep(asked, choice, catalog, progress, tell)
    if not leads():
        return 0
    if args.json:
        print_json({"sweep": asked.name, "cells": [_object(cell, state) for cell, state in states.items()]})
    else:
        console, varied = out(), names(asked.cells)
        print_table(console, asked.name, *table(states, varied, wide=console.width >= WIDE))
        for line in _reasons(states, varied):
            print(line)
    return int(any(state.state == "failed" for state in states.values()))


def names(cells: Sequence[SweepCell]) -> list[str]:
    """The names of a cell's parts that tell these cells from each other, and always the first three."""
    usual = ["architecture", "protocol", "data"]
    rest = ["weights", "precision", "loader", "seed"]
    return [*usual, *(name for name in rest if len({getattr(cell, name) for cell in cells}) > 1)]


def table(states: dict[SweepCell, CellState], varied: list[str], *, wide: bool) -> tuple[list[str], list[list[str]]]:
    """A line for each cell: its names, its errors where it has any, and its state.

    In a narrow terminal it holds the top-1 error alone, so that names are not cut into pieces.
    """
    from benchsuite.report.tables import text

    results = ["n", "top-1 error %", "top-5 error %", "images/s"] if wide else ["top-1 error %"]
    lines = []
    for cell, state in states.items():
        cells = dict.fromkeys(results, "")
        if state.row is not None:
            headers, (line,) = text.result_table([state.row])
            cells = dict(zip(headers, line, strict=True))
        shown = [cells[name] if wide else cells[name].partition(" [")[0] for name in results]
        lines.append([*(str(getattr(cell, name)) for name in varied), *shown, state.state])
    return [*varied, *(results if wide else ["error %"]), "state"], lines


def _reasons(states: dict[SweepCell, CellState], varied: Sequence[str]) -> list[str]:
    """Why cells failed, a line for each reason: one folder that is not there fails every cell on it."""
    failed: dict[str, list[str]] = {}
    for cell, state in states.items():
        if state.error is not None:
            failed.setdefault(state.error, []).append(_short(cell, varied))
    cells = [f"{first} and {len(rest)} more" if rest else first for first, *rest in failed.values()]
    return [f"{name}: {error}" for name, error in zip(cells, failed, strict=True)]


def _short(cell: SweepCell, varied: Sequence[str]) -> str:
    """The cell in the words that tell it from the others."""
    return " ".join([cell.architecture, cell.protocol, cell.data, *(f"{n}={getattr(cell, n)}" for n in varied[3:])])


def _words(state: CellState) -> str:
    if state.error is not None:
        return f"{state.state}: {state.error}"
    return state.state if state.row is None else f"{state.state}, top-1 error {state.row['top1_error']:.2f} %"


def _object(cell: SweepCell, state: CellState) -> dict[str, Any]:
    return {**dataclasses.asdict(cell), "state": state.state, "error": state.error, **(state.row or {})}
