"""The first command of the README from nothing: how long it takes, what it costs, and what it finds.

``python benchmarks/first_run.py [--older] [--neighbours 0 1] [--python OTHER/bin/python] [--rounds 1]``

``benchsuite run resnet50 --protocol multiscale`` runs with empty folders for results and cache: ResNet-50 is trained on
the embedded digits and evaluated under five scales. A row for each Python and number of neighbours: seconds of the
clock, of processor, of the training, the estimate that was printed on its first steps, and the errors found; medians
of ``--rounds``, which are interleaved.

- ``--neighbours``: processes that compute without end beside it, made here. 1 on two cores is a busy machine.
- ``--older``: as on a processor without AVX-512 and bfloat16. torch, oneDNN and MKL are told to use AVX2 only, and the
  network is trained in float32. The clock of such a processor is often slower still: compare ratios.
- ``--python``: the interpreters of other installations to compare with, such as one of the version before.

On a busy machine the processor's seconds say more than the clock's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

COMMAND = ["run", "resnet50", "--protocol", "multiscale", "--device", "cpu", "--json"]

PLAIN = "from benchsuite.cli import main; raise SystemExit(main())"

OLDER = f"""
from benchsuite.data.prefetch import give_way
give_way()  # before torch is imported, as main does
from benchsuite.models import precision
precision._cpu_has_bf16 = lambda: False
{PLAIN}
"""
"""Without bfloat16, which benchsuite looks for in the processor itself."""

AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}

BUSY = "while True: pass"

CASE = tuple[str, int]
"""An interpreter and a number of neighbours."""


@dataclass(frozen=True)
class Spent:
    """A first run: seconds of the clock, of processor, of the training, as estimated; wrong and all images."""

    clock: float
    processor: float
    training: float
    estimate: float
    wrong: int
    images: int


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Context in which ``count`` processes compute without end."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def told(notes: str) -> tuple[float, float]:
    """Seconds that a training took, and those that were estimated on its first steps, from what was printed."""
    took = re.search(r"trained in (\d+) s", notes)
    estimate = re.search(r"this takes about (\d+) s", notes)
    if took is None or estimate is None:
        raise ValueError(f"no training in: {notes}")
    return float(took[1]), float(estimate[1])


def environment(folder: str, *, older: bool) -> dict[str, str]:
    """The variables of a run with its cache and results in a folder."""
    own = {"BENCHSUITE_CACHE": f"{folder}/cache", "BENCHSUITE_RESULTS": f"{folder}/results", "BENCHSUITE_CONFIG": "0"}
    return os.environ | own | (AVX2 if older else {})


def first_run(python: str, *, older: bool) -> Spent:
    """Runs the command with an interpreter in empty folders. Raises ``CalledProcessError`` if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-c", OLDER if older else PLAIN, *COMMAND]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        own = environment(folder, older=older)
        done = subprocess.run(command, check=True, cwd=folder, env=own, capture_output=True, text=True)
        clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    (row,) = json.loads(done.stdout)["runs"]
    return Spent(clock, processor, *told(done.stderr), row["top1_errors"], row["n"])


def table(spent: Mapping[CASE, Sequence[Spent]]) -> Iterator[str]:
    """The lines of the table: medians of the times, the errors of each round."""
    heads = "python", "neighbours", "seconds", "CPU seconds", "training", "estimated", "wrong"
    yield "| " + " | ".join(heads) + " |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for (python, count), runs in spent.items():
        names = "clock", "processor", "training", "estimate"
        times = " | ".join(f"{statistics.median(getattr(run, name) for run in runs):.0f}" for name in names)
        wrong = ", ".join(f"{run.wrong} of {run.images}" for run in runs)
        yield f"| {python} | {count} | {times} | {wrong} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--older", action="store_true")
    parser.add_argument("--neighbours", nargs="+", type=int, default=[0])
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    cases = [(python, count) for count in args.neighbours for python in args.python]
    spent: dict[CASE, list[Spent]] = {case: [] for case in cases}
    for _ in range(args.rounds):
        for python, count in cases:
            with neighbours(count):
                spent[python, count].append(first_run(python, older=args.older))
    print(*table(spent), sep="\n")


if __name__ == "__main__":
    main()
