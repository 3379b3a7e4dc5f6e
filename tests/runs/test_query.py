"""Tests of SQL over runs, and of runs as data frames."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import finished_runs
import numpy as np
import pandas as pd
import pytest

import benchsuite
from benchsuite import BadParameter, StorageError
from benchsuite.runs.query import load_predictions, load_runs, query, rows
from benchsuite.storage.run_folder import COLUMNS


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of 60 images, the first without Brier scores, in a folder with a quote in its name."""
    root = tmp_path_factory.mktemp("o'clock")
    finished_runs.saved(root, "a", finished_runs.scores(60, 10, 1), without=("brier",))
    finished_runs.saved(root, "b", finished_runs.scores(60, 10, 2), protocol__label="10crop")
    (root / "runs" / "broken").mkdir()
    (root / "runs" / "broken" / "manifest.json").write_text("{")
    return root


def test_every_whole_run_is_a_row_of_scalars(results: Path) -> None:
    found = load_runs(results)
    assert found["run_id"].tolist() == ["a", "b"]
    errors = [int((finished_runs.columns(finished_runs.scores(60, 10, seed))["rank"] > 0).sum()) for seed in (1, 2)]
    assert found["top1_errors"].tolist() == errors
    assert found["top1_error"].tolist() == [100 * e / 60 for e in errors]
    assert (found["top1_low"] < found["top1_error"]).all()
    assert found["resize"].tolist() == ["256", "256"]
    assert found["protocol"].tolist() == ["1crop", "10crop"]
    assert {"seconds_forward", "near_ties_top1", "command", "dataset_digest", "version_python"} <= set(found.columns)
    assert all(np.ndim(value) == 0 for value in found.iloc[0])


def test_predictions_of_all_runs_are_one_table(results: Path) -> None:
    found = load_predictions(results)
    assert list(found.columns) == ["run_id", *COLUMNS]
    assert len(found) == 120
    old = found[found["run_id"] == "a"]
    assert old["brier"].isna().all()
    assert (found.loc[found["run_id"] == "b", "brier"] >= 0).all()
    np.testing.assert_array_equal(old["rank"], finished_runs.columns(finished_runs.scores(60, 10, 1))["rank"])


def test_a_question_over_both_tables_has_the_answer_of_a_plain_loop(results: Path) -> None:
    found = query(
        "select protocol, count(*) as n, sum(cast(rank > 0 as integer)) as errors, avg(brier) as brier "
        "from runs join predictions using (run_id) group by protocol order by protocol",
        results,
    )
    a, b = (finished_runs.columns(finished_runs.scores(60, 10, seed)) for seed in (1, 2))
    assert found["protocol"].tolist() == ["10crop", "1crop"]
    assert found["n"].tolist() == [60, 60]
    assert found["errors"].tolist() == [int((b["rank"] > 0).sum()), int((a["rank"] > 0).sum())]
    assert found["brier"][0] == pytest.approx(b["brier"].mean())
    assert pd.isna(found["brier"][1])


def test_pairs_of_runs_can_be_asked_for(results: Path) -> None:
    names, answer = rows(
        "select count(*) from predictions a join predictions b using (id) "
        "where a.run_id = 'a' and b.run_id = 'b' and a.rank > 0 and b.rank = 0",
        results,
    )
    a, b = (np.asarray(finished_runs.columns(finished_runs.scores(60, 10, seed))["rank"]) for seed in (1, 2))
    assert len(names) == 1
    assert answer == [(int(((a > 0) & (b == 0)).sum()),)]


def test_lists_stay_lists(results: Path) -> None:
    _, answer = rows("select top5[1], len(top5) from predictions where id = 'image-00000' and run_id = 'a'", results)
    assert answer == [(int(finished_runs.columns(finished_runs.scores(60, 10, 1))["top5"][0][0]), 5)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select nothing from runs", "nothing"),
        ("selec 1", "syntax error"),
        ("select * from run", "run"),
        ("", "one that returns a table"),
    ],
)
def test_sql_that_does_not_work_is_one_line(results: Path, sql: str, said: str) -> None:
    with pytest.raises(BadParameter, match=said) as refused:
        query(sql, results)
    assert "\n" not in str(refused.value)


def test_a_folder_without_runs_is_one_line(tmp_path: Path) -> None:
    assert load_runs(tmp_path).empty
    assert load_predictions(tmp_path).empty
    with pytest.raises(StorageError, match="one with a run in it"):
        query("select 1", tmp_path)


def test_without_duckdb_the_install_command_is_said(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(StorageError, match=r"pip install 'benchsuite\[query\]'"):
        query("select 1", results)


def test_the_results_folder_is_the_one_of_the_command_line(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHSUITE_RESULTS", str(results))
    assert len(benchsuite.load_runs()) == 2
    assert len(benchsuite.load_predictions()) == 120


def test_importing_benchsuite_stays_light() -> None:
    program = (
        "import sys, benchsuite; heavy = ('pandas', 'numpy', 'duckdb', 'torch', 'pyarrow', 'benchsuite.runs.query'); "
        "print([m for m in heavy if m in sys.modules]); "
        "benchsuite.load_runs; print('benchsuite.runs.query' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True False"]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_run'"):
        benchsuite.load_run  # type: ignore[attr-defined]
