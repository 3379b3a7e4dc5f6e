"""A test of benchmarks/first_run.py: what it reads, its table, its busy neighbours, and an older processor."""

from __future__ import annotations

import subprocess
import sys

import pytest
import scripts

FIRST_RUN = scripts.loaded("benchmarks/first_run.py")
NOTES = """benchsuite: training resnet50 once on the 1437 training images of digits; kept in FILE
benchsuite: this takes about 61 s, by its first 11 steps
benchsuite: trained in 66 s; of the training images, 41.5 % wrong in epoch 1, 4.1 % in epoch 5
"""


def test_times_are_read_from_what_a_training_tells() -> None:
    assert FIRST_RUN.told(NOTES) == (66.0, 61.0)
    with pytest.raises(ValueError, match="no training in: read from disk"):
        FIRST_RUN.told("read from disk")


def test_a_row_has_the_medians_of_the_times_and_the_errors_of_each_round() -> None:
    runs = [FIRST_RUN.Spent(clock, 2 * clock, clock - 20, 50, wrong, 360) for clock, wrong in ((90, 7), (80, 5))]
    *_, row = FIRST_RUN.table({("python", 1): [*runs, FIRST_RUN.Spent(300, 99, 280, 60, 6, 360)]})
    assert row == "| python | 1 | 90 | 160 | 70 | 50 | 7 of 360, 5 of 360, 6 of 360 |"


def test_neighbours_compute_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    with FIRST_RUN.neighbours(2):
        assert [process.poll() for process in started] == [None, None]
    assert len(started) == 2
    assert all(process.returncode for process in started)


def test_an_older_processor_has_no_bfloat16_and_no_avx512() -> None:
    code = FIRST_RUN.OLDER.replace(
        FIRST_RUN.PLAIN, "import torch; print(precision.candidates('cpu'), torch.backends.cpu.get_cpu_capability())"
    )
    environment = FIRST_RUN.environment("folder", older=True)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() in (["()", "AVX2"], ["()", "DEFAULT"])
