"""Tests of what people read: the first line is the answer, and no line is wider than the terminal or its pipe."""

from __future__ import annotations

import html
import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import finished_runs
import pytest
from named_commands import parsers
from PIL import Image
from toy_training import Trainees
from toys import ToyPlugin

from benchsuite import load_plugins
from benchsuite.api.catalog.data_places import AddedData
from benchsuite.api.datasets import PreparedData
from benchsuite.api.shell import installation
from benchsuite.cli import main
from benchsuite.explanation import ledger
from benchsuite.storage.data_places import DataPlace, changing_places

WIDTHS = (60, 80, 130)
SCREEN = 40
"""Lines that an output has at most, unless more is asked for."""

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
    "list published": f"{len(ledger.load())} published figures, by network",
    "list published --model resnet50": "68 published figures",
    "list recipes --all": "123 recipes",
    "explain resnet50 --all": "resnet50: 24.7, 22.85 and 20.74 % top-1 error",
}
"""Commands, and how their first line begins."""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ANSWERS)
def test_the_first_line_is_the_answer_and_no_line_is_wider_than_the_pipe(
    command: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(command.split()) == 0
    text = capsys.readouterr().out
    assert " ".join(text.split()).startswith(ANSWERS[command])
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert "\x1b" not in text
    if width >= 80 and "--all" not in command:
        assert len(text.splitlines()) <= 24


@pytest.mark.parametrize("command", ["explain resnet50", "list"])
def test_a_process_with_a_pipe_prints_what_the_command_prints_here(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "60", "HOME": "/nonexistent", "PYTHONUTF8": "1"}
    words = [sys.executable, "-m", "benchsuite", *command.split()]
    done = subprocess.run(words, env=environment, capture_output=True, check=True, text=True)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(command.split()) == 0
    assert done.stdout == capsys.readouterr().out
    assert done.stderr == ""


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

CASES = {
    "run": [("run toy -p 1crop -p 10crop --data toy --device cpu", "2 runs of toy, weights identity, 5 images of toy")],
    "sweep": [("sweep toys.toml", "toys: 24 done; top-1 error 40.00 %"), ("sweep toys.toml --all", "toys: ")],
    "train": [("train tiny --recipe usual --device cpu --scale mini", "tiny:width=2, usual@mini on dots: ")],
    "list": [("list", ""), ("list published", ""), ("list architectures 'timm:resnet*' --weights", "")],
    "show": [
        ("show resnet50-1crop-digits", "resnet50-1crop-digits-"),
        ("show resnet50-1crop-digits --all", "resnet50-1crop-digits-"),
        ("show multiscale", "multiscale (protocol): 10 views"),
    ],
    "compare": [
        ("compare first second", "resnet50 1crop [second] makes "),
        ("compare first second --all", "resnet50 1crop [second] makes "),
        ("compare first second third", "2 runs against resnet50 1crop [first]: "),
        ("compare first vs second third", "1 runs -> 2 runs: "),
    ],
    "doctor": [("doctor", "All that is installed works."), ("doctor --all", "All that is installed works.")],
    "explain": [
        ("explain resnet50", "resnet50: 24.7, 22.85 and 20.74 %"),
        ("explain resnet50 --all", "resnet50: 24.7"),
        ("explain resnet50 --from 1crop --to 10crop --plan --weights random", "3 rungs on 360 images of digits"),
    ],
    "reproduce": [("reproduce resnet50 --plan", "resnet50: "), ("reproduce he-t4-* --plan", "he-t4-*: ")],
    "audit": [
        ("audit first", "first: "),
        ("audit first --all", "first: "),
        ("audit --claim 90.53 --accuracy 85.91 --batch-size 10 --epochs 80 --draws 20", "90.53 % or more is printed "),
    ],
    "report": [("report first --html page.html", "page.html (")],
    "export": [("export first --to csv --out runs.csv", "")],
    "tables": [("tables --check", "0 tables on 1 page: up to date")],
    "data add": [("data add folder pictures", "folder is ")],
    "data list": [("data list", "1 data set known in ")],
    "data remove": [("data remove cifar10", "")],
    "data download": [("data download cifar10", "cifar10 is ")],
    "data check": [
        ("data check digits", "digits, test split: Fine."),
        ("data check digits --all", "digits, test split"),
    ],
    "data prepare": [("data prepare cifar10 --loader ffcv", "/cache/")],
    "plugin new": [("plugin new my-net", "written to my-net: ")],
    "plugin check": [("plugin check 1crop", "")],
    "cache list": [("cache list", "1.5 kB in ")],
    "cache clear": [("cache clear --older-than 0h --dry-run", "1.5 kB in 1 files, older than 0h")],
    "query": [("query 'select * from predictions'", "180 rows"), ("query 'select count(*) as n from runs'", "1 row")],
}
"""For every command, what is typed and how its first line begins."""

SCRIPTS = ("completion",)
"""Commands that print a program."""


def test_every_command_has_a_case() -> None:
    assert {name for name, _ in parsers()} == {*CASES, *SCRIPTS}


@pytest.fixture
def world(isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with finished runs, a known data set, a cache, and toys instead of what takes long."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("first", "second", "third")):
        finished_runs.saved(isolated / "results", name, finished_runs.scores(60, 10, seed, noise=1 + seed / 2))
    (isolated / "results" / "README.md").write_text("# Results\n")
    (isolated / "cache" / "chunks").mkdir()
    (isolated / "cache" / "chunks" / "x.logits").write_bytes(b"x" * 1500)
    for name in ("a", "b"):
        Path("pictures", name).mkdir(parents=True)
        Image.new("RGB", (9, 9), "red").save(Path("pictures", name, f"{name}.png"))
    place = DataPlace("cifar10", "/data/a-folder-of-a-long-name/cifar-10-batches-py", "cifar10", 10_000, "d")
    with changing_places() as known:
        known["cifar10"] = place
    protocols = [f"1crop:resize={size}" for size in range(4, 28)]
    Path("toys.toml").write_text(f"architectures = 'toy'\ndata = 'toy'\ndevice = 'cpu'\nprotocols = {protocols}\n")
    catalog = load_plugins(extra=[ToyPlugin(), Trainees()])
    for name in ("run", "sweep", "train"):
        monkeypatch.setattr(f"benchsuite.cli.{name}.load_plugins", lambda: catalog)
    trial = installation.Trial("loader", "torch", "fine", "read 33 images: the reference decoder's pixels")
    monkeypatch.setattr(installation, "_loaders", lambda catalog: iter([trial]))
    added = AddedData(place, 10_000, downloaded=True)
    monkeypatch.setattr("benchsuite.cli._data_download.download_data", lambda name, **options: added)
    note = {"bytes": 10**9, "images": 10_000, "view": None, "exact": True, "cached": False}
    made = PreparedData(Path("/cache/prepared/a-file-of-a-long-name-0123456789abcdef.beton"), "cifar10", "ffcv", note)
    monkeypatch.setattr("benchsuite.api.datasets.prepare_data", lambda *names, **options: made)
    return tmp_path


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", CASES)
def test_every_command_answers_first_fits_its_pipe_and_a_screen(
    command: str,
    width: int,
    world: Path,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    if command == "show":
        shutil.copytree(RUN, isolated / "results" / "runs" / RUN.name)
    for typed, begin in CASES[command]:
        assert main(shlex.split(typed)) == 0, typed
        text = capsys.readouterr().out
        assert text.startswith(begin) or " ".join(text.split()).startswith(begin), typed
        assert [line for line in text.splitlines() if len(line) > width] == [], typed
        assert "\x1b" not in text
        if width >= 80 and "--all" not in typed:
            assert len(text.splitlines()) <= SCREEN, typed


def test_what_is_more_than_a_screen_is_counted_and_shown_on_demand(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    query = ["query", "select id, label from predictions"]
    monkeypatch.setenv("COLUMNS", "80")
    assert main(query) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "160 more rows: --all"
    assert main([*query, "--all"]) == 0
    text = capsys.readouterr().out
    assert "more rows" not in text
    assert len(text.splitlines()) == 4 + 180


LONG = (
    ("query 'select id, label from predictions'", 180),
    ("list architectures", len(load_plugins(entry_points=False).architectures)),
    ("list published --model resnet50", 30),
    ("list weights", 60),
)


@pytest.mark.parametrize(("typed", "least"), LONG)
def test_a_pipe_gets_every_row_on_a_line_of_its_own_and_a_screen_says_how_many_more_there_are(
    typed: str, least: int, world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(typed)
    assert main(words) == 0
    piped = capsys.readouterr().out
    _, _, _, rule, *rows = piped.splitlines()
    assert set(rule) == {"\u2500"}
    assert len(rows) >= least
    assert "--all" not in piped
    assert "\u2026" not in piped
    assert main([*words, "--all"]) == 0
    assert capsys.readouterr().out == piped
    if words[0] == "list":
        assert main([*words, "--markdown", "--html", "page.html"]) == 0
        assert capsys.readouterr().out.count("\n| ") == len(rows) + 2  # headers, and the line below them
        assert Path("page.html").read_text().count("<tr>") == len(rows) + 1
    monkeypatch.setenv("COLUMNS", "80")
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) <= SCREEN
    assert "--all" in shown


FORMATS = ("compare first second", "show 10crop", "audit first", "list protocols", "reproduce resnet50 --plan")
FORMATS += ("sweep toys.toml", "data check digits")


@pytest.mark.parametrize("typed", FORMATS)
def test_a_table_is_also_markdown_json_and_a_page(typed: str, world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = typed.split()
    assert main(words) == 0
    text = capsys.readouterr().out
    answer = " ".join(text.partition("\n\n")[0].split())
    assert main([*words, "--markdown", "--html", "page.html"]) == 0
    markdown = capsys.readouterr().out
    page = html.unescape(Path("page.html").read_text(encoding="utf-8"))
    for words_of in (markdown, page):
        assert answer[:8] in " ".join(words_of.replace("\\", "").split())
    tabled = "--plan" not in words
    assert ("\n| --- |" in markdown) == tabled
    assert ("<table>" in page) == tabled
    assert main([*words, "--json"]) == 0
    json.loads(capsys.readouterr().out)
