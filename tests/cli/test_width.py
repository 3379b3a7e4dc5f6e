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
    "show 10crop": "10crop (protocol): 10 views of an image, mean of probs.",
    "show resnet50": "resnet50 (architecture): images of any size, 20 sets of weights.",
    "show he-t4-ms-resnet-50-top1": "he-t4-ms-resnet-50-top1: ResNet-50, 20.74 % top-1 error",
    "show multiscale --all": "multiscale (protocol)",
    "list": "30 architectures, 13 protocols",
    "list architectures": "30 architectures, by plugin",
    "list published": "269 published figures, by network",
    "list published --model resnet50": "68 published figures",
    "list recipes --all": "116 recipes",
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
