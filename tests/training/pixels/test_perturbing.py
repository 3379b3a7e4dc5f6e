"""Tests of perturbed images in training and in its tests, against slow twins and plain loops of torch."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toy_training
from benchsuite.protocols.adversarial import fast_gradient_sign, projected_gradient
from benchsuite.protocols.frequency import low_pass
from benchsuite.protocols.noise import gaussian
from reference import attacks, frequency
from safetensors.torch import load_file

from benchsuite import Augmentation, Preprocess, Recipe, Schedule
from benchsuite.distributed.process_group import Group
from benchsuite.models.perturbed_batch import normal
from benchsuite.progress import Progress
from benchsuite.specs.dataset import shuffled
from benchsuite.training.batches import Feed, Moment
from benchsuite.training.images import TrainingImages, read, training_images
from benchsuite.training.job import TrainRequest
from benchsuite.training.run import train
from benchsuite.training.trainer import Trainer, TrainingCompute, correct_answers

SPLIT = toy_training.open_dots(None, "train")
ARRAY = read(SPLIT, SPLIT.samples, toy_training.PREPROCESS, toy_training.SIDE)
IMAGES = training_images({toy_training.SIDE: ARRAY}, SPLIT.samples, "cpu")
PLAIN = dataclasses.replace(
    toy_training.USUAL,
    options=(("drop", 0.0), ("width", 6)),
    schedule=Schedule(),
    augmentation=Augmentation(),
    epochs=1,
)
MEAN, STD = (torch.tensor(v).view(1, 3, 1, 1) for v in (toy_training.PREPROCESS.mean, toy_training.PREPROCESS.std))
pytestmark = pytest.mark.usefixtures("one_thread")


def trainer(recipe: Recipe, images: TrainingImages = IMAGES, **compute: Any) -> Trainer:
    architecture = toy_training.catalog().architecture("tiny", recipe.options)
    return Trainer(architecture, recipe, images, 3, TrainingCompute(**compute))


def run(training: Trainer, steps: int | None = None) -> Trainer:
    for _ in range(training.steps - training.step if steps is None else steps):
        training.advance()
    return training


def by_hand(recipe: Recipe, change: Any, steps: int) -> Any:
    """The plain loop: ``change(module, pixels, labels, indices)`` of pixels in [0, 1], then a step of torch's SGD."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    module = toy_training.build(3, **dict(recipe.options)).train()
    how = recipe.optimizer
    optimiser = torch.optim.SGD(
        module.parameters(), how.learning_rate, how.momentum, weight_decay=how.weight_decay, nesterov=how.nesterov
    )
    order = torch.randperm(len(ARRAY), generator=generator)
    for chosen in order.split(recipe.batch_size)[:steps]:
        pixels = torch.from_numpy(ARRAY[chosen.numpy()]).permute(0, 3, 1, 2) / 255
        labels = IMAGES.labels[chosen]
        x = change(module, pixels, labels, chosen.tolist())
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module((x - MEAN) / STD), labels).backward()
        optimiser.step()
    return module


def assert_same(training: Trainer, module: Any) -> None:
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(training.module.state_dict()[name], tensor, rtol=2e-3, atol=1e-4, msg=name)


def test_a_training_on_low_pass_images_is_that_of_a_plain_loop() -> None:
    def low(module: Any, pixels: Any, labels: Any, indices: list[int]) -> Any:
        pictures = [
            frequency.filtered(p.permute(1, 2, 0).double().numpy(), "lowpass", Fraction(2), rule="lt") for p in pixels
        ]
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()

    recipe = dataclasses.replace(PLAIN, perturbation=low_pass(r=Fraction(2), rule="lt"))
    assert_same(run(trainer(recipe), 3), by_hand(recipe, low, 3))


@pytest.mark.parametrize("layout", ["channels-last", "contiguous"])
@pytest.mark.parametrize("norm", [True, False])
def test_adversarial_training_is_that_of_a_plain_loop(norm: bool, layout: Any) -> None:
    """The attack is on the network in training mode: its passes change the running statistics, too."""

    def attacked(module: Any, pixels: Any, labels: Any, indices: list[int]) -> Any:
        return attacks.pgd(lambda x: module((x - MEAN) / STD), pixels, labels, 0.1, 3, 0.05, pixels)

    attack = projected_gradient(eps=Fraction(1, 10), steps=3, step=Fraction(1, 20), start="zero")
    recipe = dataclasses.replace(PLAIN, perturbation=attack, options=(*PLAIN.options, ("norm", norm)))
    training, module = run(trainer(recipe, layout=layout), 2), by_hand(recipe, attacked, 2)
    assert_same(training, module)
    if norm:
        assert int(module[1].num_batches_tracked) == 2 * (3 + 1)


def test_an_attack_raises_the_loss_that_is_trained_on() -> None:
    plain = run(trainer(PLAIN), 3).epoch_counts()[0]
    assert run(trainer(dataclasses.replace(PLAIN, perturbation=fast_gradient_sign())), 3).epoch_counts()[0] > plain


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_an_attack_is_in_float32_whatever_the_training_is_in(precision: str) -> None:
    seen: list[Any] = []
    recipe = dataclasses.replace(PLAIN, perturbation=fast_gradient_sign())
    training = trainer(recipe, precision=precision)
    training.module[0].register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    run(training, 1)
    lower = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert seen == [torch.float32, lower]


def test_noise_is_of_the_image_the_seed_and_the_pass() -> None:
    """Two passes in each of two epochs; every image of a pass has the numbers of its id, the seed and the pass."""
    recipe = dataclasses.replace(PLAIN, perturbation=gaussian(std=Fraction(1, 20), seed=5), passes=2, epochs=2)
    training, seen = trainer(recipe), list[Any]()
    training.module.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach() * STD + MEAN))
    order = list[int]()
    for step in range(training.steps):
        run(training, 1)
        start = step % training.per_epoch * recipe.batch_size
        order += training.order[start : start + recipe.batch_size].tolist()
    assert training.per_epoch == 13
    assert len(order) == 4 * 64
    assert all(sorted(order[i : i + 64]) == list(range(64)) for i in range(0, 256, 64))
    made = torch.cat(seen)
    for place in (0, 40, 100, 130, 250):
        index = order[place]
        step = place // 128 * 13 + place % 128 // 10
        number = step // 13 * 2 + step % 13 * 10 // 64 + 1
        drawn = normal(f"seed 3 pass {number} {SPLIT.samples[index].id}", 5, (3, 8, 8))
        wanted = (ARRAY[index].transpose(2, 0, 1) / 255 + 0.05 * drawn).clip(0, 1)
        np.testing.assert_allclose(made[place].numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_padding_of_the_mean_colour_is_filled_before_the_change(order: Any, scale: float) -> None:
    """All frequencies are kept: the input is that without a perturbation."""
    how = Preprocess(8, 8, "bilinear", (0.4 * scale, 0.5 * scale, 0.6 * scale), (0.2, 0.25, 0.3), channel_order=order)
    how = dataclasses.replace(how, range=scale)
    recipe = dataclasses.replace(PLAIN, preprocess=how, augmentation=Augmentation(pad=4, fill="mean", flip=True))
    kept = dataclasses.replace(recipe, perturbation=low_pass(r=Fraction(100)))
    plain, same = (Feed(IMAGES, r, "cpu", Group()).batch(torch.arange(20), 8).x for r in (recipe, kept))
    assert bool((plain == 0).all(1).any()), "there is padding"
    torch.testing.assert_close(same, plain, rtol=1e-4, atol=1e-4 * scale)


def test_images_divided_by_their_largest_value_are_those_of_the_code() -> None:
    recipe = dataclasses.replace(PLAIN, perturbation=low_pass(r=Fraction(100), range="max"))
    x = Feed(IMAGES, recipe, "cpu", Group()).batch(torch.arange(5), 8, Moment()).x * STD + MEAN
    pixels = ARRAY[:5].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(x.numpy(), pixels / pixels.max((1, 2, 3), keepdims=True), atol=1e-5)


def recounted(module: Any, samples: Any, pictures: Any) -> int:
    """The errors of a network in evaluation mode on pictures in [0, 1], (n, h, w, 3), one by one."""
    wrong = 0
    for sample, picture in zip(samples, pictures, strict=True):
        x = torch.from_numpy(np.asarray(picture)).permute(2, 0, 1)[None].float()
        wrong += int(module.eval()((x - MEAN) / STD).argmax()) != sample.label
    return wrong


def test_watched_errors_are_those_of_an_independent_count_against_the_labels_trained_on(tmp_path: Path) -> None:
    request = TrainRequest("tiny", "experiment", device="cpu", precision="fp32", results=tmp_path)
    row = train(request, toy_training.catalog(), Progress())
    table = pd.read_parquet(Path(row["path"]) / "epochs.parquet")
    names = ["train_errors lowpass r=2", "train_errors noise std=0.2 seed=0"]
    assert [name for name in table if name.startswith("train_errors ")] == names
    assert set(table["watched_n"]) == {23}
    module = toy_training.build(3, width=6)
    module.load_state_dict(load_file(Path(row["path"]) / "last.safetensors"))
    chosen = [i * 64 // 23 for i in range(23)]
    samples, pixels = [shuffled(SPLIT.samples)[i] for i in chosen], ARRAY[chosen] / 255
    low = [frequency.filtered(p, "lowpass", Fraction(2), rule="le") for p in pixels]
    noisy = [
        (p + 0.2 * normal(s.id, 0, (3, 8, 8)).transpose(1, 2, 0)).clip(0, 1)
        for p, s in zip(pixels, samples, strict=True)
    ]
    wanted = [recounted(module, samples, low), recounted(module, samples, noisy)]
    assert [int(table[name].iloc[-1]) for name in names] == wanted
    assert [row[name.replace("errors", "error")] for name in names] == pytest.approx([100 * n / 23 for n in wanted])
    assert (row["n"], row["train_n"]) == (21, 64), "the test is on all originals"


def test_a_training_that_watches_nothing_has_no_columns_for_it(tmp_path: Path) -> None:
    request = TrainRequest("tiny", "quiet", device="cpu", precision="fp32", results=tmp_path, epochs=1)
    row = train(request, toy_training.catalog(), Progress())
    table = pd.read_parquet(Path(row["path"]) / "epochs.parquet")
    assert not [
        name for name in (*table, *row) if "watched" in name or name.startswith(("train_errors ", "train_error "))
    ]


def test_an_attack_can_be_watched_and_finds_more_errors() -> None:
    training = run(trainer(dataclasses.replace(PLAIN, epochs=8)))
    how, attack = toy_training.PREPROCESS, projected_gradient(eps=Fraction(1, 10), start="zero")
    clean, attacked = (correct_answers(training.module, IMAGES, how, Group(), one) for one in (None, attack))
    assert attacked.sum() < clean.sum()
    assert training.module.training

    def logits(x: Any) -> Any:
        return training.module((x - MEAN) / STD)

    training.module.eval()
    pixels = torch.from_numpy(ARRAY).permute(0, 3, 1, 2) / 255
    by_plain = attacks.pgd(logits, pixels, IMAGES.labels, 0.1, 10, 0.025, pixels)
    assert int((logits(by_plain).argmax(1) == IMAGES.labels).sum()) == pytest.approx(attacked.sum(), abs=1)


@pytest.mark.parametrize("cut", [1, 5, 13])
@pytest.mark.parametrize("recipe", [toy_training.EXPERIMENT, toy_training.ATTACKED], ids=lambda r: r.name)
def test_a_training_that_was_cut_goes_on_to_the_same_weights(cut: int, recipe: Recipe) -> None:
    whole, first = run(trainer(recipe)), run(trainer(recipe), cut)
    state = first.state()
    torch.rand(3)
    second = trainer(recipe)
    second.restore(state)
    run(second)
    mine, theirs = whole.module.state_dict(), second.module.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert second.epoch_counts() == pytest.approx(whole.epoch_counts())


def test_shuffled_labels_are_the_same_for_every_seed(tmp_path: Path) -> None:
    from benchsuite.training.job import plan

    jobs = [
        plan(TrainRequest("tiny", "experiment", seed=seed, results=tmp_path), toy_training.catalog()) for seed in (0, 1)
    ]
    assert jobs[0].learned == jobs[1].learned == shuffled(SPLIT.samples)
    assert jobs[0].run_id != jobs[1].run_id
    held = plan(TrainRequest("tiny", "experiment", heldout=9, results=tmp_path), toy_training.catalog())
    assert set(held.heldout) <= set(SPLIT.samples), "held-out images keep their true labels"


def test_every_pass_has_each_image_once() -> None:
    feed = Feed(IMAGES, dataclasses.replace(PLAIN, passes=3), "cpu", Group())
    order = feed.order().tolist()
    assert [sorted(part) for part in (order[:64], order[64:128], order[128:])] == [list(range(64))] * 3
