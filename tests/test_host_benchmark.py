"""A test of benchmarks/host.py: the table and the costs of a pass over embedded images."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "host.py"


def test_it_prints_a_row_for_each_case_and_ten_costs_for_each_pass() -> None:
    words = ["digits", "--limit", "20", "--rounds", "1", "--protocol", "1crop", "10crop", "--workers", "1", "2"]
    words += ["--resize-on", "host", "device"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, SCRIPT, *words], env=environment, capture_output=True, text=True, check=True)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| torch")]
    assert [tuple(row[:4]) for row in rows] == [
        ("torch", *case) for case in itertools.product(("1crop", "10crop"), "12", ("host", "device"))
    ]
    assert all(float(number) > 0 for row in rows for number in row[4:])
    heads = re.findall("^torch, (.*), in one thread: microseconds an image$", done.stdout, re.MULTILINE)
    assert heads == ["1crop", "10crop"]
    costs = [float(number) for number in re.findall(r"^ +([0-9.]+)  \S", done.stdout, re.MULTILINE)]
    assert len(costs) == 20
    assert costs[:10] == sorted(costs[:10], reverse=True)
    assert "resize" in done.stdout
