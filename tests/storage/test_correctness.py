"""Tests of passes read from the folders of evaluations and trainings."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchsuite import StorageError, UnknownName
from benchsuite.storage import run_folder
from benchsuite.storage.correctness import read
from benchsuite.training.history import FLOATS, INTEGERS, History

CORRECT = np.array([[1, 0, 0, 1, 1, 0, 1, 0, 1, 1], [1, 1, 0, 1, 1, 0, 1, 0, 1, 1]], dtype=bool)


def evaluation(
    results: Path, name: str = "net-1crop-set-ab", rank: tuple[int, ...] = (0, 3, 0, 1), of: int = 4
) -> Path:
    folder = results / "runs" / name
    columns = {"id": [f"image{i}" for i in range(len(rank))], "rank": np.array(rank, dtype=np.int32)}
    run_folder.write_run(folder, {"run_id": name, "dataset": {"of": of}}, columns)
    return folder


def training(results: Path, name: str = "net-recipe-cd", correct: NDArray[Any] = CORRECT, **arrays: Any) -> Path:
    folder = results / "training" / name
    folder.mkdir(parents=True)
    stored = {"bits": np.packbits(correct, axis=1), "n": correct.shape[1], "batch_size": 4} | arrays
    np.savez(folder / "correct.npz", **stored)
    (folder / "manifest.json").write_text(json.dumps({"recipe": {"accounting": "smoothed-best"}}))
    return folder


def test_an_evaluation_is_one_pass_that_is_right_where_the_true_class_is_first(tmp_path: Path) -> None:
    folder = evaluation(tmp_path, of=9)
    for name in ("net-1crop-set-ab", "net-1", str(folder)):
        found = read(tmp_path, name)
        assert found.correct.tolist() == [[True, False, True, False]]
        assert found.rates == (Fraction(1, 2),)
        assert (found.run_id, found.path) == ("net-1crop-set-ab", str(folder))
        assert (found.n, found.of, found.batch_size, found.heldout, found.accounting) == (4, 9, None, None, None)


def test_a_training_is_a_pass_an_epoch(tmp_path: Path) -> None:
    folder = training(tmp_path)
    for name in ("net-recipe-cd", "net-r", str(folder)):
        found = read(tmp_path, name)
        assert (found.correct == CORRECT).all()
        assert found.correct.dtype == bool
        assert found.rates == (Fraction(6, 10), Fraction(7, 10))
        assert (found.n, found.of, found.batch_size, found.accounting) == (10, 10, 4, "smoothed-best")
        assert found.heldout is None


def test_what_a_training_writes_is_what_is_read(tmp_path: Path) -> None:
    history = History(10, 4)
    for epoch, correct in enumerate(CORRECT, 1):
        history.add(dict.fromkeys((*INTEGERS, *FLOATS), 1) | {"heldout_errors": 5 - epoch}, correct)
    folder = tmp_path / "training" / "net"
    history.write(folder)
    found = read(tmp_path, "net")
    assert (found.correct == CORRECT).all()
    assert (found.n, found.batch_size, found.accounting, found.finished) == (10, 4, None, False)
    assert found.heldout is not None
    assert found.heldout.tolist() == [4, 3]


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16, 17])
def test_bits_come_back_whatever_the_number_of_images(tmp_path: Path, n: int) -> None:
    correct = np.random.default_rng(n).random((3, n)) < 0.5
    training(tmp_path, correct=correct)
    assert (read(tmp_path, "net-recipe-cd").correct == correct).all()


def test_errors_on_held_out_images_are_read_where_every_epoch_has_some(tmp_path: Path) -> None:
    folder = training(tmp_path)
    pd.DataFrame({"epoch": [0, 1], "heldout_errors": [5, 4]}).to_parquet(folder / "epochs.parquet")
    heldout = read(tmp_path, "net").heldout
    assert heldout is not None
    assert heldout.tolist() == [5, 4]
    for column in ({"heldout_errors": [5, None]}, {"loss": [1.0, 0.5]}):
        pd.DataFrame(column).to_parquet(folder / "epochs.parquet")
        assert read(tmp_path, "net").heldout is None
    pd.DataFrame({"heldout_errors": [5, 4, 3]}).to_parquet(folder / "epochs.parquet")
    with pytest.raises(StorageError, match=r"Expected the epochs of a training to be 2 as in correct.npz, got 3"):
        read(tmp_path, "net")
    (folder / "epochs.parquet").write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"Cannot read .*epochs.parquet"):
        read(tmp_path, "net")


def test_a_beginning_that_an_evaluation_and_a_training_share_is_refused(tmp_path: Path) -> None:
    evaluation(tmp_path)
    training(tmp_path)
    with pytest.raises(UnknownName, match="Expected one run, got 2 that begin with 'net-'"):
        read(tmp_path, "net-")


def test_an_unknown_run_suggests_the_nearest_of_both_kinds(tmp_path: Path) -> None:
    evaluation(tmp_path)
    training(tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'net-recipe-cd'"):
        read(tmp_path, "nett-recipe-c")


def test_an_evaluation_without_predictions_is_refused(tmp_path: Path) -> None:
    (evaluation(tmp_path) / "predictions.parquet").unlink()
    with pytest.raises(StorageError, match="Expected a run to be whole"):
        read(tmp_path, "net")


@pytest.mark.parametrize(
    "arrays",
    [
        {"bits": np.zeros((2, 1), np.uint8)},
        {"bits": np.zeros((2, 3), np.uint8)},
        {"bits": np.zeros((2, 2), np.int64)},
        {"bits": np.zeros(2, np.uint8)},
        {"bits": np.zeros((0, 2), np.uint8)},
        {"batch_size": 0},
        {"n": 0, "bits": np.zeros((2, 0), np.uint8)},
    ],
)
def test_bits_of_another_shape_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    training(tmp_path, **arrays)
    with pytest.raises(StorageError, match="Expected the bits of a training to be uint8") as caught:
        read(tmp_path, "net")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "empty", "bad manifest", "no bits", "text"])
def test_a_damaged_training_is_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    folder = training(tmp_path)
    file = folder / "correct.npz"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-40])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_text("not an archive")
    elif damage == "no bits":
        np.savez(file, n=10, batch_size=4)
    else:
        (folder / "manifest.json").write_text("[1]")
    with pytest.raises(StorageError, match="Cannot read the training in") as caught:
        read(tmp_path, "net")
    assert "\n" not in str(caught.value)
