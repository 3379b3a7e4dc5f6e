"""``benchsuite doctor``: what is installed, which loaders and devices work, how large cache and results are.

Exit status 1 if a required package is missing, or a loader, a device, a plugin or a folder does not work.
"""

from __future__ import annotations

import argparse

from benchsuite.cli.console import print_json, print_shown
from benchsuite.specs.catalog import load_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options of its own."""


def run(args: argparse.Namespace) -> int:
    """Prints whether all works, and a line for each trial."""
    from benchsuite.api.shell.installation import check_installation

    found = check_installation(catalog=load_plugins())
    if args.json:
        print_json(found.record)
    else:
        print_shown(found)
    return int(not found.fine)
