"""A test of benchmarks/resize.py: a row for each filter, and no other bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from reference import pipeline

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "resize.py"


def test_it_prints_the_times_of_each_filter_and_finds_no_other_bits(tmp_path: Path) -> None:
    pipeline.noise(40, 60).save(tmp_path / "one.jpg")
    command = [sys.executable, SCRIPT, tmp_path, "--rounds", "1", "--interpolation", "box", "lanczos"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [(row[0], row[1], row[5]) for row in rows] == [("box", "1", "0"), ("lanczos", "1", "0")]
    assert all(float(number) > 0 for row in rows for number in row[2:5])
