"""Tests of the command ``benchsuite run``: streams, exit statuses, a one-line error for every mistake."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from toys import TOP1_ERRORS, ToyPlugin

from benchsuite import load_plugins
from benchsuite.api.bars import ProgressLines
from benchsuite.api.evaluation import Evaluations, of_row
from benchsuite.cli import main
from benchsuite.cli.console import print_shown
from benchsuite.runs.manifest import result_row
from benchsuite.storage import run_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def toys_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the toys in addition to the installed plugins."""
    catalog = load_plugins(extra=[ToyPlugin()])
    monkeypatch.setattr("benchsuite.cli.run.load_plugins", lambda: catalog)


TOY = ["run", "toy", "--data", "toy", "--device", "cpu"]


def test_json_is_one_object_on_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TOY, "-p", "1crop", "-p", "10crop", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["runs"]
    assert [r["top1_errors"] for r in rows] == [TOP1_ERRORS["1crop"], TOP1_ERRORS["10crop"]]
    contract = {
        *("run_id", "path", "architecture", "weights", "protocol", "dataset", "n", "top1_errors", "top1_error"),
        *("top1_interval", "top5_errors", "top5_error", "views", "precision", "loader", "images_per_second"),
        *("seconds", "cached", "limit"),
    }
    assert contract <= set(rows[0])
    assert set(rows[0]["seconds"]) == {"decode", "wait", "resize", "prepare", "forward", "total"}
    assert rows[0]["top1_error"] == 40.0


def test_table_shows_error_interval_and_where_the_run_lies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TOY, "-p", "1crop", "--limit", "4"]) == 0
    out = capsys.readouterr().out
    assert "4 of 5" in out
    assert "limited to 4 images" in out
    assert os.environ["BENCHSUITE_RESULTS"] in out.replace("\n", "")


def test_a_profile_is_a_table_with_advice_or_an_object_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TOY, "-p", "1crop", "-p", "10crop", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"runs"}
    assert main([*TOY, "-p", "1crop", "-p", "10crop", "--json", "--profile"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["profile"]
    assert one["protocols"] == ["1crop", "10crop"]
    said = "Measured when the run was made, with --loader torch --workers"
    assert one["advice"][0].startswith(said), "the command may ask for another loader now"
    assert main([*TOY, "-p", "1crop", "-p", "10crop", "--json", "--profile", "--fresh"]) == 0
    assert said not in capsys.readouterr().out
    assert main([*TOY, "-p", "1crop", "-p", "10crop", "--profile"]) == 0
    out = capsys.readouterr().out
    assert "where the time went" in out
    assert f"1crop + 10crop: {one['advice'][0]}" in " ".join(out.split())
    assert main([*TOY, "-p", "1crop", "--profile", "--format", "csv"]) == 0
    streams = capsys.readouterr()
    assert "where the time went" not in streams.out
    assert "where the time went" in streams.err


@pytest.mark.parametrize("width", [60, 80, 130])
@pytest.mark.parametrize("words", [[], ["-p", "10crop"], ["--explain"], ["--all", "-p", "fullconv"]])
def test_a_run_answers_first_and_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, words: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main([*TOY, "-p", "1crop", *words]) == 0
    streams = capsys.readouterr()
    assert streams.out.startswith("2 runs of toy, " if "-p" in words else "toy, weights identity, 1crop on toy: top-1 ")
    assert [line for line in streams.out.splitlines() if len(line) > width] == []
    assert len(streams.out.splitlines()) <= 24 or "--all" in words or width < 80
    assert not [c for c in streams.out + streams.err if ord(c) < 32 and c != "\n"]


def test_the_sentence_is_added_to_every_output(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = {}
    for words in ([], ["--json"], ["--format", "csv"]):
        plain, explained = [], []
        for more, kept in (([], plain), (["--explain"], explained)):
            assert main([*TOY, *words, *more]) == 0
            streams = capsys.readouterr()
            kept += [" ".join((streams.err if "csv" in words else streams.out).split()), streams.out]
        assert "What 40.00 % means: toy, weights identity, by 1crop" in explained[0]
        assert "What 40.00 % means" not in plain[0]
        outputs[tuple(words)] = plain[1], explained[1]
    assert len(set(outputs["--format", "csv"])) == 1, "the table of a reporter is as without it"


def test_transforms_are_options_that_may_be_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TOY, "--transform", "redder", "--transform", "redder:by=3", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert (row["weights"], row["top1_errors"]) == ("identity, redder:by=2, redder:by=3", 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--transform", "smooth"], "one with a convolution that sees the image, got none [toy, --transform smooth"),
        (["--transform", "smoth"], "Unknown transform 'smoth': did you mean 'smooth'?"),
        (["--transform", "smooth:rho=-1"], "rho of smooth to be 0 or more, got -1"),
        (["--transform", "redder:by=1.5"], "by to be a whole number, got 1.5"),
        (["--transform", "smooth:rho=1e60"], "the weights after a transform to be finite"),
    ],
)
def test_a_transform_that_cannot_be_is_one_line_and_status_two(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    network = "torchvision:resnet18" if "1e60" in words[1] else "toy"
    data = ["--weights", "random"] if "1e60" in words[1] else ["--data", "toy"]
    assert main(["run", network, *data, "--device", "cpu", "--limit", "1", *words]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in streams.err.splitlines()[-1]


@pytest.mark.parametrize("reporter", ["markdown", "csv", "latex"])
def test_reporters_print_on_stdout(capsys: pytest.CaptureFixture[str], reporter: str) -> None:
    assert main([*TOY, "-p", "1crop", "--format", reporter]) == 0
    assert "1crop" in capsys.readouterr().out


def test_expectations_decide_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TOY, "--json", "--expect", "top1_error=40.1+-0.1"]) == 0
    assert main([*TOY, "--json", "--expect", "top1_error=40.2+-0.1"]) == 1
    assert "top1_error is 40, not 40.2+-0.1" in capsys.readouterr().err
    assert main([*TOY, "--json", "--expect", "error=1"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "toyy"], "did you mean 'toy'"),
        (["run", "resnet5"], "did you mean 'resnet5"),
        ([*TOY, "-p", "multiscal"], "did you mean 'multiscale'"),
        ([*TOY, "-p", "10crop:sice=3"], "did you mean 'resize'"),
        ([*TOY, "-p", "multiscale:scales=224+x"], "whole number"),
        ([*TOY, "--format", "markdwn"], "did you mean 'markdown'"),
        ([*TOY, "--weights", "/no/such/file.pth"], "/no/such/file.pth"),
        (["run", "toy", "--data", "folder:/no/such/folder"], "/no/such/folder"),
        (["run", "toy", "--data", "imagenet"], "imagenet:PATH"),
        (["rum", "toy"], "did you mean 'run'"),
        (["run"], "ARCHITECTURE"),
        ([*TOY, "--limit", "ten"], "--limit"),
        ([*TOY, "--precision", "fp8"], "one of auto, fp32, tf32, bf16, fp16"),
        ([*TOY, "--precision", "tf32"], "a CUDA device"),
    ],
    ids=lambda v: " ".join(v[-2:]) if isinstance(v, list) else "",
)
def test_mistakes_are_one_line_and_status_two(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    try:
        status = main(words)
    except SystemExit as stop:
        status = int(stop.code or 0)
    streams = capsys.readouterr()
    assert status == 2
    assert streams.out == ""
    lines = [line for line in streams.err.splitlines() if "no --data" not in line]
    assert len(lines) == 1, streams.err
    assert message in lines[0]


class Exploding:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["BENCHSUITE_RESULTS"] + "/exploded",)


def test_checkpoint_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"2.weight": Exploding()}))
    assert main([*TOY, "--weights", str(path)]) == 2
    assert "evil.pth" in capsys.readouterr().err
    assert not Path(os.environ["BENCHSUITE_RESULTS"], "exploded").exists()


def test_checkpoint_of_another_network_names_the_tensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    path = tmp_path / "other.pth"
    torch.save({"2.weight": torch.zeros(7, 3)}, path)
    assert main([*TOY, "--weights", str(path)]) == 2
    assert "2.weight" in capsys.readouterr().err


def test_traceback_is_shown_with_debug_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchsuite.runs.run.run", lambda *a: 1 / 0)
    assert main([*TOY]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "benchsuite: ZeroDivisionError: division by zero (--debug shows where)"
    ]
    with pytest.raises(ZeroDivisionError):
        main([*TOY, "--debug"])


def test_interrupt_is_status_130_and_keeps_finished_chunks(tmp_path: Path) -> None:
    from PIL import Image

    for i in range(1100):
        folder = tmp_path / "data" / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (i % 256, 0, 0)).save(folder / f"{i:04d}.png")
    command = [
        sys.executable,
        "-m",
        "benchsuite",
        "run",
        "resnet20",
        "--weights",
        "random",
        "--device",
        "cpu",
        "--json",
    ]
    command += ["--data", f"folder:{tmp_path / 'data'}", "-p", "1crop:crop=32,resize=32"]
    chunks = Path(os.environ["BENCHSUITE_CACHE"], "chunks")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(chunks.rglob("*.logits")) and process.poll() is None:  # however slow the machine is
        time.sleep(0.02)
    kept = len(list(chunks.rglob("*.logits")))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert 1 <= kept < 3
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    (row,) = json.loads(done.stdout)["runs"]
    manifest = json.loads(Path(row["path"], "manifest.json").read_text())
    assert row["n"] == 1100
    assert manifest["images_computed"] <= 1100 - 512


def test_progress_without_a_terminal_is_a_line_now_and_then() -> None:
    lines = ProgressLines("training net", 100, start=10.0)
    told = [lines.advance(10, "loss 0.500", 10.0 + 4.0 * step) for step in range(1, 11)]
    assert [i for i, line in enumerate(told) if line] == [3, 7]
    assert told[3] == "training net: 40 of 100, about 24 s left, loss 0.500"
    assert ProgressLines("evaluating", 4, start=0.0).advance(1, "", 99.0) == "evaluating: 1 of 4, about 297 s left"


def test_the_readme_shows_what_is_printed_of_a_committed_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    made = re.search(r"<!-- output of the committed run (\S+) -->\n\n```\n(.*?)```\n", page, flags=re.DOTALL)
    assert made is not None
    folder, shown = made.groups()
    manifest = run_folder.read_manifest(ROOT / folder)
    assert manifest is not None
    row = result_row(manifest, f"results/runs/{manifest['run_id']}", cached=False)
    monkeypatch.setenv("COLUMNS", "80")
    print_shown(Evaluations((of_row(row),), explained=True))
    assert capsys.readouterr().out == shown
