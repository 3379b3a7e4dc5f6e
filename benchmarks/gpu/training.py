"""Checks of training: the seed fixes the weights, a checkpoint continues, images per second."""

from __future__ import annotations

import copy
import dataclasses
import time
import warnings
from typing import Any

import torch
from gpu_check import made_up
from gpu_check.bench import Bench
from gpu_check.rows import Check, Outcome, Stage, measured, promised

from benchsuite import Augmentation, Optimizer, Recipe, Sample, Schedule
from benchsuite.distributed.process_group import Group
from benchsuite.models.network import state_digest
from benchsuite.training.images import training_images
from benchsuite.training.trainer import Trainer, TrainingCompute, correct_answers, deterministic


def recipe(bench: Bench) -> Recipe:
    """A few steps of SGD on made-up images."""
    return Recipe(
        name="gpu-check",
        dataset="made-up",
        preprocess=bench.sizes.preprocess,
        epochs=100,
        batch_size=max(4, bench.sizes.batch // 4),
        optimizer=Optimizer("sgd", 0.02, momentum=0.9, weight_decay=1e-4),
        schedule=Schedule("one-cycle"),
        augmentation=Augmentation(pad=4, flip=True),
        source="made up",
        expected="nothing",
        cost="seconds",
    )


def pictures(bench: Bench) -> Any:
    """The images of the training, where the trainer puts them."""
    n = bench.sizes.few
    samples = [Sample(f"{i:06}", i % min(8, bench.sizes.classes), "made up", "1") for i in range(n)]
    return training_images({bench.sizes.crop: made_up.crops(n)}, samples, bench.name)


def trainer(bench: Bench, images: Any, precision: str, seed: int = 0, group: Group | None = None) -> Trainer:
    """A training that has not begun."""
    device = "cuda:0" if bench.cuda else bench.name
    compute = TrainingCompute(device, precision, group=group or Group())
    how = dataclasses.replace(recipe(bench), seed=seed)
    return Trainer(bench.catalog.architecture("made-up-net"), how, images, bench.sizes.classes, compute)


def steps(training: Trainer, count: int) -> str:
    """Does some steps; the digest of the weights after them."""
    for _ in range(count):
        training.advance()
    return state_digest(training.module)


def seeds(bench: Bench) -> Outcome:
    """The same seed gives the same weights, also from a checkpoint in between; another seed gives others."""
    images, words, kept, count = pictures(bench), list[str](), True, bench.sizes.steps
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        with deterministic(bench.name):
            for precision in ("fp32", bench.lower) if bench.cuda else ("fp32",):
                first = trainer(bench, images, precision)
                half = steps(first, count // 2)
                state = copy.deepcopy(first.state())
                ends = [steps(first, count - count // 2)]
                again = trainer(bench, images, precision)
                same_half = steps(again, count // 2) == half
                ends.append(steps(again, count - count // 2))
                resumed = trainer(bench, images, precision, 0)
                resumed.restore(state)
                ends.append(steps(resumed, count - count // 2))
                other = steps(trainer(bench, images, precision, 1), 1)
                same = same_half and len(set(ends)) == 1
                kept &= same and other not in ends
                words.append(f"{precision}: {'the same weights' if same else 'OTHER WEIGHTS'}")
    named = sorted({str(w.message).split()[0] for w in found if "deterministic implementation" in str(w.message)})
    text = f"{count} steps, three times; {', '.join(words)}"
    if named:
        return measured(f"{text}; torch has no deterministic kernel for {', '.join(named)}")
    return promised(kept, text)


def learns(bench: Bench) -> Outcome:
    """The loss falls on images that are seen again and again; the test counts in evaluation mode."""
    images = pictures(bench)
    with deterministic(bench.name):
        training = trainer(bench, images, bench.lower)
        losses = []
        for _ in range(6 * bench.sizes.steps):
            training.advance()
            if training.between_epochs:
                losses.append(training.epoch_counts()[0])
        correct = correct_answers(training.module, images, bench.sizes.preprocess, training.compute.group)
    text = f"loss {losses[0]:.2f} in the first, {losses[-1]:.2f} in the last of {len(losses)} epochs"
    return promised(losses[-1] < losses[0], f"{text}; {int(correct.sum())} of {len(correct)} right afterwards")


def speed(bench: Bench) -> Outcome:
    """Images per second of training steps, and the memory that they take."""
    images = pictures(bench)
    if bench.cuda:
        torch.cuda.reset_peak_memory_stats()
    with deterministic(bench.name):
        training = trainer(bench, images, bench.lower)
        steps(training, 3)
        bench.wait()
        begun, seen = time.perf_counter(), 0
        for _ in range(3 * bench.sizes.steps):
            training.advance()
            seen += training.recipe.batch_size
        bench.wait()
        rate = seen / (time.perf_counter() - begun)
    peak = f", {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if bench.cuda else ""
    text = f"{rate:.0f} images/s in {bench.lower}, batches of at most {training.recipe.batch_size}{peak}"
    return measured(text, images_per_second=rate)


TRAINING = Stage(
    "training",
    60,
    (
        Check("the seed fixes the weights", seeds, 10, "the same, as far as torch has kernels"),
        Check("a network learns", learns, 8, "the loss falls"),
        Check("images/s of training", speed, 8, "a number"),
    ),
)
