"""The embedded training: one network for all sizes, written whole, by the same engine as every other training."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_training

from benchsuite import Augmentation, Schedule, StorageError, load_plugins
from benchsuite.builtin.datasets.digits import RECIPE, open_digits
from benchsuite.models.state_dict import read_state
from benchsuite.progress import Progress
from benchsuite.runs.plan import RunRequest
from benchsuite.runs.run import run
from benchsuite.training import trainer
from benchsuite.training.multi_size import MultiSizeMode
from benchsuite.training.network import rest_residual_branches

SMALL = dataclasses.replace(RECIPE, sizes=(32, 37), epochs=1, batch_size=64)
BUILT_IN = load_plugins(entry_points=False)


class Heard(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.total = self.done = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, title: str, total: int) -> None:
        self.total += total

    def advance(self, steps: int, detail: str = "") -> None:
        self.done += steps


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "candidates", lambda device: ())


def test_a_fitted_network_knows_its_digits_and_the_seed_makes_it() -> None:
    easy = dataclasses.replace(SMALL, sizes=(32,), epochs=4)
    heard = Heard()
    module = trainer.fit(toy_training.ARCHITECTURE, easy, open_digits(None, "train"), heard)
    again = trainer.fit(toy_training.ARCHITECTURE, easy, open_digits(None, "train"), Progress())
    assert not module.training
    assert heard.done == heard.total == 4 * (1437 // 64)
    mine, theirs = module.state_dict(), again.state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_weights_are_written_whole_once_and_not_made_again(tmp_path: Path) -> None:
    path, heard = tmp_path / "w.safetensors", Heard()
    digits = toy_training.open_dots(None, "train")
    recipe = dataclasses.replace(toy_training.ADAM, epochs=1)
    trainer.ensure(toy_training.ARCHITECTURE, recipe, path, lambda: digits, heard)
    assert heard.done == heard.total == 7
    trainer.ensure(toy_training.ARCHITECTURE, recipe, path, lambda: pytest.fail("opened again"), heard)
    assert heard.done == 7
    assert set(read_state(path)) == set(toy_training.build(3).state_dict())
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="Cannot write"):
        trainer.ensure(
            toy_training.ARCHITECTURE, recipe, tmp_path / "file" / "w.safetensors", lambda: digits, Progress()
        )


def test_a_run_without_data_trains_the_asked_network_once_and_evaluates_it(tmp_path: Path, monkeypatch: Any) -> None:
    catalog = toy_training.catalog()
    quick = dataclasses.replace(SMALL, sizes=(32,))
    dataset = dataclasses.replace(catalog.datasets["digits"], recipe=quick)
    catalog = dataclasses.replace(catalog, datasets={**catalog.datasets, "digits": dataset})
    heard = Heard()
    (row,) = run(RunRequest(("tiny:width=5",), ("1crop",), device="cpu", results=tmp_path), catalog, heard)
    assert (row["architecture"], row["weights"], row["n"]) == ("tiny:width=5", "trained here (digits-1)", 360)
    assert any("training tiny:width=5 on digits once" in note for note in heard.notes)
    heard = Heard()
    run(RunRequest(("tiny:width=5",), ("10crop:resize=36",), device="cpu", results=tmp_path), catalog, heard)
    assert not any("training" in note for note in heard.notes)


def test_residual_branches_start_at_rest() -> None:
    module = BUILT_IN.architecture("resnet18").build(10).eval()
    rest_residual_branches(module)
    x = torch.randn(2, 64, 8, 8).relu()
    assert torch.equal(module.layer1[0](x), x)


def test_batch_renormalisation_gives_the_value_of_the_running_statistics_once_it_is_whole() -> None:
    norm = torch.nn.BatchNorm2d(3)
    norm.running_mean.uniform_(-0.1, 0.1)
    norm.running_var.uniform_(0.8, 1.2)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    x = torch.randn(16, 3, 4, 4, requires_grad=True)
    mode = MultiSizeMode(several_sizes=True)
    for progress, running in ((0.1, False), (0.4, True)):
        norm.load_state_dict(before)
        expected = torch.nn.functional.batch_norm(
            x, before["running_mean"], before["running_var"], norm.weight, norm.bias
        )
        plain = torch.nn.functional.batch_norm(x, None, None, norm.weight, norm.bias, True)
        mode.progress = progress
        with mode:
            made = norm.train()(x)
        torch.testing.assert_close(made, expected if running else plain, rtol=1e-4, atol=1e-4)
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=not running)
        torch.testing.assert_close(norm.running_mean, before["running_mean"].lerp(mean, 0.1))
        torch.testing.assert_close(norm.running_var, before["running_var"].lerp(variance, 0.1))


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 3, 4, 7])
def test_convolutions_as_products_are_convolutions(size: int, stride: int, side: int) -> None:
    layer = torch.nn.Conv2d(5, 6, size, stride, size // 2).double()
    x = torch.randn(2, 5, side, side, dtype=torch.float64, requires_grad=True)
    plain = layer(x)
    with MultiSizeMode(several_sizes=False):
        made = layer(x)
    torch.testing.assert_close(made, plain)
    mine, theirs = (torch.autograd.grad(out.square().sum(), (x, layer.weight)) for out in (made, plain))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(
    ("known", "wanted"), [((), "fp32"), (("bf16", "tf32"), "bf16"), (("tf32",), "fp32"), (("fp16",), "fp16")]
)
def test_auto_is_what_the_device_computes_by_itself_and_a_named_precision_is_taken(
    monkeypatch: pytest.MonkeyPatch, known: tuple[str, ...], wanted: str
) -> None:
    monkeypatch.setattr(trainer, "candidates", lambda device: known)
    assert trainer.pick_precision("auto", "cpu") == wanted
    assert trainer.pick_precision("tf32", "cpu") == "tf32"


def test_the_recipe_of_the_digits_is_what_was_measured() -> None:
    assert RECIPE.schedule == Schedule("one-cycle")
    assert RECIPE.augmentation == Augmentation(shift=12)
    assert not RECIPE.partial
    assert RECIPE.rest
