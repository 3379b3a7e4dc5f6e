"""``benchsuite doctor``: what is installed, which loaders and devices work, and which settings are in effect.

Exit status 1 if a required package is missing, or a loader, a device, a plugin or a folder does not work.
"""

from __future__ import annotations

import argparse

from benchsuite.cli.console import print_result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether each package and extra is a line."""
    parser.add_argument("--all", action="store_true", dest="every", help="each package and extra, and what it is for")


def run(args: argparse.Namespace) -> int:
    """Prints whether all works, and a line for each trial."""
    from benchsuite.api.shell.installation import check_installation
    from benchsuite.cli._settings import in_effect

    found = check_installation(settings=in_effect(args.settings), every=args.every)
    print_result(found, args)
    return int(not found.fine)
