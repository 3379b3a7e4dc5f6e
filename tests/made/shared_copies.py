"""Counts several data sets, one after the other, in the processes of ``torchrun``: JSON of names and data sets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from benchsuite.storage import logit_cache

logit_cache.CHUNK = 17  # before others import it: six chunks of a hundred images

from benchsuite.evaluation.chunk import ChunkInProgress  # noqa: E402
from benchsuite.evaluation.question import RunRequest  # noqa: E402
from benchsuite.progress import Progress  # noqa: E402
from benchsuite.runs.run import run  # noqa: E402
from benchsuite.specs.catalog import load_plugins  # noqa: E402

PROTOCOL = "1crop:resize=32,crop=32"
"""What is counted, by a network of random weights."""


def main(copies: str, root: str) -> None:
    """Writes ``[n, top1_errors, top5_errors]`` to ``ROOT/NAME.json``, and the rank of each chunk's process beside."""
    write = ChunkInProgress.write

    def logged(chunk: ChunkInProgress, store: logit_cache.ChunkStore) -> None:
        write(chunk, store)
        with Path(root, "ranks").open("a") as log:
            log.write(f"{name} {os.environ['RANK']}\n")

    ChunkInProgress.write = logged
    catalog = load_plugins()
    for name, data in json.loads(copies).items():
        request = RunRequest(("resnet20",), (PROTOCOL,), data, "random", device="cpu", results=Path(root, name))
        for row in run(request, catalog, Progress()):
            counts = [row["n"], row["top1_errors"], row["top5_errors"]]
            Path(root, f"{name}.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
