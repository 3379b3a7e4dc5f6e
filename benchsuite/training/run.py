"""Runs a whole training: reuses what is on disk, trains and tests each epoch, writes checkpoints and results."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.models.state_dict import save_state
from benchsuite.progress import Progress
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Sample, Split, spread
from benchsuite.specs.perturbation import Perturbation, short_names
from benchsuite.storage import training_folder
from benchsuite.storage.files import writing
from benchsuite.storage.training_folder import BEST, CHECKPOINT, LAST
from benchsuite.training import manifest as training_manifest
from benchsuite.training import schedules
from benchsuite.training.history import WATCHED, History, watched_counts
from benchsuite.training.job import Job, TrainRequest, plan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchsuite.distributed.process_group import Group
    from benchsuite.training.images import TrainingImages
    from benchsuite.training.trainer import Trainer, TrainingCompute


EVERY, TIMES = 60.0, 50.0
"""A checkpoint within an epoch is due after ``EVERY`` seconds, or ``TIMES`` times what writing the last one took,
whichever is longer."""

_STEPS_BETWEEN_CHECKS = 50
"""Steps between two checks, with several processes, of whether a checkpoint is due: the leader decides."""


def train(request: TrainRequest, catalog: Catalog, progress: Progress) -> dict[str, Any]:
    """Trains as requested, or resumes an unfinished training; returns the flat row of ``train --json``.

    The row of a finished training is read from its folder. Raises a ``BenchsuiteError`` for every mistake of a user.
    """
    return carry_out(plan(request, catalog), request, progress)


def carry_out(job: Job, request: TrainRequest, progress: Progress) -> dict[str, Any]:
    """Does a planned training, or reads it from its folder if it is finished; returns its row."""
    folder = training_folder.folder(request.results, job.run_id)
    done = None if request.fresh else training_folder.read(folder)
    if done is not None:
        return training_manifest.row(done, folder, cached=True)
    from benchsuite.distributed import process_group
    from benchsuite.models.device import device_here, keep_freed_memory
    from benchsuite.training.trainer import deterministic

    device = device_here(request.device)
    if device == "cpu":
        keep_freed_memory()
    with process_group.group(device) as group, deterministic(device):
        work = _Work(job, request, folder, device, group, progress if group.leads else Progress())
        return training_manifest.row(work.run(), folder, cached=False)


@dataclass(slots=True)
class _Work:
    """A training in progress. ``seconds`` is the time spent on each kind of work, including the time before a kill.

    ``run`` sets the last five fields before the first step; ``heldout`` is None without held-out images, ``watched``,
    the training images that are classified under perturbations, without any.
    """

    job: Job
    request: TrainRequest
    folder: Path
    device: str
    group: Group
    progress: Progress
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("load", "train", "test", "save"), 0.0))
    mark: float = field(default_factory=time.perf_counter)
    test: TrainingImages = field(init=False)
    heldout: TrainingImages | None = field(init=False)
    watched: TrainingImages | None = field(init=False)
    trainer: Trainer = field(init=False)
    history: History = field(init=False)

    def run(self) -> dict[str, Any]:
        """Trains to the end and returns the manifest.

        Raises ``TrainingError`` for a loss that is not finite, ``StorageError`` if a file cannot be written.
        """
        from benchsuite.training import checkpoints

        job, path = self.job, self.folder / CHECKPOINT
        saved = None if self.request.fresh else checkpoints.load(path, job.digest, job.what)
        compute = self._compute(saved)
        learned, self.test, self.heldout, self.watched = self._images()
        self.trainer = self._build(learned, compute)
        counted, watched = job.recipe.count_batch or job.recipe.batch_size, short_names(job.recipe.watched)
        self.history = History(len(job.test.samples), counted, watched)
        if saved is not None:
            self._restore(saved)
        self.progress.start(f"training {job.architecture.name}", self.trainer.steps - self.trainer.step)
        try:
            self._epochs()
        finally:
            self.progress.stop()
        manifest = training_manifest.make(job, self.request, self.trainer, self.history, self.seconds)
        if self.group.leads:
            self._write_weights(LAST, "")
            with writing(self.folder / "manifest.json") as part:
                part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            checkpoints.remove(path)
        self.group.wait()
        return manifest

    def _compute(self, saved: Mapping[str, Any] | None) -> TrainingCompute:
        """Device, precision and layout. A resumed training keeps the precision and layout of its checkpoint."""
        from benchsuite.training.trainer import TrainingCompute, pick_precision

        precision = saved["precision"] if saved else pick_precision(self.request.precision, self.device)
        layout = saved["layout"] if saved else None
        return TrainingCompute(self.device, self.group.collect(precision)[0], self.request.compiled, layout, self.group)

    def _images(self) -> tuple[TrainingImages, TrainingImages, TrainingImages | None, TrainingImages | None]:
        """The training, test, held-out and watched images, in memory; None if none are held out or watched."""
        from benchsuite.training import images
        from benchsuite.training.images import training_images

        job = self.job
        how = job.recipe.preprocess
        test_sizes = (how.crop,)

        def load(split: Split, samples: Sequence[Sample], sizes: Sequence[int]) -> TrainingImages:
            return training_images(
                {s: images.cached_pixels(split, samples, how, s) for s in sizes}, samples, self.device
            )

        if not self.group.leads:
            self.group.wait()  # until the leader has filled the cache of images
        self.progress.note(f"reading {len(job.learned)} training images of {job.train.name}")
        learned = load(job.train, job.learned, schedules.sizes(job.recipe))
        test = load(job.test, job.test.samples, test_sizes)
        heldout = load(job.train, job.heldout, test_sizes) if job.heldout else None
        seen = spread(job.learned, job.recipe.watched_images)
        same = len(seen) == len(job.learned) and how.crop in learned.sizes
        watched = (learned if same else load(job.train, seen, test_sizes)) if job.recipe.watched else None
        if self.group.leads:
            self.group.wait()
        return learned, test, heldout, watched

    def _build(self, learned: TrainingImages, compute: TrainingCompute) -> Trainer:
        """The trainer with a new network. Raises ``StorageError`` if the disk has no room for its checkpoints."""
        from benchsuite.training import checkpoints
        from benchsuite.training.trainer import Trainer

        trainer = Trainer(self.job.architecture, self.job.recipe, learned, len(self.job.train.classes), compute)
        if self.group.leads:
            checkpoints.check_room(self.folder, trainer.module)
        self._spent("load")
        return trainer

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Sets trainer, history and seconds to those of a checkpoint."""
        self.trainer.restore(saved["trainer"])
        self.history.restore(saved["history"])
        self.seconds = {name: self.seconds[name] + before for name, before in saved["seconds"].items()}
        self.progress.note(f"resuming after step {self.trainer.step} of {self.trainer.steps}")

    def _epochs(self) -> None:
        """Does the remaining steps. Tests after each epoch; saves a checkpoint after each test and when one is due."""
        trainer, pause = self.trainer, EVERY
        while trainer.step < trainer.steps:
            finite = trainer.advance()
            self.progress.advance(1, f"epoch {trainer.epoch}, {trainer.words}")
            if trainer.between_epochs:
                self._test()
            elif not (finite and self._due(pause)):
                continue
            else:
                self._spent("train")
            self._save()
            pause = max(EVERY, TIMES * self._spent("save"))

    def _test(self) -> None:
        """Counts the errors after an epoch; writes the weights if those on held-out images are the fewest so far."""
        self._spent("train")
        trainer, history = self.trainer, self.history
        loss, wrong, seen = trainer.epoch_counts()
        correct = self._right(self.test)
        missed = None if self.heldout is None else int((~self._right(self.heldout)).sum())
        watched = self._watched()
        best = history.best("heldout_errors")
        if missed is not None and self.group.leads and (best is None or missed < best["heldout_errors"]):
            self._write_weights(BEST, ", best on held-out images")
        self._spent("test")
        before = {kind: sum(r[f"{kind}_seconds"] for r in history.rows) for kind in ("train", "test")}
        row: dict[str, Any] = {
            "epoch": trainer.epoch,
            "step": trainer.step,
            "loss": loss,
            "learning_rate": trainer.rate,
        }
        row |= {"train_errors": wrong, "train_n": seen, "heldout_errors": missed}
        row |= {"heldout_n": None if self.heldout is None else len(self.heldout.labels)}
        row |= watched
        history.add(row | {f"{kind}_seconds": self.seconds[kind] - spent for kind, spent in before.items()}, correct)
        self._note_epoch()

    def _watched(self) -> dict[str, int]:
        """The columns of an epoch's row for the perturbations that the recipe watches; none without any."""
        if self.watched is None:
            return {}
        named = zip(self.history.watched, self.job.recipe.watched, strict=True)
        errors = {f"{WATCHED}{name}": int((~self._right(self.watched, one)).sum()) for name, one in named}
        return errors | {"watched_n": len(self.watched.labels)}

    def _right(self, images: TrainingImages, perturbation: Perturbation | None = None) -> NDArray[np.bool_]:
        """Which of these images, changed by the perturbation, the network classifies correctly: (n,) bool."""
        from benchsuite.training.trainer import correct_answers

        how = self.job.recipe.preprocess
        return correct_answers(self.trainer.module, images, how, self.group, perturbation)

    def _note_epoch(self) -> None:
        """Notes the errors of the epoch that was just tested."""
        row = self.history.rows[-1]
        total = -(-self.trainer.steps // self.trainer.per_epoch)
        errors = {part: row[f"{part}_errors"] for part in ("train", "heldout", "test")}
        words = [f"{p} error {100 * e / row[f'{p}_n']:.2f} %" for p, e in errors.items() if e is not None]
        words += [f"train error {name} {100 * float(seen.ratio):.2f} %" for name, seen in watched_counts(row).items()]
        words = [f"loss {row['loss']:.4f}", *words, f"{row['train_seconds'] + row['test_seconds']:.0f} s"]
        self.progress.note(f"epoch {row['epoch']} of {total}: {', '.join(words)}")

    def _due(self, pause: float) -> bool:
        """Whether a checkpoint is due; with several processes the leader decides."""
        if self.group.size > 1 and self.trainer.step % _STEPS_BETWEEN_CHECKS:
            return False
        return bool(self.group.collect(time.perf_counter() - self.mark > pause)[0])

    def _save(self) -> None:
        """Writes the checkpoint, then the table of the epochs and the predictions."""
        from benchsuite.training import checkpoints

        state = {
            "identity": self.job.digest,
            "what": self.job.what,
            "precision": self.trainer.compute.precision,
            "layout": self.trainer.layout,
            "trainer": self.trainer.state(),
            "history": self.history.state(),
            "seconds": self.seconds,
        }
        if self.group.leads:
            checkpoints.save(self.folder / CHECKPOINT, state)
            if self.history.rows:
                self.history.write(self.folder)

    def _write_weights(self, name: str, which: str) -> None:
        recipe, architecture = self.job.recipe, self.job.architecture.name
        label = f"trained by {recipe.name}, seed {recipe.seed}{which}"
        with writing(self.folder / name) as part:
            save_state(part, self.trainer.module, recipe.preprocess, {"architecture": architecture, "label": label})

    def _spent(self, kind: str) -> float:
        """Adds the seconds since the last call to those of ``kind``; returns them."""
        now = time.perf_counter()
        spent, self.mark = now - self.mark, now
        self.seconds[kind] += spent
        return spent
