"""Tests of what people read: the first line is the answer, and no line is wider than the terminal or its pipe."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import finished_runs
import pytest

from benchsuite.cli import main

WIDTHS = (60, 80, 130)

ANSWERS = {
    "explain resnet50": "resnet50: 24.7, 22.85 and 20.74 % top-1 error",
    "explain pnn": "pnn: 85.91 and 90.53 % accuracy are one run",
    "explain resnet101 --top5": "resnet101: 7.1, 6.05 and 4.60 % top-5 error",
    "show 10crop": "10crop (protocol): 10 views of an image, mean of probs.",
    "show resnet50": "resnet50 (architecture): images of any size, 20 sets of weights.",
    "show he-t4-ms-resnet-50-top1": "he-t4-ms-resnet-50-top1: ResNet-50, 20.74 % top-1 error",
    "show multiscale --all": "multiscale (protocol)",
    "list": "33 architectures, 13 protocols",
    "list architectures": "33 architectures, by plugin",
    "list published": "278 published figures, by network",
    "list published --model resnet50": "68 published figures",
    "list recipes --all": "122 recipes",
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


def test_in_a_terminal_the_width_is_that_of_the_terminal() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 70))
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONUTF8": "1"}
    words = [sys.executable, "-m", "benchsuite", "explain", "resnet50"]
    with subprocess.Popen(words, env=environment, stdout=theirs) as process:
        os.close(theirs)
        read = b""
        while True:
            try:
                read += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if process.poll() is not None and not select.select([ours], [], [], 0)[0]:
                break
    os.close(ours)
    lines = read.decode().replace("\r", "").splitlines()
    assert 60 < max(map(len, lines)) <= 70
    assert "\x1b" not in read.decode()


RUN = next((Path(__file__).parents[2] / "results" / "digits-resnet50" / "runs").glob("resnet50-1crop-digits-*"))

RUNS = {
    "compare first second": "resnet50 1crop [second] makes ",
    "compare first second --all": "resnet50 1crop [second] makes ",
    "compare first second third": "2 runs against resnet50 1crop [first]: ",
    "compare first vs second third": "1 runs -> 2 runs: ",
    "audit first": "first: ",
    "audit first --all": "first: ",
    "audit --claim 90.53 --accuracy 85.91 --batch-size 10 --epochs 80 --draws 20": "90.53 % or more is printed ",
    "show resnet50-1crop-digits": "resnet50-1crop-digits-",
    "show resnet50-1crop-digits --all": "resnet50-1crop-digits-",
    "explain resnet50 --all": "resnet50: 24.7",
    "data check digits": "digits, test split: Fine.",
}
"""The same of commands that read runs, or images."""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", RUNS)
def test_a_command_that_reads_runs_answers_first_and_fits(
    command: str, width: int, isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate(("first", "second", "third")):
        finished_runs.saved(isolated / "results", name, finished_runs.scores(60, 10, seed, noise=1 + seed / 2))
    monkeypatch.setenv("COLUMNS", str(width))
    shutil.copytree(RUN, isolated / "results" / "runs" / RUN.name)
    assert main(command.split()) == 0
    text = capsys.readouterr().out
    assert text.startswith(RUNS[command])
    assert [line for line in text.splitlines() if len(line) > width] == []
    if width >= 80 and "--all" not in command:
        assert len(text.splitlines()) <= 24
