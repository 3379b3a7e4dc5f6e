"""Grids: every combination is trained once, the cheapest first; the table on disk grows; a stopped grid resumes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import toy_training

from benchsuite import BadParameter, Mini, UnknownName
from benchsuite.progress import Progress
from benchsuite.report.tables.text import grid_table
from benchsuite.training import grid as training_grid
from benchsuite.training.job import TrainRequest

CATALOG = toy_training.catalog()


def train_request(results: Path, **fields: Any) -> TrainRequest:
    return TrainRequest("", **{"device": "cpu", "precision": "fp32", "results": results, **fields})


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]], list[int]]:
    """A finished grid: its results folder, its rows, and the number of rows at each call of ``tell``."""
    results, counts = tmp_path_factory.mktemp("grid"), []
    rows = training_grid.train(
        train_request(results), "toy-grid", CATALOG, Progress(), lambda rows: counts.append(len(rows))
    )
    return results, rows, counts


def test_a_grid_has_a_row_for_every_combination_and_trains_equal_ones_once(whole: Any) -> None:
    results, rows, counts = whole
    assert len(rows) == 16
    assert counts == list(range(1, 17))
    levels = {tuple(row["levels"].values()) for row in rows}
    assert len(levels) == 16
    assert list(rows[0]["levels"]) == ["optimizer", "epochs", "drop", "noise"]
    shared: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        shared.setdefault(row["run_id"], set()).add(tuple(row["levels"].values()))
    assert sorted(map(len, shared.values())) == [1] * 8 + [2] * 4, "without dropout its two levels are one training"
    assert len(list((results / "training").iterdir())) == 12


def test_a_training_of_a_grid_says_the_command_of_the_grid(whole: Any) -> None:
    results, rows, _ = whole
    manifest = json.loads((results / "training" / rows[0]["run_id"] / "manifest.json").read_text())
    assert manifest["command"].startswith("benchsuite train --grid toy-grid ")


def test_the_cheapest_come_first(whole: Any) -> None:
    _, rows, _ = whole
    assert [row["epochs"] for row in rows] == [1] * 8 + [2] * 8


def test_the_table_on_disk_has_the_counts_of_each_training(whole: Any) -> None:
    results, rows, _ = whole
    table = read(results / "grids" / "toy-grid.csv")
    for line, row in zip(table, rows, strict=True):
        assert {name: line[name] for name in row["levels"]} == row["levels"]
        assert (int(line["top1_errors"]), int(line["n"])) == (row["top1_errors"], 21)
        assert line["failed"] == ""


def test_a_level_of_epochs_is_kept_beside_the_epochs_that_were_run(tmp_path: Path) -> None:
    """At a small scale fewer epochs are run than the level 150 of the factor epochs names."""
    row = {"levels": {"epochs": "150", "level": "0.1"}, "epochs": 6, "n": 21, "top1_errors": 3, "failed": None}
    training_grid._write(tmp_path / "grid.csv", [row])
    (line,) = read(tmp_path / "grid.csv")
    assert (line["epochs"], line["epochs_run"], line["level"]) == ("150", "6", "0.1")


def test_the_printed_table_rounds_once(whole: Any) -> None:
    _, rows, _ = whole
    headers, lines = grid_table(rows)
    assert headers[:4] == ["optimizer", "epochs", "drop", "noise"]
    errors = rows[0]["top1_errors"]
    assert lines[0][5].startswith(f"{100 * errors / 21:.2f} [")


def test_a_grid_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    class Impatient(Progress):
        def advance(self, steps: int, detail: str = "") -> None:
            self.done = getattr(self, "done", 0) + steps
            if self.done == 20:
                raise KeyboardInterrupt

    small = train_request(tmp_path, scale="mini")
    with pytest.raises(KeyboardInterrupt):
        training_grid.train(small, "toy-grid", CATALOG, Impatient(), lambda rows: None)
    before = read(tmp_path / "grids" / "toy-grid@mini.csv")
    assert 0 < len(before) < 16
    rows = training_grid.train(small, "toy-grid", CATALOG, Progress(), lambda rows: None)
    assert [row["cached"] for row in rows[: len(before)]] == [True] * len(before)
    assert not any(row["cached"] for row in rows[len(before) :][:1])
    after = read(tmp_path / "grids" / "toy-grid@mini.csv")
    assert after[: len(before)] == before
    assert {row["scale"] for row in rows} == {"mini"}
    assert {row["train_n"] for row in rows} == {40}


def test_a_training_that_diverges_says_so_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []

    class Recorder(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    real = training_grid.cells

    def with_one_bad(grid: Any, recipe: Any) -> Any:
        combinations = real(grid, recipe)
        bad = toy_training.dataclasses.replace(toy_training.DIVERGING, name=combinations[0][1].name, epochs=1)
        return [(combinations[0][0], bad), *combinations[1:3]]

    monkeypatch.setattr(training_grid, "cells", with_one_bad)
    rows = training_grid.train(train_request(tmp_path), "toy-grid", CATALOG, Recorder(), lambda rows: None)
    failed = [row for row in rows if row["failed"]]
    assert len(failed) == 1
    assert "Expected the loss to be a number" in failed[0]["failed"]
    assert any("Expected the loss" in note for note in notes)
    assert sum(1 for row in rows if not row["failed"]) == 2
    assert grid_table(rows)[1][rows.index(failed[0])][-1] == failed[0]["failed"]


def test_a_grid_that_is_not_there_is_refused_and_so_is_another_data_set(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown grid 'toy-gird': did you mean 'toy-grid'"):
        training_grid.train(train_request(tmp_path), "toy-gird", CATALOG, Progress(), lambda rows: None)
    with pytest.raises(BadParameter, match="--data to be dots"):
        training_grid.train(train_request(tmp_path, data="digits"), "toy-grid", CATALOG, Progress(), lambda rows: None)
    with pytest.raises(BadParameter, match="--epochs to be left out, as epochs are a factor of toy-grid, got 3"):
        training_grid.train(train_request(tmp_path, epochs=3), "toy-grid", CATALOG, Progress(), lambda rows: None)
    assert not list(tmp_path.iterdir())


def test_a_grid_may_be_smaller_at_mini_than_its_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = toy_training.dataclasses.replace(toy_training.GRID, mini=Mini(1, batch_size=8, images=16))
    monkeypatch.setattr(toy_training, "GRID", small)
    network = toy_training.dataclasses.replace(toy_training.ARCHITECTURE, grids=(small,))
    monkeypatch.setattr(toy_training, "ARCHITECTURE", network)
    planned = training_grid.plan(train_request(tmp_path, scale="mini"), "toy-grid", toy_training.catalog())
    assert {(len(cell.job.learned), cell.job.recipe.batch_size) for cell in planned} == {(16, 8)}
    assert {cell.job.recipe.epochs for cell in planned} == {1, 2}
    full = training_grid.plan(train_request(tmp_path), "toy-grid", toy_training.catalog())
    assert {len(cell.job.learned) for cell in full} != {16}


def test_each_seed_has_a_table_of_its_own(tmp_path: Path) -> None:
    def path(**fields: Any) -> str:
        return training_grid.table_path(train_request(tmp_path, **fields), "toy-grid").name

    names = [path(), path(scale="mini"), path(seed=0), path(scale="mini", seed=1), path(scale="mini", epochs=3, seed=1)]
    assert names[:2] == ["toy-grid.csv", "toy-grid@mini.csv"]
    assert names[2:] == ["toy-grid@seed=0.csv", "toy-grid@mini,seed=1.csv", "toy-grid@mini,epochs=3,seed=1.csv"]


def test_two_seeds_are_trained_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = toy_training.dataclasses.replace(toy_training.GRID, factors=toy_training.GRID.factors[:1])
    network = toy_training.dataclasses.replace(toy_training.ARCHITECTURE, grids=(short,))
    monkeypatch.setattr(toy_training, "ARCHITECTURE", network)
    for seed in (0, 1):
        request = train_request(tmp_path, scale="mini", seed=seed)
        training_grid.train(request, "toy-grid", toy_training.catalog(), Progress(), lambda rows: None)
    tables = [read(tmp_path / "grids" / f"toy-grid@mini,seed={seed}.csv") for seed in (0, 1)]
    assert [{row["seed"] for row in table} for table in tables] == [{"0"}, {"1"}]
    assert not {row["run_id"] for row in tables[0]} & {row["run_id"] for row in tables[1]}


def test_a_pattern_names_all_grids_that_match_and_fit_the_data() -> None:
    assert training_grid.matching("toy-*", None, CATALOG) == ["toy-grid"]
    assert training_grid.matching("toy-grid", "cifar10:elsewhere", CATALOG) == ["toy-grid"], "plan says what is wrong"
    fashion = training_grid.matching("hfc-*", "fashion-mnist:/data", CATALOG)
    assert fashion
    assert all(name.startswith("hfc-fashion-") for name in fashion)
    for pattern, data in (("tiy-*", None), ("toy-*", "cifar10")):
        with pytest.raises(UnknownName, match="Unknown grid"):
            training_grid.matching(pattern, data, CATALOG)
