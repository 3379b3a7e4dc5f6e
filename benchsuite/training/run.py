"""A whole ``train``: what is there already, the epochs with their tests and checkpoints, and the results on disk."""

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
from benchsuite.specs.dataset import Sample, Split
from benchsuite.storage import training_folder
from benchsuite.storage.files import writing
from benchsuite.storage.training_folder import BEST, CHECKPOINT, LAST
from benchsuite.training import manifest as training_manifest
from benchsuite.training import schedules
from benchsuite.training.history import History
from benchsuite.training.job import Job, TrainRequest, plan

if TYPE_CHECKING:
    from benchsuite.distributed.process_group import Group
    from benchsuite.training.images import TrainingImages
    from benchsuite.training.trainer import Compute, Trainer


EVERY, TIMES = 60.0, 50.0
"""Seconds between two checkpoints within an epoch, at least; and so many times what writing the last one took."""

_ASK = 50
"""Steps after which several processes ask the first one whether a checkpoint is due."""


def train(request: TrainRequest, catalog: Catalog, progress: Progress) -> dict[str, Any]:
    """Trains what was asked, or goes on where it was left; returns the flat row of ``train --json``.

    A training that is finished is answered from its folder. Raises a ``BenchsuiteError`` for every mistake of a user.
    """
    return carry_out(plan(request, catalog), request, progress)


def carry_out(job: Job, request: TrainRequest, progress: Progress) -> dict[str, Any]:
    """Does a planned training, unless it is finished."""
    folder = training_folder.folder(request.results, job.run_id)
    done = None if request.fresh else training_folder.read(folder)
    if done is not None:
        return training_manifest.row(done, folder, cached=True)
    from benchsuite.distributed import process_group
    from benchsuite.models import device as compute_device
    from benchsuite.models.device import keep_freed_memory

    device = compute_device.device_here(request.device)
    if device == "cpu":
        keep_freed_memory()
    with process_group.group(device) as group:
        work = _Work(job, request, folder, device, group, progress if group.leads else Progress())
        return training_manifest.row(work.run(), folder, cached=False)


@dataclass(slots=True)
class _Work:
    """A training under way. ``seconds`` say what the time went into, also before a kill."""

    job: Job
    asked: TrainRequest
    folder: Path
    device: str
    group: Group
    progress: Progress
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("load", "train", "test", "save"), 0.0))
    mark: float = field(default_factory=time.perf_counter)

    def run(self) -> dict[str, Any]:
        """Trains to the end. Raises ``TrainingError`` for a loss that is no number, ``StorageError`` without room."""
        from benchsuite.training import checkpoints

        job, path = self.job, self.folder / CHECKPOINT
        saved = None if self.asked.fresh else checkpoints.load(path, job.identity, job.what)
        means = self._means(saved)
        learned, test, heldout = self._images()
        trainer = self._trainer(learned, means)
        history = History(len(job.test.samples), job.recipe.count_batch or job.recipe.batch_size)
        if saved is not None:
            trainer.restore(saved["trainer"])
            history.restore(saved["history"])
            self.seconds = {name: self.seconds[name] + before for name, before in saved["seconds"].items()}
            self.progress.note(f"going on after step {trainer.step} of {trainer.steps}")
        self.progress.start(f"training {job.architecture.name}", trainer.steps - trainer.step)
        try:
            self._epochs(trainer, history, test, heldout)
        finally:
            self.progress.stop()
        manifest = training_manifest.make(job, self.asked, trainer, history, self.seconds)
        if self.group.leads:
            self._write_weights(LAST, trainer, "")
            with writing(self.folder / "manifest.json") as part:
                part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            checkpoints.remove(path)
        self.group.wait()
        return manifest

    def _means(self, saved: Mapping[str, Any] | None) -> Compute:
        """What is measured is measured once: a training that goes on keeps precision and layout of its checkpoint."""
        from benchsuite.training.trainer import Compute, pick_precision

        precision = saved["precision"] if saved else pick_precision(self.asked.precision, self.device)
        layout = saved["layout"] if saved else None
        return Compute(self.device, self.group.collect(precision)[0], self.asked.compiled, layout, self.group)

    def _images(self) -> tuple[TrainingImages, TrainingImages, TrainingImages | None]:
        """The images to learn from, those of the test and the held-out ones, in memory."""
        from benchsuite.training import images
        from benchsuite.training.images import pictures

        job = self.job
        how = job.recipe.preprocess
        usual = (how.crop,)

        def made(split: Split, samples: Sequence[Sample], sizes: Sequence[int]) -> TrainingImages:
            return pictures({s: images.kept(split, samples, how, s) for s in sizes}, samples, self.device)

        if not self.group.leads:
            self.group.wait()  # the first process fills the cache
        self.progress.note(f"reading {len(job.learned)} images of {job.train.name} to learn from")
        learned = made(job.train, job.learned, schedules.sizes(job.recipe))
        test = made(job.test, job.test.samples, usual)
        heldout = made(job.train, job.heldout, usual) if job.heldout else None
        if self.group.leads:
            self.group.wait()
        return learned, test, heldout

    def _trainer(self, learned: TrainingImages, means: Compute) -> Trainer:
        """The network; raises ``StorageError`` where there is no room for its checkpoints."""
        from benchsuite.training import checkpoints
        from benchsuite.training.trainer import Trainer

        trainer = Trainer(self.job.architecture, self.job.recipe, learned, len(self.job.train.classes), means)
        if self.group.leads:
            checkpoints.check_room(self.folder, trainer.module)
        self._spent("load")
        return trainer

    def _epochs(self, trainer: Trainer, history: History, test: TrainingImages, heldout: TrainingImages | None) -> None:
        """Every step that is left; a test after each epoch, and a checkpoint after each test and when one is due."""
        pause = EVERY
        while trainer.step < trainer.steps:
            sure = trainer.advance()
            self.progress.advance(1, f"epoch {trainer.epoch}, {trainer.words}")
            if trainer.between_epochs:
                self._test(trainer, history, test, heldout)
            elif not (sure and self._due(trainer, pause)):
                continue
            else:
                self._spent("train")
            self._save(trainer, history)
            pause = max(EVERY, TIMES * self._spent("save"))

    def _test(self, trainer: Trainer, history: History, test: TrainingImages, heldout: TrainingImages | None) -> None:
        """Counts the errors after an epoch; keeps the weights with the fewest on held-out images."""
        from benchsuite.training.trainer import right

        self._spent("train")
        loss, wrong, seen = trainer.epoch_counts()
        how = self.job.recipe.preprocess
        correct = right(trainer.module, test, how, self.group)
        missed = None if heldout is None else int((~right(trainer.module, heldout, how, self.group)).sum())
        best = history.best("heldout_errors")
        if missed is not None and self.group.leads and (best is None or missed < best["heldout_errors"]):
            self._write_weights(BEST, trainer, ", best on held-out images")
        self._spent("test")
        before = {kind: sum(r[f"{kind}_seconds"] for r in history.rows) for kind in ("train", "test")}
        row: dict[str, Any] = {
            "epoch": trainer.epoch,
            "step": trainer.step,
            "loss": loss,
            "learning_rate": trainer.rate,
        }
        row |= {"train_errors": wrong, "train_n": seen, "heldout_errors": missed}
        row |= {"heldout_n": None if heldout is None else len(heldout.labels)}
        history.add(row | {f"{kind}_seconds": self.seconds[kind] - spent for kind, spent in before.items()}, correct)
        self._tell(trainer, history.rows[-1])

    def _tell(self, trainer: Trainer, row: Mapping[str, Any]) -> None:
        total = -(-trainer.steps // trainer.per_epoch)
        errors = {part: row[f"{part}_errors"] for part in ("train", "heldout", "test")}
        words = [f"{p} error {100 * e / row[f'{p}_n']:.2f} %" for p, e in errors.items() if e is not None]
        words = [f"loss {row['loss']:.4f}", *words, f"{row['train_seconds'] + row['test_seconds']:.0f} s"]
        self.progress.note(f"epoch {row['epoch']} of {total}: {', '.join(words)}")

    def _due(self, trainer: Trainer, pause: float) -> bool:
        """Whether a checkpoint is due; of several processes the first one says so."""
        if self.group.size > 1 and trainer.step % _ASK:
            return False
        return bool(self.group.collect(time.perf_counter() - self.mark > pause)[0])

    def _save(self, trainer: Trainer, history: History) -> None:
        """Writes the checkpoint, then the table of the epochs and the predictions."""
        from benchsuite.training import checkpoints

        state = {
            "identity": self.job.identity,
            "what": self.job.what,
            "precision": trainer.means.precision,
            "layout": trainer.layout,
            "trainer": trainer.state(),
            "history": history.state(),
            "seconds": self.seconds,
        }
        if self.group.leads:
            checkpoints.save(self.folder / CHECKPOINT, state)
            if history.rows:
                history.write(self.folder)

    def _write_weights(self, name: str, trainer: Trainer, which: str) -> None:
        recipe, architecture = self.job.recipe, self.job.architecture.name
        label = f"trained by {recipe.name}, seed {recipe.seed}{which}"
        with writing(self.folder / name) as part:
            save_state(part, trainer.module, recipe.preprocess, {"architecture": architecture, "label": label})

    def _spent(self, kind: str) -> float:
        """Adds the time since the last call to what is spent on ``kind``; returns it."""
        now = time.perf_counter()
        spent, self.mark = now - self.mark, now
        self.seconds[kind] += spent
        return spent
