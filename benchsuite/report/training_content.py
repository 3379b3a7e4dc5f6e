"""Trainings in a report: the errors of each epoch, recounted from the stored correctness of every test image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError, StorageError, expected
from benchsuite.stats import batch_averaging
from benchsuite.stats.metrics import Count
from benchsuite.storage import correctness, training_folder
from benchsuite.storage.correctness import Correctness
from benchsuite.storage.training_folder import EPOCHS
from benchsuite.training import manifest as training_manifest
from benchsuite.training.history import watched_counts


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch: errors as exact counts, and ``smoothed``, the accuracy in 0..1 that PNN's monitor would have printed.

    ``heldout`` is None where no images were held out. ``watched`` are the errors on training images under each of the
    perturbations that the recipe watches, by their short names.
    """

    number: int
    loss: float
    learning_rate: float
    train: Count
    test: Count
    heldout: Count | None
    smoothed: Fraction
    watched: Mapping[str, Count]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingContent:
    """A finished training: its flat row as in ``train --json``, its manifest, its epochs, and what each got right."""

    row: Mapping[str, Any]
    manifest: Mapping[str, Any]
    epochs: tuple[Epoch, ...]
    correctness: Correctness

    @property
    def run_id(self) -> str:
        """The training's id."""
        return str(self.row["run_id"])

    @property
    def digest(self) -> str:
        """The last part of the training's id, which is different for every training."""
        return self.run_id.rpartition("-")[2]

    @property
    def name(self) -> str:
        """``pnn:nfilters=8, klachko-5@mini, seed 1``."""
        return f"{self.row['architecture']}, {self.row['recipe']}, seed {self.row['seed']}"


def read(folder: Path) -> TrainingContent:
    """Reads a finished training; its weights need not exist.

    The test errors are recounted. Raises ``DataError`` if the table of the epochs or the manifest has other numbers,
    and ``StorageError`` for a training that is not finished or cannot be read.
    """
    manifest = training_folder.read(folder, weights=False)
    if manifest is None:
        raise StorageError(expected("a training", "finished", "one without a manifest", str(folder)))
    passes, table = correctness.read(folder.parent, str(folder)), _table(folder)
    wrong = [int(errors) for errors in (~passes.correct).sum(axis=1)]
    stated = [row["test_errors"] for row in table]
    if wrong != stated or manifest["last"]["test_errors"] != wrong[-1] or manifest["last"]["epoch"] != len(wrong):
        raise DataError(expected(f"the test errors of {folder.name}", f"{stated}, as in {EPOCHS}", wrong, str(folder)))
    assert passes.batch_size is not None, "a training has batches"
    source = training_manifest.as_source(
        manifest["recipe"]["accounting"], passes.correct, passes.batch_size, passes.heldout
    )
    row = training_manifest.row(manifest | {"as_source": source}, folder, cached=True)
    smoothed = batch_averaging.ratios(batch_averaging.SMOOTHED, passes.correct, passes.batch_size)
    return TrainingContent(row, manifest, tuple(map(_epoch, table, smoothed)), passes)


def _epoch(row: Mapping[str, Any], smoothed: Fraction) -> Epoch:
    known = row["heldout_errors"] is not None
    return Epoch(
        number=row["epoch"],
        loss=row["loss"],
        learning_rate=row["learning_rate"],
        train=Count(row["train_errors"], row["train_n"]),
        test=Count(row["test_errors"], row["test_n"]),
        heldout=Count(row["heldout_errors"], row["heldout_n"]) if known else None,
        smoothed=smoothed,
        watched=watched_counts(row),
    )


def _table(folder: Path) -> list[dict[str, Any]]:
    """The rows of ``epochs.parquet``."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(folder / EPOCHS) as file:
            rows: list[dict[str, Any]] = file.read().to_pylist()
    except Exception as error:
        raise StorageError(f"Cannot read {folder / EPOCHS}: {error}") from error
    return rows
