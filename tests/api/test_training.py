"""Tests of ``benchsuite.train``: the training of the command, its epochs as a table, and errors."""

from __future__ import annotations

from typing import Any

import pytest
import toy_training

import benchsuite
from benchsuite import BenchsuiteError
from benchsuite.api.training import TrainedGrid, Training, TrainOptions

CATALOG = toy_training.catalog()
HERE: TrainOptions = {"catalog": CATALOG, "device": "cpu", "precision": "fp32", "epochs": 2, "progress": False}


@pytest.mark.usefixtures("one_thread")
def test_a_training_has_its_epochs_and_its_weights_can_be_evaluated() -> None:
    trained = benchsuite.train("tiny", "usual", **HERE)
    assert isinstance(trained, Training)
    assert trained.epochs["epoch"].tolist() == [1, 2]
    assert trained.epochs["test_errors"].iloc[-1] == trained.top1_errors
    assert trained.table["run_id"].tolist() == [trained.run_id]
    first, *_, last = repr(trained).splitlines()
    assert first.startswith(f"{trained.architecture}, usual@epochs=2 on dots: top-1 error ")
    assert last == f"written to {trained.path}"
    options: Any = {"catalog": CATALOG, "data": "dots", "device": "cpu", "progress": False}
    run = benchsuite.evaluate(trained.architecture, weights=trained.weights, **options)
    assert run.top1_errors == trained.top1_errors
    audited = benchsuite.audit(trained, batch_sizes=[7], orders=5, draws=5)
    assert audited.record["passes"] == 2


@pytest.mark.usefixtures("one_thread")
def test_a_grid_is_a_table_of_trainings() -> None:
    (name,) = (g.name for g in CATALOG.architecture("tiny").grids)
    heard: list[int] = []
    options: Any = {k: v for k, v in HERE.items() if k != "epochs"}
    found = benchsuite.train(grid=name, tell=lambda rows: heard.append(len(rows)), **options)
    assert isinstance(found, TrainedGrid)
    assert len(found.table) == len(found.rows) == heard[-1]
    assert repr(found).splitlines()[0].startswith(f"{name}: {len(found.rows)} trainings")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Expected the training to be an ARCHITECTURE with its --recipe, or a --grid, got nothing"),
        ({"architecture": "tiny", "grid": "g"}, "got tiny g"),
        ({"architecture": "tiny", "epoch": 3}, "Unknown option of train 'epoch': did you mean 'epochs'?"),
        ({"architecture": "tiny", "recipe": "usula"}, "did you mean 'usual'?"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        benchsuite.train(**({**HERE, **given}))
    assert said in str(caught.value)
