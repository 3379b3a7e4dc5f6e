"""Whole trainings: the files on disk, repeated requests, kills, full disks, and the evaluation of the weights."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toy_training
from safetensors.torch import load_file

from benchsuite import (
    BadParameter,
    BenchsuiteError,
    DataError,
    Input,
    StorageError,
    TrainingError,
    UnknownName,
    WeightsError,
)
from benchsuite.evaluation.question import RunRequest as Evaluation
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.stats.accounting import find, printed_accuracy
from benchsuite.training import run as training_run
from benchsuite.training.job import TrainRequest, find_recipe
from benchsuite.training.run import train

CATALOG = toy_training.catalog()
PROGRAM = Path(__file__).parents[1] / "made" / "training_program.py"
pytestmark = pytest.mark.usefixtures("one_thread")


class Recorder(Progress):
    """Records notes and steps; interrupts the training after ``patience`` steps."""

    def __init__(self, patience: int | None = None) -> None:
        self.notes: list[str] = []
        self.done, self.patience, self.details = 0, patience, []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, steps: int, detail: str = "") -> None:
        self.done += steps
        self.details.append(detail)
        if self.patience is not None and self.done >= self.patience:
            raise KeyboardInterrupt


def train_request(results: Path, recipe: str | None = "usual", **fields: Any) -> TrainRequest:
    return TrainRequest("tiny", recipe, **{"device": "cpu", "precision": "fp32", "results": results, **fields})


def tensors(row: dict[str, Any], name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(Path(row["path"]) / f"{name}.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def epochs(row: dict[str, Any]) -> pd.DataFrame:
    return pd.read_parquet(Path(row["path"]) / "epochs.parquet")


def bits(row: dict[str, Any]) -> np.ndarray:
    with np.load(Path(row["path"]) / "correct.npz") as found:
        return np.unpackbits(found["bits"], axis=1, count=int(found["n"])).astype(bool)


def test_a_training_leaves_a_table_predictions_weights_and_a_manifest(tmp_path: Path) -> None:
    recorder = Recorder()
    row = train(train_request(tmp_path), CATALOG, recorder)
    folder = Path(row["path"])
    assert folder == tmp_path / "training" / row["run_id"]
    names = {p.name for p in folder.iterdir()}
    assert names == {"manifest.json", "epochs.parquet", "correct.npz", "last.safetensors"}
    table, correct = epochs(row), bits(row)
    assert correct.shape == (4, 21)
    assert table["test_errors"].tolist() == (~correct).sum(1).tolist()
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["learning_rate"].tolist() == pytest.approx([0.05, 0.05, 0.005, 0.0005])
    assert set(table["train_n"]) == {64}
    assert table["heldout_errors"].isna().all()
    assert (row["top1_errors"], row["n"], row["train_n"], row["epochs"]) == (int((~correct[-1]).sum()), 21, 64, 4)
    with np.load(folder / "correct.npz") as found:
        assert (int(found["n"]), int(found["batch_size"])) == (21, 10)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["architecture"]["parameters"] == sum(p.numel() for p in toy_training.build(3, width=6).parameters())
    assert manifest["recipe"]["optimizer"]["learning_rate"] == 0.05
    assert manifest["command"] == "benchsuite train tiny --recipe usual --precision fp32"
    assert recorder.done == 28
    assert sum(note.startswith("epoch ") for note in recorder.notes) == 4


def test_the_source_s_way_of_counting_is_printed_beside_the_exact_last_epoch(tmp_path: Path) -> None:
    row = train(train_request(tmp_path), CATALOG, Progress())
    epoch, accuracy = printed_accuracy(find("exact-best"), bits(row), 10)
    assert row["as_source"]["epoch"] == epoch + 1
    assert row["as_source"]["top1_error"] == pytest.approx(float(100 * (1 - accuracy)))
    assert row["as_source"]["accounting"] == "exact-best"


def test_asking_twice_answers_from_disk_and_fresh_trains_again_to_the_same(tmp_path: Path) -> None:
    first = train(train_request(tmp_path), CATALOG, Progress())
    weights = tensors(first)
    recorder = Recorder()
    second = train(train_request(tmp_path), CATALOG, recorder)
    assert second["cached"]
    assert recorder.done == 0
    assert second["top1_errors"] == first["top1_errors"]
    recorder = Recorder()
    third = train(train_request(tmp_path, fresh=True), CATALOG, recorder)
    assert recorder.done == 28
    assert same(weights, tensors(third))


def test_a_training_that_stops_anywhere_goes_on_to_the_same_weights_table_and_predictions(tmp_path: Path) -> None:
    whole = train(train_request(tmp_path / "whole", heldout=9), CATALOG, Progress())
    for steps in (1, 8, 13, 24):
        cut = train_request(tmp_path / f"cut{steps}", heldout=9)
        with pytest.raises(KeyboardInterrupt):
            train(cut, CATALOG, Recorder(steps))
        recorder = Recorder()
        row = train(cut, CATALOG, recorder)
        assert same(tensors(whole), tensors(row))
        assert same(tensors(whole, "best-heldout"), tensors(row, "best-heldout"))
        assert np.array_equal(bits(whole), bits(row))
        timed = ["train_seconds", "test_seconds"]
        pd.testing.assert_frame_equal(epochs(whole).drop(columns=timed), epochs(row).drop(columns=timed))
        assert recorder.done == 24 - (steps - 1) // 6 * 6, "the epochs before the stop are not trained again"
        assert not (Path(row["path"]) / "checkpoint.pt").exists()


def test_a_training_on_mixed_and_noisy_images_that_stops_goes_on_with_the_same_watched_errors(tmp_path: Path) -> None:
    whole = train(train_request(tmp_path / "whole", "experiment"), CATALOG, Progress())
    for steps in (5, 15):
        cut = train_request(tmp_path / f"cut{steps}", "experiment")
        with pytest.raises(KeyboardInterrupt):
            train(cut, CATALOG, Recorder(steps))
        recorder = Recorder()
        row = train(cut, CATALOG, recorder)
        assert same(tensors(whole), tensors(row))
        timed = ["train_seconds", "test_seconds"]
        pd.testing.assert_frame_equal(epochs(whole).drop(columns=timed), epochs(row).drop(columns=timed))
        assert recorder.done == (26 if steps == 5 else 13)
    assert any("train error lowpass r=2" in note for note in recorder.notes)


@pytest.mark.parametrize(("recipe", "total"), [("usual", 28), ("experiment", 26), ("attacked", 14)])
def test_a_killed_process_goes_on_from_within_an_epoch_to_the_same_weights(
    tmp_path: Path, recipe: str, total: int
) -> None:
    steps = random.randrange(2, total - 1)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM.parent)}
    command = [sys.executable, str(PROGRAM), str(tmp_path / "killed"), recipe, "0.02", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline() == "step\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    folder = next((tmp_path / "killed" / "training").iterdir())
    assert not (folder / "manifest.json").exists()
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)["trainer"]["step"]
    assert steps - 1 <= saved <= total
    recorder = Recorder()
    row = train(train_request(tmp_path / "killed", recipe), CATALOG, recorder)
    assert recorder.done == total - saved, f"killed after step {steps}"
    whole = train(train_request(tmp_path / "whole", recipe), CATALOG, Progress())
    assert same(tensors(whole), tensors(row)), f"killed after step {steps}"
    assert np.array_equal(bits(whole), bits(row))


def test_held_out_images_are_not_learned_from_and_choose_an_epoch_of_their_own(tmp_path: Path) -> None:
    row = train(train_request(tmp_path, heldout=12), CATALOG, Progress())
    table = epochs(row)
    assert set(table["train_n"]) == {52}
    assert set(table["heldout_n"]) == {12}
    best = int(table["heldout_errors"].to_numpy().argmin())
    assert row["best_heldout"]["epoch"] == best + 1
    assert row["best_heldout"]["test_errors"] == int(table["test_errors"][best])
    assert row["train_n"] == 52
    assert row["top1_errors"] == int(table["test_errors"].iloc[-1]), "the last epoch, whatever is best"
    plain = train(train_request(tmp_path), CATALOG, Progress())
    assert plain["run_id"] != row["run_id"]
    assert plain["best_heldout"] is None


@pytest.mark.parametrize("count", [-1, 64])
def test_held_out_images_leave_some_to_learn_from(tmp_path: Path, count: int) -> None:
    with pytest.raises(BadParameter, match=f"--held-out to be from 0 to 63, got {count}"):
        train(train_request(tmp_path, heldout=count), CATALOG, Progress())


def test_a_small_scale_trains_smaller_and_says_so(tmp_path: Path) -> None:
    row = train(train_request(tmp_path, scale="mini"), CATALOG, Progress())
    assert (row["recipe"], row["scale"], row["train_n"], row["epochs"]) == ("usual@mini", "mini", 40, 2)
    assert row["architecture"] == "tiny:width=2"
    shorter = train(train_request(tmp_path, scale="mini", epochs=1, seed=5), CATALOG, Progress())
    assert (shorter["recipe"], shorter["epochs"], shorter["seed"]) == ("usual@mini,epochs=1", 1, 5)


def test_options_in_the_name_win_over_those_of_the_recipe(tmp_path: Path) -> None:
    one = dataclasses.replace(train_request(tmp_path, epochs=1), architecture="tiny:width=3,drop=0.5")
    assert train(one, CATALOG, Progress())["architecture"] == "tiny:drop=0.5,width=3"


def test_a_loss_that_is_no_number_stops_in_one_line_and_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(training_run, "EVERY", 0.0)
    monkeypatch.setattr(training_run, "TIMES", 0.0)
    with pytest.raises(TrainingError, match=r"step \d+ of 28") as raised:
        train(train_request(tmp_path, "diverging"), CATALOG, Progress())
    assert "\n" not in str(raised.value)
    (folder,) = (tmp_path / "training").iterdir()
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)["trainer"]
    assert saved["step"] >= 1
    assert all(torch.isfinite(t).all() for t in saved["module"].values())
    assert not (folder / "last.safetensors").exists()


def test_a_checkpoint_of_another_training_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    for recipe, seed in (("usual", 3), ("adam", 3), ("usual", 4)):
        with pytest.raises(KeyboardInterrupt):
            train(train_request(tmp_path / f"{recipe}{seed}", recipe, seed=seed), CATALOG, Recorder(9))
    places = {p.parent.parent.parent.name: p for p in tmp_path.glob("*/training/*/checkpoint.pt")}
    mine = places["usual3"]
    shutil.copy(places["adam3"], mine)
    again = train_request(tmp_path / "usual3", seed=3)
    with pytest.raises(TrainingError, match=r"one of tiny:width=6 by usual; --fresh starts again, got .* by adam \("):
        train(again, CATALOG, Progress())
    shutil.copy(places["usual4"], mine)
    with pytest.raises(TrainingError, match="of other data or options"):
        train(again, CATALOG, Progress())
    mine.write_bytes(mine.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="to be whole; --fresh") as raised:
        train(again, CATALOG, Progress())
    assert "\n" not in str(raised.value)
    assert train(dataclasses.replace(again, fresh=True), CATALOG, Progress())["epochs"] == 4


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(train_request(tmp_path), CATALOG, Recorder(9))
    (path,) = tmp_path.glob("training/*/checkpoint.pt")
    torch.save({"identity": os.system}, path)
    with pytest.raises(TrainingError, match="to be whole"):
        train(train_request(tmp_path), CATALOG, Progress())


@pytest.fixture
def small_files() -> Iterator[int]:
    """Limits files to so many bytes: writing more fails, as on a full disk."""
    limit, before = 4000, resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_no_room_for_a_checkpoint_is_one_line_and_the_one_before_stays(tmp_path: Path, request: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(train_request(tmp_path), CATALOG, Recorder(9))
    (path,) = tmp_path.glob("training/*/checkpoint.pt")
    before = path.read_bytes()
    limit = request.getfixturevalue("small_files")
    assert len(before) > limit
    with pytest.raises(StorageError, match=r"Cannot write .*checkpoint\.pt: File too large"):
        train(train_request(tmp_path), CATALOG, Progress())
    assert path.read_bytes() == before
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")], "nothing half-written is left"


def test_no_room_is_found_before_the_first_step(tmp_path: Path, monkeypatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("benchsuite.training.checkpoints.shutil.disk_usage", lambda path: usage._replace(free=1000))
    recorder = Recorder()
    with pytest.raises(StorageError, match="room for checkpoints to be at least 0 MiB, got 0 MiB"):
        train(train_request(tmp_path), CATALOG, recorder)
    assert recorder.done == 0


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"recipe": "usal"}, UnknownName, "Unknown recipe of tiny 'usal': did you mean 'usual'"),
        ({"recipe": "theirs"}, BadParameter, "--recipe to be one of tiny, got theirs, which is one of other"),
        ({"recipe": None}, BadParameter, "--recipe to be one of usual, adam, diverging, quiet"),
        ({"data": "digits"}, BadParameter, "--data to be dots, the data set of the recipe usual, got digits"),
        ({"data": "dotz"}, UnknownName, "Unknown dataset 'dotz': did you mean 'dots'"),
        ({"scale": "huge"}, BadParameter, "--scale to be one of full, mini, got huge"),
        ({"recipe": "adam", "epochs": 0}, BadParameter, "--epochs to be at least 1"),
        ({"precision": "int8"}, BadParameter, "--precision to be one of auto, fp32, bf16, fp16, got int8"),
        ({"device": "gpu"}, BenchsuiteError, "--device"),
        ({"architecture": "tiny:wdth=3"}, BadParameter, "option of tiny 'wdth': did you mean 'width'"),
        ({"architecture": "tiny:width=a"}, BadParameter, "width to be a whole number, got a"),
        ({"architecture": "tiny:width=101,norm=false"}, BadParameter, "norm to be true"),
        ({"architecture": "tinny"}, UnknownName, "did you mean 'tiny'"),
        ({"architecture": "tiny:deaf=true"}, DataError, "number of classes of tiny"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    tmp_path: Path, fields: dict[str, Any], kind: Any, words: str
) -> None:
    with pytest.raises(kind, match=words) as raised:
        train(dataclasses.replace(train_request(tmp_path), **fields), CATALOG, Progress())
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.rglob("*"))


def test_digits_are_trained_by_their_recipe_for_any_network(tmp_path: Path) -> None:
    one = dataclasses.replace(train_request(tmp_path, None, data="digits", epochs=1), architecture="tiny")
    row = train(one, CATALOG, Progress())
    assert (row["recipe"], row["dataset"], row["n"]) == ("digits-1@epochs=1", "digits", 360)
    assert row["train_n"] == 1437
    fixed = dataclasses.replace(toy_training.ARCHITECTURE, input=Input(fixed=True))
    catalog = dataclasses.replace(CATALOG, architectures={**CATALOG.architectures, "tiny": fixed})
    row = train(dataclasses.replace(one, results=tmp_path / "fixed"), catalog, Progress())
    manifest = json.loads((Path(row["path"]) / "manifest.json").read_text())
    assert manifest["recipe"]["sizes"] == [8], "a network of fixed size is trained at its own"


@pytest.mark.parametrize(("name", "recipe"), [("resnet50", "digits-2"), ("resnet20", "digits-1")])
def test_networks_have_the_recipe_of_the_digits_for_their_kind_and_may_name_the_other(name: str, recipe: str) -> None:
    assert find_recipe(TrainRequest(name, None, data="digits"), CATALOG).name == recipe
    for other in ("digits-1", "digits-2"):
        assert find_recipe(TrainRequest(name, other), CATALOG).name == other


@pytest.mark.parametrize("by", ["id", "file"])
def test_trained_weights_are_evaluated_by_id_and_by_file_with_the_preprocessing_in_them(
    tmp_path: Path, by: str
) -> None:
    row = train(train_request(tmp_path), CATALOG, Progress())
    weights = row["run_id"] if by == "id" else str(Path(row["path"]) / "last.safetensors")
    question = Evaluation(("tiny:width=6",), ("1crop",), data="dots", weights=weights, device="cpu", results=tmp_path)
    (result,) = run(question, CATALOG, Progress())
    assert result["top1_errors"] == row["top1_errors"]
    assert result["weights"] == "trained by usual, seed 3"
    manifest = json.loads((Path(result["path"]) / "manifest.json").read_text())
    assert manifest["members"][0]["preprocess"]["mean"] == [0.4, 0.5, 0.6]


def test_trained_weights_are_refused_by_a_network_with_other_options(tmp_path: Path) -> None:
    row = train(train_request(tmp_path), CATALOG, Progress())
    question = Evaluation(("tiny",), ("1crop",), data="dots", weights=row["run_id"], device="cpu", results=tmp_path)
    with pytest.raises(WeightsError, match="the architecture to be tiny:width=6, that of the weights, got tiny"):
        run(question, CATALOG, Progress())
    wrong = dataclasses.replace(question, weights=row["run_id"][:-1] + "x")
    with pytest.raises(UnknownName, match=f"did you mean {row['run_id']!r}"):
        run(wrong, CATALOG, Progress())
