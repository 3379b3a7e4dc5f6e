"""Tests of mixup: the mixed images, losses and counts are those of a plain loop."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import toy_training
from scipy import stats

from benchsuite import Augmentation, Schedule
from benchsuite.distributed.process_group import Group
from benchsuite.training.batches import Feed
from benchsuite.training.images import read, training_images
from benchsuite.training.pixels.mixup import Mix, Targets, draw_mix, mixed
from benchsuite.training.trainer import Trainer, TrainingCompute

SPLIT = toy_training.open_dots(None, "train")
ARRAY = read(SPLIT, SPLIT.samples, toy_training.PREPROCESS, toy_training.SIDE)
IMAGES = training_images({toy_training.SIDE: ARRAY}, SPLIT.samples, "cpu")
MIXED = dataclasses.replace(
    toy_training.USUAL,
    options=(("drop", 0.0), ("width", 6)),
    mixup=0.7,
    schedule=Schedule(),
    augmentation=Augmentation(),
    epochs=2,
)
pytestmark = pytest.mark.usefixtures("one_thread")


def test_shares_are_from_the_beta_distribution_and_partners_are_a_permutation() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [draw_mix(0.5, 7, generator) for _ in range(400)]
    assert stats.kstest([mix.share for mix in drawn], stats.beta(0.5, 0.5).cdf).pvalue > 1e-3
    assert all(sorted(mix.partners.tolist()) == list(range(7)) for mix in drawn)
    firsts = np.bincount([int(mix.partners[0]) for mix in drawn], minlength=7)
    assert stats.chisquare(firsts).pvalue > 1e-3


def test_loss_and_hits_by_hand() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    own, partner = torch.tensor([0, 0]), torch.tensor([1, 0])
    losses = -torch.log_softmax(logits, 1)
    for share, labels in ((0.75, own), (0.5, own), (0.25, partner)):
        targets = Targets(own, partner, share)
        by_hand = sum(share * losses[i, own[i]] + (1 - share) * losses[i, partner[i]] for i in range(2))
        torch.testing.assert_close(targets.loss(logits), by_hand)
        assert int(targets.hits(logits)) == sum(int(logits[i].argmax()) == int(labels[i]) for i in range(2))
    assert torch.equal(Targets(own).loss(logits), losses[0, 0] + losses[1, 0])


def test_pixels_are_mixed_one_by_one() -> None:
    x = torch.rand(4, 3, 2, 2)
    mix = Mix(0.3, torch.tensor([2, 0, 1, 3]))
    made = mixed(x, mix)
    for i, j in enumerate([2, 0, 1, 3]):
        torch.testing.assert_close(made[i], 0.3 * x[i] + 0.7 * x[j])


def by_hand(recipe: Any) -> tuple[Any, int]:
    """The plain loop: images and losses are mixed one by one. The network, and the errors of the last epoch."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    module = toy_training.build(3, **dict(recipe.options)).train()
    how = recipe.optimizer
    optimiser = torch.optim.SGD(
        module.parameters(), how.learning_rate, how.momentum, weight_decay=how.weight_decay, nesterov=how.nesterov
    )
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (recipe.preprocess.mean, recipe.preprocess.std))
    for _ in range(recipe.epochs):
        wrong = 0
        for chosen in torch.randperm(len(ARRAY), generator=generator).split(recipe.batch_size):
            seed = int(torch.randint(2**62, (), generator=generator))
            share = float(np.random.Generator(np.random.Philox(seed)).beta(recipe.mixup, recipe.mixup))
            partners = torch.randperm(len(chosen), generator=generator)
            plain = [(torch.from_numpy(ARRAY[i]).permute(2, 0, 1) / 255 - mean) / std for i in chosen.tolist()]
            labels = IMAGES.labels[chosen].tolist()
            x = torch.stack([share * plain[i] + (1 - share) * plain[j] for i, j in enumerate(partners.tolist())])
            out = module(x)
            losses = -torch.log_softmax(out, 1)
            pairs = list(enumerate(partners.tolist()))
            total = sum(share * losses[i, labels[i]] + (1 - share) * losses[i, labels[j]] for i, j in pairs)
            wrong += sum(int(out[i].argmax()) != labels[i if share >= 0.5 else j] for i, j in pairs)
            optimiser.zero_grad()
            (total / len(chosen)).backward()
            optimiser.step()
    return module, wrong


def test_a_training_with_mixup_is_that_of_a_plain_loop() -> None:
    architecture = toy_training.catalog().architecture("tiny", MIXED.options)
    training = Trainer(architecture, MIXED, IMAGES, 3, TrainingCompute())
    while training.step < training.steps:
        training.advance()
    plain, wrong = by_hand(MIXED)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(training.module.state_dict()[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    assert training.epoch_counts()[1:] == (wrong, 64)


@pytest.mark.parametrize("count", [10, 3, 1])
def test_the_parts_of_two_processes_are_the_batch_of_one(count: int) -> None:
    recipe = dataclasses.replace(toy_training.EXPERIMENT, augmentation=Augmentation(pad=2, flip=True, fill="mean"))
    chosen = torch.randperm(64)[:count]
    whole, *parts = (
        Feed(IMAGES, recipe, "cpu", Group(r, size)).batch(chosen, 8) for r, size in ((0, 1), (0, 2), (1, 2))
    )
    if count == 1:
        assert [part.whole for part in parts] == [2, 2], "both have the only image"
        assert all(torch.equal(part.x, whole.x) for part in parts)
        return
    for rank, part in enumerate(parts):
        own = slice(rank, count, 2)
        assert torch.equal(part.x, whole.x[own])
        assert torch.equal(part.targets.own, whole.targets.own[own])
        assert torch.equal(part.targets.partner, whole.targets.partner[own])
        assert (part.targets.share, part.whole) == (whole.targets.share, count)
