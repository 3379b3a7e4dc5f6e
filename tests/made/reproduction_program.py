"""Runs ``benchsuite reproduce colours`` in a process of its own, which a test kills before its second network is read.

python reproduction_program.py DATA RESULTS
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from made_up_figures import CATALOG, ColoursPlugin, figure, install

from benchsuite import Architecture, Catalog, hookimpl, load_plugins
from benchsuite.cli import main

FIGURES = (
    figure("first", "99.0"),
    figure("second", "99.0", protocol="10crop"),
    figure("third", "99.0", weights="other"),
)
"""The first two are of one network, the third is of another."""


def wait() -> Any:
    """Makes the file RESULTS/waiting: the second network is wanted. Then waits for the end."""
    Path(sys.argv[2], "waiting").touch()
    time.sleep(60)


class WaitingPlugin:
    """``colours``, whose weights ``other`` never come."""

    __name__ = "colours"  # the owner of a network is part of a run's id

    @hookimpl
    def benchsuite_architectures(self) -> tuple[Architecture, ...]:
        (colours,) = ColoursPlugin().benchsuite_architectures()
        even, other = colours.weights
        return (dataclasses.replace(colours, weights=(even, dataclasses.replace(other, load=wait))),)


def command(data: str, results: str) -> list[str]:
    """The command line."""
    return ["reproduce", "colours", "--data", data, "--results", results, "--device", "cpu", "--batch-size", "64"]


def installed(patch: pytest.MonkeyPatch, catalog: Catalog = CATALOG) -> None:
    """Gives the command the made-up figures and network."""
    install(patch, *FIGURES)
    patch.setattr("benchsuite.cli.reproduce.load_plugins", lambda: catalog)


if __name__ == "__main__":
    installed(pytest.MonkeyPatch(), load_plugins(entry_points=False, extra=[WaitingPlugin()]))
    sys.exit(main(command(*sys.argv[1:])))
