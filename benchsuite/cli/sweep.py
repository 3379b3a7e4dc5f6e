"""``benchsuite sweep``: every combination of architectures, protocols and data sets that a TOML file names."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.api.bars import bars
from benchsuite.cli.console import ON, add_results, out, print_json, print_table
from benchsuite.specs.catalog import load_plugins

WIDE = 110
"""Width of a terminal, in columns, from which on the table of a sweep has all its columns."""

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
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 1 when a cell failed."""
    from benchsuite.api.sweeping import sweep
    from benchsuite.distributed.process_group import leads
    from benchsuite.progress import Progress

    progress = bars() if leads() else Progress()

    def report(spec: Sweep, cell: SweepCell, state: CellState) -> None:
        number, varied = spec.cells.index(cell) + 1, names(spec.cells)
        progress.note(f"{number} of {len(spec.cells)}: {_short(cell, varied)}: {_state_text(state)}")

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
    states = dict(found.states)
    if args.json:
        print_json({"sweep": found.definition.name, "cells": found.records})
    else:
        console, varied = out(), names(found.definition.cells)
        print_table(console, found.definition.name, *table(states, varied, wide=console.width >= WIDE))
        for line in (*found.preprocessing, *_reasons(states, varied)):
            print(line)
    return int(bool(found.failed))


def names(cells: Sequence[SweepCell]) -> list[str]:
    """The fields in which these cells differ, and always architecture, protocol and data."""
    usual = ["architecture", "protocol", "data"]
    rest = ["weights", "preprocess", "transform", "precision", "loader", "seed"]
    return [*usual, *(name for name in rest if len({getattr(cell, name) for cell in cells}) > 1)]


def table(states: dict[SweepCell, CellState], varied: list[str], *, wide: bool) -> tuple[list[str], list[list[str]]]:
    """A line for each cell: its names, its errors where it has any, and its state.

    Without ``wide`` the only result is the top-1 error, so that the names are not broken over several lines.
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
    """The errors of failed cells, one line per error: a missing folder fails every cell that needs it."""
    failed: dict[str, list[str]] = {}
    for cell, state in states.items():
        if state.error is not None:
            failed.setdefault(state.error, []).append(_short(cell, varied))
    cells = [f"{first} and {len(rest)} more" if rest else first for first, *rest in failed.values()]
    return [f"{name}: {error}" for name, error in zip(cells, failed, strict=True)]


def _short(cell: SweepCell, varied: Sequence[str]) -> str:
    """A short name that distinguishes the cell from the others."""
    return " ".join([cell.architecture, cell.protocol, cell.data, *(f"{n}={getattr(cell, n)}" for n in varied[3:])])


def _state_text(state: CellState) -> str:
    if state.error is not None:
        return f"{state.state}: {state.error}"
    return state.state if state.row is None else f"{state.state}, top-1 error {state.row['top1_error']:.2f} %"
