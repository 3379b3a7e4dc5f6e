"""``benchsuite completion SHELL``: prints the script by which bash, zsh or fish complete names and options.

bash: eval "$(benchsuite completion bash)" in ~/.bashrc; zsh: eval "$(benchsuite completion zsh)" after compinit in
~/.zshrc; fish: benchsuite completion fish > ~/.config/fish/completions/benchsuite.fish
"""

from __future__ import annotations

import argparse

from benchsuite.api.shell.completion import SCRIPTS, completion_script
from benchsuite.cli.console import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", metavar="SHELL", help=f"one of {', '.join(SCRIPTS)}")


def run(args: argparse.Namespace) -> int:
    """Prints the script."""
    script = completion_script(args.shell)
    if args.json:
        print_json({"shell": args.shell, "script": script})
    else:
        print(script, end="")
    return 0
