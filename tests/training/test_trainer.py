"""The trainer step by step: against a plain loop with torchvision's transforms, stopped at any step, and its errors."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as T
import toy_training
from PIL import Image
from recorded_progress import RecordedProgress

from benchsuite import (
    Augmentation,
    BadParameter,
    Catalog,
    DataError,
    Optimizer,
    Recipe,
    Schedule,
    StorageError,
    TrainingError,
    Warmup,
)
from benchsuite.builtin.datasets.digits import RECIPE, RESIDUAL, open_digits
from benchsuite.models.checkpoints import files
from benchsuite.progress import Progress
from benchsuite.runs import run as runs
from benchsuite.runs.plan import RunRequest
from benchsuite.training import batches
from benchsuite.training import trainer as engine
from benchsuite.training.images import TrainingImages, read, training_images
from benchsuite.training.job import TrainRequest
from benchsuite.training.network import in_layout
from benchsuite.training.run import train
from benchsuite.training.trainer import Trainer, TrainingCompute, correct_answers

SPLIT = toy_training.open_dots(None, "train")
ARRAY = read(SPLIT, SPLIT.samples, toy_training.PREPROCESS, toy_training.SIDE)
IMAGES = training_images({toy_training.SIDE: ARRAY}, SPLIT.samples, "cpu")
QUIET = dataclasses.replace(toy_training.USUAL, options=(("drop", 0.0), ("width", 6)))
pytestmark = pytest.mark.usefixtures("one_thread")


def trainer(recipe: Recipe, compute: TrainingCompute | None = None, images: TrainingImages = IMAGES) -> Trainer:
    architecture = toy_training.catalog().architecture("tiny", recipe.options)
    return Trainer(architecture, recipe, images, 3, compute or TrainingCompute())


def run(training: Trainer, steps: int | None = None) -> Trainer:
    for _ in range(training.steps - training.step if steps is None else steps):
        training.advance()
    return training


def same(a: Trainer, b: Trainer) -> bool:
    mine, theirs = a.module.state_dict(), b.module.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def transformed(index: int, draws: batches.Draws, place: int) -> torch.Tensor:
    """One image as torchvision makes it: RandomCrop(8, padding=2), RandomHorizontalFlip, ToTensor, Normalize."""
    picture = Image.fromarray(ARRAY[index])
    picture = T.crop(T.pad(picture, [2]), int(draws.top[place]), int(draws.left[place]), 8, 8)
    picture = T.hflip(picture) if draws.flip[place] else picture
    return T.normalize(T.to_dtype(T.to_image(picture), torch.float32, scale=True), *normal())


def normal() -> tuple[list[float], list[float]]:
    return list(toy_training.PREPROCESS.mean), list(toy_training.PREPROCESS.std)


def by_hand(recipe: Recipe) -> Any:
    """The plain loop: images one by one, torch's optimiser with its defaults, MultiStepLR after each epoch."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    module = toy_training.build(3, **dict(recipe.options)).train()
    how = recipe.optimizer
    optimiser = torch.optim.SGD(
        module.parameters(), how.learning_rate, how.momentum, weight_decay=how.weight_decay, nesterov=how.nesterov
    )
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [2, 3], 0.1)
    for _ in range(recipe.epochs):
        order = torch.randperm(len(ARRAY), generator=generator)
        for chosen in order.split(recipe.batch_size):
            draws = batches.draw(recipe.augmentation, len(chosen), 8, generator)
            x = torch.stack([transformed(int(index), draws, i) for i, index in enumerate(chosen)])
            loss = torch.nn.functional.cross_entropy(module(x), IMAGES.labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        scheduler.step()
    return module


def test_a_training_is_that_of_a_plain_loop_with_torchvisions_transforms() -> None:
    training, plain = run(trainer(QUIET)), by_hand(QUIET)
    assert training.step == training.steps == 4 * 7
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(training.module.state_dict()[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("cut", [1, 6, 7, 8, 13, 27])
@pytest.mark.parametrize("recipe", [toy_training.USUAL, toy_training.ADAM], ids=lambda r: r.name)
def test_a_training_that_was_cut_goes_on_to_the_same_weights(cut: int, recipe: Recipe) -> None:
    whole, first = run(trainer(recipe)), run(trainer(recipe), cut)
    state = first.state()
    torch.rand(3)
    second = trainer(recipe)
    second.restore(state)
    assert same(first, second)
    assert second.epoch_counts() == pytest.approx(first.epoch_counts())
    run(second)
    assert same(whole, second)
    assert second.epoch_counts() == pytest.approx(whole.epoch_counts())


def test_the_seed_makes_the_training_and_another_seed_another() -> None:
    assert same(run(trainer(toy_training.USUAL)), run(trainer(toy_training.USUAL)))
    assert not same(run(trainer(toy_training.USUAL)), run(trainer(dataclasses.replace(toy_training.USUAL, seed=4))))


def test_counts_of_an_epoch_are_those_of_its_images() -> None:
    training = run(trainer(toy_training.USUAL), 7)
    loss, wrong, seen = training.epoch_counts()
    assert seen == 64
    assert 0 < wrong < 64
    assert 0.5 < loss < 3
    assert training.between_epochs
    assert training.epoch == 1
    assert run(training, 1).epoch_counts()[2] == 10
    assert training.epoch == 2


def test_the_last_smaller_batch_is_trained_on_or_left_out() -> None:
    assert trainer(toy_training.USUAL).per_epoch == 7
    training = run(trainer(dataclasses.replace(toy_training.USUAL, partial=False)), 6)
    assert training.per_epoch == 6
    assert training.epoch_counts()[2] == 60


def test_a_number_of_iterations_ends_within_an_epoch() -> None:
    training = run(trainer(dataclasses.replace(toy_training.USUAL, iterations=10)))
    assert (training.step, training.epoch, training.between_epochs) == (10, 2, True)
    assert training.epoch_counts()[2] == 30


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precisions_learn_about_the_same(precision: str) -> None:
    exact, lower = run(trainer(QUIET), 7), run(trainer(QUIET, TrainingCompute(precision=precision)), 7)
    assert lower.epoch_counts()[0] == pytest.approx(exact.epoch_counts()[0], rel=0.05)
    assert not same(exact, lower)
    again = trainer(QUIET, TrainingCompute(precision=precision))
    again.restore(lower.state())
    assert same(run(again), run(lower))


def test_weights_are_contiguous_where_they_are_multiplied_with_and_learn_the_same(monkeypatch: Any) -> None:
    arrays = {size: read(SPLIT, SPLIT.samples, toy_training.PREPROCESS, size) for size in (8, 12)}
    recipe = dataclasses.replace(QUIET, sizes=(8, 12))
    several = [trainer(recipe, images=training_images(arrays, SPLIT.samples, "cpu"))]
    with monkeypatch.context() as patch:
        patch.setattr(
            "benchsuite.training.trainer.in_layout",
            lambda module, *how, products: in_layout(module, *how, products=not products),
        )
        several.append(trainer(recipe, images=training_images(arrays, SPLIT.samples, "cpu")))
    formats = [{p.is_contiguous() for p in one.module.parameters()} for one in several]
    assert formats == [{True}, {True, False}]
    plain, last = (run(one, 9).module.state_dict() for one in several)
    for name, tensor in plain.items():
        torch.testing.assert_close(tensor, last[name], rtol=1e-3, atol=1e-4, msg=name)
    assert {p.is_contiguous() for p in trainer(QUIET).module.parameters()} == {True, False}


def test_several_sizes_come_in_turn() -> None:
    arrays = {size: read(SPLIT, SPLIT.samples, toy_training.PREPROCESS, size) for size in (8, 12)}
    recipe = dataclasses.replace(toy_training.USUAL, sizes=(8, 12, 12), augmentation=Augmentation(shift=4))
    training = trainer(recipe, images=training_images(arrays, SPLIT.samples, "cpu"))
    seen: list[int] = []
    training.module.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[-1]))
    run(training, 6)
    assert seen == [8, 12, 12, 8, 12, 12]


def test_padding_is_black_or_of_the_mean_colour() -> None:
    plain = torch.zeros(64, 8, 8, 3, dtype=torch.uint8)
    for fill, border in (("black", -0.4 / 0.2), ("mean", 0.0)):
        recipe = dataclasses.replace(toy_training.USUAL, augmentation=Augmentation(pad=8, fill=fill))
        training = trainer(recipe, images=TrainingImages({8: plain + 255}, IMAGES.labels))
        seen: list[Any] = []
        training.module.register_forward_pre_hook(lambda module, args, seen=seen: seen.append(args[0].detach().clone()))
        run(training, 3)
        reds = torch.cat(seen)[:, 0]
        assert {round(v, 4) for v in reds.unique().tolist()} == {round(border, 4), round(0.6 / 0.2, 4)}


def test_a_frozen_layer_stays_and_the_rest_learns() -> None:
    training = trainer(dataclasses.replace(toy_training.USUAL, frozen=("0.",)))
    before = {n: t.clone() for n, t in training.module.state_dict().items()}
    run(training, 8)
    after = training.module.state_dict()
    assert torch.equal(before["0.weight"], after["0.weight"])
    assert not torch.equal(before["3.weight"], after["3.weight"])
    assert training.frozen == before["0.weight"].numel()


class Subtracting(torch.nn.Module):
    """A network with a buffer for the mean training image."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", torch.zeros(3, side, side))
        self.head = torch.nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        return self.head((x - self.pixel_mean).mean((2, 3)))


def test_the_mean_image_is_filled_in_and_makes_the_mean_input_zero() -> None:
    recipe = dataclasses.replace(toy_training.USUAL, pixel_mean=True)
    training = Trainer(
        dataclasses.replace(toy_training.ARCHITECTURE, build=lambda n: Subtracting(8)),
        recipe,
        IMAGES,
        3,
        TrainingCompute(),
    )
    expected = (ARRAY.mean(0) / 255 - np.array(toy_training.PREPROCESS.mean)) / np.array(toy_training.PREPROCESS.std)
    np.testing.assert_allclose(training.module.pixel_mean.permute(1, 2, 0).numpy(), expected, atol=1e-6)
    for build in (toy_training.build, lambda n: Subtracting(1)):
        with pytest.raises(BadParameter, match="pixel_mean"):
            Trainer(dataclasses.replace(toy_training.ARCHITECTURE, build=build), recipe, IMAGES, 3, TrainingCompute())


def test_a_warm_up_that_waits_ends_when_the_error_is_low_enough_and_survives_a_cut() -> None:
    schedule = Schedule(warmup=Warmup(0.1, until_error=0.5))
    recipe = dataclasses.replace(QUIET, optimizer=Optimizer("adam", 0.1), schedule=schedule, epochs=12)
    training, rates = trainer(recipe), []
    wrongs: list[int] = []
    while training.step < training.steps:
        training.advance()
        rates.append(training.rate)
        wrongs = training.recent
        if training.step == 5:
            other = trainer(recipe)
            other.restore(training.state())
            training = other
    ends = rates.index(0.1)
    assert ends > 0
    assert rates == [pytest.approx(0.01)] * ends + [0.1] * (len(rates) - ends)
    assert sum(w for w, _ in wrongs) <= 0.5 * sum(n for _, n in wrongs)


def test_a_loss_that_is_no_number_stops_and_names_the_step() -> None:
    training = trainer(toy_training.DIVERGING)
    with pytest.raises(TrainingError, match=r"the loss to be a number.*step \d+ of 28, epoch 1, diverging"):
        run(training)
    assert training.step < 7


def test_a_network_of_other_classes_or_sizes_is_refused_before_any_step() -> None:
    with pytest.raises(DataError, match=r"number of classes of tiny.* to be 3.*got 7"):
        trainer(dataclasses.replace(toy_training.USUAL, options=(("deaf", True),)))
    fixed = dataclasses.replace(
        toy_training.ARCHITECTURE, build=lambda n: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, n))
    )
    with pytest.raises(DataError, match="a size that the network takes, got 8"):
        Trainer(fixed, toy_training.USUAL, IMAGES, 3, TrainingCompute())


def test_right_answers_are_those_of_one_image_after_the_other_with_ties_to_the_lower_class() -> None:
    module = run(trainer(toy_training.USUAL), 9).module
    correct = correct_answers(module, IMAGES, toy_training.PREPROCESS, TrainingCompute().group)
    assert module.training
    module.eval()
    for i, image in enumerate(ARRAY):
        x = T.normalize(T.to_dtype(T.to_image(image), torch.float32, scale=True), *normal())
        with torch.no_grad():
            assert correct[i] == (int(module(x[None]).argmax()) == SPLIT.samples[i].label)
    tied = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 3))
    for parameter in tied.parameters():
        torch.nn.init.zeros_(parameter)
    correct = correct_answers(tied, IMAGES, toy_training.PREPROCESS, TrainingCompute().group)
    assert np.array_equal(correct, IMAGES.labels.numpy() == 0)


TF32 = torch.backends.cuda.matmul, torch.backends.cudnn


@pytest.fixture
def tf32_allowed() -> Iterator[None]:
    """TF32 is allowed in all operations when the training begins."""
    before = [flag.allow_tf32 for flag in TF32]
    for flag in TF32:
        flag.allow_tf32 = True
    yield
    for flag, value in zip(TF32, before, strict=True):
        flag.allow_tf32 = value


@pytest.mark.usefixtures("tf32_allowed")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_tf32_is_off_in_training_and_test_and_autocast_in_the_backward_pass(precision: str) -> None:
    seen: list[list[bool]] = []

    def note(*_: Any) -> None:
        seen.append([*(flag.allow_tf32 for flag in TF32), torch.is_autocast_enabled("cpu")])

    training, lower = trainer(QUIET, TrainingCompute(precision=precision)), precision != "fp32"
    training.module[0].register_forward_pre_hook(note)
    training.module[0].weight.register_hook(note)
    run(training, 2)
    correct_answers(training.module, IMAGES, toy_training.PREPROCESS, training.compute.group)
    forward, backward, test = [False, False, lower], [False, False, False], [False, False, False]
    assert seen == [forward, backward, forward, backward, test]
    assert [flag.allow_tf32 for flag in TF32] == [True, True]


def test_words_say_how_the_epoch_goes() -> None:
    training = run(trainer(toy_training.USUAL), 3)
    loss, wrong, seen = training.epoch_counts()
    assert training.words == f"loss {loss:.3f}, {100 * (seen - wrong) / seen:.1f} % right"
    assert math.isfinite(loss)


@pytest.mark.parametrize("layout", ["channels-last", "contiguous"])
def test_both_layouts_learn_the_same(layout: Any) -> None:
    training = trainer(QUIET, TrainingCompute(layout=layout))
    seen: list[bool] = []
    last = torch.channels_last
    training.module.register_forward_pre_hook(
        lambda module, args: seen.append(args[0].is_contiguous(memory_format=last))
    )
    run(training)
    assert set(seen) == {layout == "channels-last"}
    for name, tensor in by_hand(QUIET).state_dict().items():
        torch.testing.assert_close(training.module.state_dict()[name], tensor, rtol=1e-3, atol=1e-4, msg=name)


SMALL = dataclasses.replace(RECIPE, sizes=(32, 37), epochs=1, batch_size=64)


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "candidates", lambda device: ())


def test_a_fitted_network_knows_its_digits_and_the_seed_makes_it() -> None:
    easy = dataclasses.replace(SMALL, sizes=(32,), epochs=4)
    recorder = RecordedProgress()
    module = engine.fit(toy_training.ARCHITECTURE, easy, open_digits(None, "train"), "cpu", recorder)
    again = engine.fit(toy_training.ARCHITECTURE, easy, open_digits(None, "train"), "cpu", Progress())
    assert not module.training
    assert recorder.done == recorder.total == 4 * (1437 // 64)
    errors = [value for value, _ in recorder.points]
    assert [words.partition(",")[0] for _, words in recorder.points] == [f"epoch {n} of 4" for n in (1, 2, 3, 4)]
    assert errors[-1] < errors[0], "the curve goes down"
    mine, theirs = module.state_dict(), again.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_weights_are_written_whole_once_and_not_made_again(tmp_path: Path) -> None:
    path, recorder = tmp_path / "w.safetensors", RecordedProgress()
    digits = toy_training.open_dots(None, "train")
    recipe = dataclasses.replace(toy_training.ADAM, epochs=1)
    engine.ensure(toy_training.ARCHITECTURE, recipe, path, lambda: digits, "cpu", recorder)
    assert recorder.done == recorder.total == 7
    engine.ensure(toy_training.ARCHITECTURE, recipe, path, lambda: pytest.fail("opened again"), "cpu", recorder)
    assert recorder.done == 7
    assert set(files.read(path)) == set(toy_training.build(3).state_dict())
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="Cannot write"):
        engine.ensure(
            toy_training.ARCHITECTURE, recipe, tmp_path / "file" / "w.safetensors", lambda: digits, "cpu", Progress()
        )


def quick_catalog() -> Catalog:
    """The toys; a network without weights is trained on digits of 32 pixels, for one epoch."""
    catalog = toy_training.catalog()
    quick = dataclasses.replace(SMALL, sizes=(32,))
    dataset = dataclasses.replace(catalog.datasets["digits"], recipe=quick)
    return dataclasses.replace(catalog, datasets={**catalog.datasets, "digits": dataset})


class NotTrained(Exception):
    """Raised by the fixture's ``Trainer`` in place of a training."""


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices of trainings, none of which is done, on a machine with a GPU that need not exist."""
    found: list[str] = []

    def refuse(architecture: Any, recipe: Any, pictures: Any, classes: int, compute: TrainingCompute) -> Any:
        found.append(compute.device)
        raise NotTrained

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(engine, "Trainer", refuse)
    monkeypatch.setattr(engine, "training_images", lambda arrays, samples, device: IMAGES)
    monkeypatch.setattr("benchsuite.models.device.pick_device", lambda name: name)
    return found


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_run_on_the_cpu_also_trains_there(
    tmp_path: Path, devices: list[str], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr("benchsuite.runs.auto_precision.worth_it", lambda _: True)
    monkeypatch.setattr("benchsuite.models.precision.candidates", lambda _: ("bf16",))
    request = RunRequest(("tiny",), ("1crop",), device="cpu", precision=precision, results=tmp_path)
    with pytest.raises(NotTrained):
        runs.run(request, quick_catalog(), Progress())
    assert devices == ["cpu"]


@pytest.mark.parametrize(
    ("asked", "gpu", "used"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cuda:1", True, "cuda:1"), ("cpu", True, "cpu")],
)
def test_a_network_is_trained_on_the_asked_device_and_by_default_on_a_gpu_if_there_is_one(
    devices: list[str], monkeypatch: pytest.MonkeyPatch, asked: str, gpu: bool, used: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with pytest.raises(NotTrained):
        engine.fit(toy_training.ARCHITECTURE, toy_training.USUAL, SPLIT, asked, Progress())
    assert devices == [used]


def test_a_run_without_data_trains_the_asked_network_once_and_evaluates_it(tmp_path: Path) -> None:
    catalog, recorder = quick_catalog(), RecordedProgress()
    (row,) = runs.run(RunRequest(("tiny:width=5",), ("1crop",), device="cpu", results=tmp_path), catalog, recorder)
    assert (row["architecture"], row["weights"], row["n"]) == ("tiny:width=5", "trained here (digits-1)", 360)
    assert any(note.startswith("training tiny:width=5 once, 1 epochs on the 1437 ") for note in recorder.notes)
    recorder = RecordedProgress()
    runs.run(RunRequest(("tiny:width=5",), ("10crop:resize=36",), device="cpu", results=tmp_path), catalog, recorder)
    assert not any("training" in note for note in recorder.notes)


@pytest.mark.parametrize(
    ("known", "wanted"), [((), "fp32"), (("bf16", "tf32"), "bf16"), (("tf32",), "fp32"), (("fp16",), "fp16")]
)
def test_auto_is_what_the_device_computes_by_itself_and_a_named_precision_is_taken(
    monkeypatch: pytest.MonkeyPatch, known: tuple[str, ...], wanted: str
) -> None:
    monkeypatch.setattr(engine, "candidates", lambda device: known)
    assert engine.pick_precision("auto", "cpu") == wanted
    assert engine.pick_precision("tf32", "cpu") == "tf32"


def test_the_recipe_of_the_digits_is_what_was_measured() -> None:
    assert RECIPE.schedule == Schedule("one-cycle")
    assert RECIPE.augmentation == Augmentation(shift=12)
    assert not RECIPE.partial
    assert RECIPE.rest
    assert not RESIDUAL.rest
    assert RESIDUAL.augmentation == Augmentation()
    assert RESIDUAL.resting == 0.98


def determinism() -> tuple[bool, bool, bool]:
    """Whether deterministic kernels are used, whether others only cause a warning, and whether cuDNN measures."""
    enabled = torch.are_deterministic_algorithms_enabled()
    return enabled, torch.is_deterministic_algorithms_warn_only_enabled(), torch.backends.cudnn.benchmark


@pytest.fixture(params=[(False, False, False), (False, False, True), (True, True, True), (True, False, False)])
def determinism_before(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[bool, bool, bool]]:
    """Settings that a program has made before the training."""
    enabled, warns, measures = request.param
    torch.use_deterministic_algorithms(enabled, warn_only=warns)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", measures)
    yield request.param
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_kernels_are_deterministic_on_cuda_until_the_training_ends_or_fails(
    determinism_before: Any, device: str
) -> None:
    refuses = determinism_before[:2] == (True, False)
    with engine.deterministic(device):
        assert determinism() == (True, not refuses, False)
    assert determinism() == determinism_before
    with pytest.raises(KeyError), engine.deterministic(device):
        raise KeyError
    assert determinism() == determinism_before


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_kernels_on_other_devices_are_as_before(determinism_before: Any, device: str) -> None:
    with engine.deterministic(device):
        assert determinism() == determinism_before
    assert determinism() == determinism_before


def test_a_kernel_that_is_not_deterministic_is_named_once_and_cublas_is_not() -> None:
    with warnings.catch_warnings(record=True) as found, engine.deterministic("cuda"):
        for _ in range(2):
            warnings.warn("toy_pool_backward_cuda does not have a deterministic implementation, but ...", stacklevel=1)
            warnings.warn("Deterministic behavior was enabled with ..., but it uses CuBLAS", stacklevel=1)
    assert [str(w.message).split()[0] for w in found] == ["toy_pool_backward_cuda"]


@pytest.mark.parametrize("command", ["fit", "train"])
def test_all_steps_of_a_training_are_deterministic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    events: list[str] = []

    @contextmanager
    def recorded(device: str) -> Iterator[None]:
        events.append(f"begin on {device}")
        yield
        events.append("end")

    class Recorder(Progress):
        def advance(self, steps: int, detail: str = "") -> None:
            events.append("step")

    monkeypatch.setattr(engine, "deterministic", recorded)
    if command == "fit":
        engine.fit(toy_training.ARCHITECTURE, toy_training.USUAL, SPLIT, "cpu", Recorder())
    else:
        request = TrainRequest("tiny", "usual", device="cpu", precision="fp32", results=tmp_path)
        train(request, toy_training.catalog(), Recorder())
    assert events == ["begin on cpu", *["step"] * 28, "end"]
