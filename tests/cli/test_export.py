"""Tests of ``benchsuite export``: printed text, written files, JSON, and errors of one line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from exported_runs import A, B, of_imagenet

import benchsuite
from benchsuite.cli import main


@pytest.fixture
def results(tmp_path: Path) -> Path:
    of_imagenet(tmp_path / "results", A)
    of_imagenet(tmp_path / "results", B)
    return tmp_path / "results"


def asked(results: Path, *words: str) -> int:
    return main(["export", *words, "--results", str(results)])


def test_text_is_printed_or_written(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs.csv"
    assert asked(results, A, "--to", "csv") == 0
    printed = capsys.readouterr().out
    assert asked(results, A, "--to", "csv", "--out", str(out)) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_text(encoding="utf-8") == printed
    (line,) = csv.DictReader(io.StringIO(printed))
    assert (line["run_id"], line["n"]) == (A, "80")


def test_json_is_one_object(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(results, A, "--to", "model-index:name=org/m", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["to"], found["runs"], found["out"], found["where"]) == ("model-index:name=org/m", [A], None, [])
    assert found["text"].startswith("---\nmodel-index:\n- name: org/m\n")


def test_a_wrong_name_is_one_line_and_nothing_is_written(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "card.md"
    assert asked(results, A, "--to", "model_index", "--out", str(out)) == 2
    assert capsys.readouterr().err.startswith("benchsuite: Unknown reporter 'model_index': did you mean 'model-index'?")
    assert not out.exists()


def test_a_reporter_of_finished_runs_is_no_format_of_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "resnet20", "--weights", "random", "--limit", "2", "--format", "mlflow"]) == 2
    said = (
        "Expected --format to be a format of tables; benchsuite export RUN --to mlflow writes finished runs, got mlflow"
    )
    assert capsys.readouterr().err == f"benchsuite: {said}\n"


def test_the_function_returns_text_and_where_it_was_written(results: Path, tmp_path: Path) -> None:
    found = benchsuite.export(results / "runs" / A, to="csv")
    assert found.where == ()
    assert repr(found) + "\n" == found.text
    out = tmp_path / "runs.csv"
    assert repr(benchsuite.export(A, to="csv", out=out, results=results)) == str(out)
    assert out.read_text(encoding="utf-8") == found.text
