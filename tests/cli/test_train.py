"""Tests of the command ``benchsuite train``: streams, exit statuses, a one-line error for every mistake."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training

from benchsuite.cli import main

TRAIN = ["train", "tiny", "--recipe", "usual", "--device", "cpu", "--precision", "fp32", "--epochs", "2"]


@pytest.fixture(autouse=True)
def trainees_installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The commands find the toy plugin in addition to the built-in ones."""
    catalog = toy_training.catalog()
    for command in ("train", "run", "list", "show"):
        monkeypatch.setattr(f"benchsuite.cli.{command}.load_plugins", lambda: catalog)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_json_is_one_object_on_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--json", "--held-out", "9"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["trainings"]
    assert row["recipe"] == "usual@epochs=2"
    assert row["top1_error"] == 100 * row["top1_errors"] / 21
    assert set(row["seconds"]) == {"load", "train", "test", "save"}
    assert row["best_heldout"]["heldout_n"] == 9
    assert Path(row["path"]).parent == Path(os.environ["BENCHSUITE_RESULTS"]) / "training"


def test_text_says_what_came_out_where_it_lies_and_that_it_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny", "--recipe", "usual", "--device", "cpu", "--scale", "mini"]) == 0
    captured = capsys.readouterr()
    assert "last epoch, error %" in captured.out
    assert "usual@mini" in captured.out
    assert "so not comparable with the published number" in captured.out
    assert "benchsuite: epoch 2 of 2: loss" in captured.err
    assert main(["train", "tiny", "--recipe", "usual", "--device", "cpu", "--scale", "mini"]) == 0
    assert "answered from" in capsys.readouterr().out


def test_trained_weights_can_be_evaluated_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["trainings"]
    words = ["run", row["architecture"], "--data", "dots", "--weights", row["run_id"], "--device", "cpu", "--json"]
    assert main(words) == 0
    (result,) = json.loads(capsys.readouterr().out)["runs"]
    assert result["top1_errors"] == row["top1_errors"]


def test_a_grid_prints_a_line_for_each_combination(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--grid", "toy-grid", "--scale", "mini", "--device", "cpu", "--precision", "fp32"]
    assert main([*words, "--all"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("tiny_") == 16, "each line names its training"
    assert "training 1 of 16 of toy-grid: optimizer sgd, epochs 1, drop 0.5, noise noise" in captured.err
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["grid"] == "toy-grid"
    assert all(row["cached"] for row in result["trainings"])
    assert main(["train", "--grid", "toy-*", *words[3:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"grids": [result]}
    assert main(["train", "--grid", "toy-*", *words[3:]]) == 0
    assert capsys.readouterr().out.strip().startswith("toy-grid")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], "an ARCHITECTURE with its --recipe, or a --grid, got nothing"),
        (["train", "tiny", "--grid", "toy-grid"], "got tiny toy-grid"),
        (["train", "--grid", "toy-grid", "--recipe", "usual"], "got usual toy-grid"),
        (["train", "tiny", "--recipe", "usul"], "did you mean 'usual'"),
        (["train", "--grid", "toi-*"], "Unknown grid 'toi-*'"),
        (["train", "tiny:wdth=3", "--recipe", "usual"], "did you mean 'width'"),
        (["train", "tiny", "--recipe", "usual", "--data", "digits"], "the data set of the recipe usual"),
        (["train", "tiny", "--recipe", "diverging", "--device", "cpu"], "Expected the loss to be a number"),
    ],
)
def test_a_mistake_is_one_line_on_stderr(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.splitlines()[-1]
    assert last.startswith("benchsuite: ")
    assert message in last


def test_a_process_that_does_not_lead_prints_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*TRAIN, "--json"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("benchsuite.distributed.process_group.leads", lambda: False)
    assert main([*TRAIN, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_recipes_are_listed_with_their_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "recipes", "--json"]) == 0
    recipes = {r["name"]: r for r in json.loads(capsys.readouterr().out)["recipes"]}
    assert recipes["usual"]["architecture"] == "tiny"
    assert recipes["he-cifar-110"]["expected"].startswith("top-1 error 6.43")


def test_a_training_and_the_options_of_a_network_are_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*TRAIN, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["trainings"]
    assert main(["show", row["run_id"]]) == 0
    brief = capsys.readouterr().out
    assert brief.startswith(f"{row['run_id']}: ")
    assert "% error of tiny:width=6 after 2 epochs." in " ".join(brief.split())
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["show", row["run_id"], "--all"]) == 0
    out = capsys.readouterr().out
    assert "benchsuite train tiny --recipe usual --epochs 2 --precision fp32" in out
    assert "masks" in out
    assert main(["show", row["run_id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["top1_errors"] == row["top1_errors"]
    assert main(["show", "tiny:width=5", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "tiny:width=5"
    assert {"name": "width", "type": "whole number", "default": "4"} in facts["options"]
    assert main(["show", "tiny", "--all"]) == 0
    out = capsys.readouterr().out
    assert "options, as in tiny:width=..." in out
    assert "usual, adam, diverging, quiet" in out
