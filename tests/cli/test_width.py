"""Tests of what people read: the first line is the answer, and no line is wider than the terminal or its pipe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WIDTHS = (60, 80, 130)

ANSWERS = {
    "explain resnet50": "resnet50: 24.7, 22.85 and 20.74 % top-1 error",
    "explain pnn": "pnn: 85.91 and 90.53 % accuracy are one run",
    "explain resnet101 --top5": "resnet101: 7.1, 6.05 and 4.6 % top-5 error",
    "explain resnet50 --all": "resnet50: 24.7, 22.85 and 20.74 % top-1 error",
}
"""Commands, and how their first line begins."""


def output(command: str, width: int) -> str:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": str(width), "HOME": "/nonexistent", "PYTHONUTF8": "1"}
    words = [sys.executable, "-m", "benchsuite", *command.split()]
    return subprocess.run(words, env=environment, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ANSWERS)
def test_the_first_line_is_the_answer_and_no_line_is_wider_than_the_pipe(command: str, width: int) -> None:
    text = output(command, width)
    assert " ".join(text.split()).startswith(ANSWERS[command])
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert "\x1b" not in text
    if width >= 80 and "--all" not in command:
        assert len(text.splitlines()) <= 24
