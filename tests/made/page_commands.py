"""The commands of benchsuite in the console blocks of a page, and what the command line makes of them."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from named_commands import parsers

PARSERS = dict(parsers())


def commands(page: Path) -> Iterator[str]:
    """Every command in the console blocks of a page, without its comment. A prompt ``$`` and output are passed over."""
    for block in re.findall(
        r"^```console\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    ):
        for line in block.splitlines():
            parts = re.split(r"\s&&\s", re.sub(r"\s+#.*", "", line.removeprefix("$ ")))
            yield from (part for part in parts if part.startswith("benchsuite "))


def parsed(command: str) -> tuple[str, argparse.Namespace]:
    """The command's name and its arguments. Raises ``SystemExit`` if the command line refuses them."""
    words = shlex.split(command)[1:]
    name = next((n for n in (" ".join(words[:2]), words[0]) if n in PARSERS), words[0])
    return name, PARSERS[name].parse_args(words[len(name.split()) :])
