"""How long a training will take: a few of its steps are timed on the device, before it starts."""

from __future__ import annotations

import time

from benchsuite.models.device import device_here
from benchsuite.training import schedules
from benchsuite.training.job import Job, TrainRequest

TIMED = 3
"""Steps that are timed, after one that is not."""


def steps_of(job: Job) -> int:
    """The number of steps of a training."""
    recipe = job.recipe
    per_epoch = schedules.batches_per_epoch(len(job.learned) * recipe.passes, recipe.batch_size, recipe.partial)
    return schedules.length(recipe.epochs, recipe.iterations, per_epoch)


def seconds(job: Job, request: TrainRequest) -> float:
    """The seconds of all training steps, from the first few. Tests, loading and checkpoints are not in it."""
    from benchsuite.training import images
    from benchsuite.training.trainer import Trainer, TrainingCompute, deterministic, pick_precision

    device, recipe = device_here(request.device), job.recipe
    samples = job.learned[: recipe.batch_size * (1 + TIMED)]
    pixels = {size: images.read(job.train, samples, recipe.preprocess, size) for size in schedules.sizes(recipe)}
    compute = TrainingCompute(device, pick_precision(request.precision, device))
    with deterministic(device):
        learned = images.training_images(pixels, samples, device)
        trainer = Trainer(job.architecture, recipe, learned, len(job.train.classes), compute)
        trainer.advance()
        trainer.epoch_counts()
        start, first = time.perf_counter(), trainer.step
        for _ in range(min(TIMED, trainer.steps - first)):
            trainer.advance()
        trainer.epoch_counts()
    spent, timed = time.perf_counter() - start, max(1, trainer.step - first)
    return spent / timed * steps_of(job)
