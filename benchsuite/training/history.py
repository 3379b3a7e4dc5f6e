"""The counts and predictions of every epoch of a training; how a training without a history tells its progress."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.progress import Progress
from benchsuite.stats.metrics import Count
from benchsuite.storage.files import writing
from benchsuite.storage.training_folder import CORRECT, EPOCHS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchsuite.training.trainer import Trainer


WATCHED = "train_errors "
"""The beginning of a column with the errors on training images under a perturbation; its name follows."""

INTEGERS = ("epoch", "step", "train_errors", "train_n", "test_errors", "test_n", "heldout_errors", "heldout_n")
FLOATS = ("loss", "learning_rate", "train_seconds", "test_seconds")


@dataclass(slots=True)
class History:
    """The epochs so far. ``correct`` holds for each epoch which of the ``n`` test images were right, in their order.

    ``batch_size`` is that in which the recipe's source counts. ``watched`` are the names of the perturbations under
    which errors on training images are counted.
    """

    n: int
    batch_size: int
    watched: tuple[str, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    correct: list[NDArray[np.bool_]] = field(default_factory=list)

    def add(self, row: dict[str, Any], correct: NDArray[np.bool_]) -> None:
        """Adds an epoch; its test errors are counted from ``correct``, (n,) bool."""
        row = row | {"test_errors": int((~correct).sum()), "test_n": len(correct)}
        self.rows.append({name: row[name] for name in (*self._integers, *FLOATS)})
        self.correct.append(correct)

    def best(self, name: str) -> dict[str, Any] | None:
        """The row with the fewest errors in a column, the first of equal ones; None if the column has no counts."""
        counted = [row for row in self.rows if row[name] is not None]
        return min(counted, key=lambda row: row[name]) if counted else None

    def state(self) -> dict[str, Any]:
        """The epochs as a checkpoint holds them."""
        import torch

        return {"rows": self.rows, "correct": torch.from_numpy(self._packed())}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a ``state``."""
        import numpy as np

        self.rows = [dict(row) for row in state["rows"]]
        bits = state["correct"].numpy()
        self.correct = [np.unpackbits(row, count=self.n).astype(bool) for row in bits]

    def write(self, folder: Path) -> None:
        """Writes the table of the epochs and the predictions. Raises ``StorageError`` naming the file."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = [(name, pa.int64()) for name in self._integers] + [(name, pa.float64()) for name in FLOATS]
        with writing(folder / EPOCHS) as part:
            pq.write_table(pa.Table.from_pylist(self.rows, pa.schema(columns)), part)
        with writing(folder / CORRECT) as part, part.open("wb") as file:
            np.savez(file, bits=self._packed(), n=self.n, batch_size=self.batch_size)

    @property
    def _integers(self) -> tuple[str, ...]:
        """The columns of whole numbers: those of watched perturbations exist only where there are any."""
        return (*INTEGERS, *(f"{WATCHED}{name}" for name in self.watched), *(["watched_n"] if self.watched else []))

    def _packed(self) -> NDArray[np.uint8]:
        """(epochs, ceil(n / 8)) uint8, the first image in the highest bit."""
        import numpy as np

        if not self.correct:
            return np.zeros((0, -(-self.n // 8)), dtype=np.uint8)
        return np.packbits(np.stack(self.correct), axis=1)


def watched_counts(row: Mapping[str, Any]) -> dict[str, Count]:
    """The errors on training images in a row of the epochs, by the name of the perturbation; maybe none."""
    return {name.removeprefix(WATCHED): Count(row[name], row["watched_n"]) for name in row if name.startswith(WATCHED)}


TIMED = 10
"""So many steps are timed, after the first one, before the time of a training is told."""


@dataclass(slots=True)
class Told:
    """Tells a progress how a training goes: how long it will take, by its first steps, and the error of each epoch.

    ``start`` is when the training started, ``timed`` when its first step had ended, in seconds.
    """

    trainer: Trainer
    progress: Progress
    start: float = field(default_factory=time.monotonic)
    timed: float = 0.0
    first: float | None = None
    last: float = 0.0

    def advanced(self) -> None:
        """Tells of a step that is done."""
        trainer, now = self.trainer, time.monotonic()
        self.progress.advance(1, trainer.words)
        if trainer.step == 1:
            self.timed = now
        if trainer.step == min(1 + TIMED, trainer.steps) > 1:
            left = (now - self.timed) / (trainer.step - 1) * trainer.rest.ahead(trainer.step, trainer.steps)
            self.progress.note(f"this takes about {now - self.start + left:.0f} s, by its first {trainer.step} steps")
        if trainer.between_epochs:
            self._epoch()

    def ended(self) -> None:
        """Tells how long the training took, and the errors of its first and last epoch."""
        spent, epochs = time.monotonic() - self.start, self.trainer.epoch
        errors = f"{self.first:.1f} % wrong in epoch 1, {self.last:.1f} % in epoch {epochs}"
        self.progress.note(f"trained in {spent:.0f} s; of the training images, {errors}")

    def _epoch(self) -> None:
        loss, wrong, seen = self.trainer.epoch_counts()
        self.last = 100 * wrong / seen
        self.first = self.last if self.first is None else self.first
        epochs = -(-self.trainer.steps // self.trainer.per_epoch)
        self.progress.point(self.last, f"epoch {self.trainer.epoch} of {epochs}, loss {loss:.2f}")
