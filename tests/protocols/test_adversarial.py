"""Tests of FGSM and PGD: against captum and a plain loop, their bounds, and networks that have no gradient."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.robust import FGSM, PGD
from reference import attacks as twin
from torch import nn

from benchsuite import BenchsuiteError, Crop, Perturbation, Preprocess, UnsupportedProtocol, View, load_plugins
from benchsuite.models.device import Compute
from benchsuite.models.network import Network, open_network
from benchsuite.models.perturbed_batch import PerturbedBatch, perturbed
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.dataset import Sample
from benchsuite.specs.parameters import bind, finder, perturbation, views
from benchsuite.testing import check_perturbation

FIND = finder(load_plugins(entry_points=False).protocols)
SEEDS = range(10)
CLASSES, SIZE = 4, 12


def change(text: str) -> Perturbation:
    found = perturbation(bind(text, FIND))
    assert found is not None
    return found


def network(seed: int) -> Any:
    """A small random network with curved layers: its gradient differs from place to place."""
    torch.manual_seed(seed)
    features = nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(8, 8, 3), nn.Softplus()
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(8 * 16, CLASSES)).eval().requires_grad_(False)


def batch(seed: int, n: int = 8) -> tuple[Any, list[Sample]]:
    """Pixels, float32 (n, 3, 12, 12), some black and white, and samples with any labels."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, SIZE, SIZE, generator=generator) * 1.2 - 0.1
    labels = torch.randint(0, CLASSES, (n,), generator=generator).tolist()
    return x.clamp(0, 1), [Sample(f"image-{seed}-{i}", label, "memory") for i, label in enumerate(labels)]


def attacked(text: str, module: Any, x: Any, samples: list[Sample]) -> Any:
    return perturbed(change(text), x, PerturbedBatch(samples, "cpu", module))


def labels_of(samples: list[Sample]) -> Any:
    return torch.tensor([s.label for s in samples])


def losses(module: Any, x: Any, samples: list[Sample]) -> Any:
    with torch.no_grad():
        return F.cross_entropy(module(x), labels_of(samples), reduction="none")


def captums(kind: Any, module: Any) -> Any:
    """An attack of captum. It takes gradients below 1e-6 for 0, which is turned off."""
    attack = kind(module, nn.CrossEntropyLoss(reduction="none"), lower_bound=0, upper_bound=1)
    (attack.fgsm if kind is PGD else attack).zero_thresh = 0
    return attack


QUIET = pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")


@QUIET
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("eps", ["2/255", "8/255", "0.1"])
def test_fgsm_is_that_of_captum_and_of_the_plain_loop(seed: int, eps: str) -> None:
    module, (x, samples) = network(seed), batch(seed)
    labels, made = labels_of(samples), attacked(f"fgsm:eps={eps}", module, x, samples)
    torch.testing.assert_close(made, twin.fgsm(module, x, labels, float(Fraction(eps))), rtol=0, atol=1e-6)
    theirs = captums(FGSM, module).perturb(x.clone(), epsilon=float(Fraction(eps)), target=labels)
    torch.testing.assert_close(made, theirs.detach(), rtol=0, atol=1e-6)


@QUIET
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("steps", "step"), [(1, "8/255"), (10, "2/255"), (10, "0.003"), (3, "1")])
def test_pgd_from_the_picture_is_that_of_captum_and_of_the_plain_loop(seed: int, steps: int, step: str) -> None:
    module, (x, samples) = network(seed), batch(seed)
    labels, eps, size = labels_of(samples), 8 / 255, float(Fraction(step))
    made = attacked(f"pgd:eps=8/255,steps={steps},step={step},start=zero", module, x, samples)
    torch.testing.assert_close(made, twin.pgd(module, x, labels, eps, steps, size, x), rtol=0, atol=1e-6)
    theirs = captums(PGD, module).perturb(x.clone(), radius=eps, step_size=size, step_num=steps, target=labels)
    torch.testing.assert_close(made, theirs.detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_pgd_from_a_random_start_is_the_plain_loop_from_there(seed: int) -> None:
    module, (x, samples) = network(seed), batch(seed)
    drawn = PerturbedBatch(samples, "cpu").uniform(seed, x)
    start = (x + 8 / 255 * (2 * drawn - 1)).clamp(0, 1)
    assert (start - x).abs().max() > 7 / 255
    made = attacked(f"pgd:seed={seed}", module, x, samples)
    torch.testing.assert_close(
        made, twin.pgd(module, x, labels_of(samples), 8 / 255, 10, 2 / 255, start), rtol=0, atol=1e-6
    )


ATTACKS = ["fgsm", "fgsm:eps=0.5", "pgd", "pgd:start=zero", "pgd:eps=1/255,step=1", "pgd:eps=1,steps=2"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("text", ATTACKS)
def test_an_attack_stays_within_its_bounds_and_moves_every_pixel_that_it_can(text: str, seed: int) -> None:
    module, (x, samples) = network(seed), batch(seed)
    made, eps = attacked(text, module, x, samples), float(change(text).keywords["eps"])
    assert (made - x).abs().max() <= eps + 1e-6
    assert 0 <= made.min() < made.max() <= 1
    assert (made != x).flatten(1).any(1).all()


@pytest.mark.parametrize("text", ATTACKS[:1] + ATTACKS[2:4])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_attack_on_a_random_network_raises_the_mean_loss(text: str, seed: int) -> None:
    module, (x, samples) = network(seed), batch(seed)
    before, after = losses(module, x, samples), losses(module, attacked(text, module, x, samples), samples)
    assert after.mean() > before.mean()


@pytest.fixture(scope="module")
def trained() -> tuple[Any, Any, list[Sample]]:
    """A network that tells pictures of four tints apart, and 64 of these."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % CLASSES
    x = (torch.rand(64, 3, SIZE, SIZE, generator=generator) + 0.3 * torch.eye(4)[labels][:, :3, None, None]) / 1.3
    module = network(0).requires_grad_(True)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(module(x), labels).backward()
        optimizer.step()
    samples = [Sample(f"{i:02}", int(label), "memory") for i, label in enumerate(labels)]
    assert (module(x).argmax(1) == labels).float().mean() > 0.9
    return module.requires_grad_(False), x, samples


@pytest.mark.parametrize("eps", ["1/255", "4/255", "8/255", "16/255"])
def test_attacks_on_a_trained_network_raise_loss_and_errors_and_pgd_raises_them_more(trained: Any, eps: str) -> None:
    module, x, samples = trained
    clean = losses(module, x, samples).mean()
    fast = losses(module, attacked(f"fgsm:eps={eps}", module, x, samples), samples).mean()
    slow = losses(module, attacked(f"pgd:eps={eps},start=zero", module, x, samples), samples).mean()
    assert clean < fast <= slow + 1e-4


def test_a_large_attack_makes_a_trained_network_err(trained: Any) -> None:
    module, x, samples = trained
    labels = labels_of(samples)
    made = attacked("pgd:eps=0.3", module, x, samples)
    assert (module(made).argmax(1) != labels).sum() > (module(x).argmax(1) != labels).sum()


def test_a_random_start_depends_on_the_id_and_the_seed_alone() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, CLASSES)).requires_grad_(False)
    x, samples = batch(0)
    one_step = "pgd:steps=1,step=1/1000,seed={}"
    made = attacked(one_step.format(0), flat, x, samples)
    again = attacked(one_step.format(0), flat, x.flip(0), samples[::-1]).flip(0)
    assert torch.equal(made, again)
    alone = torch.cat([attacked(one_step.format(0), flat, x[i : i + 1], samples[i : i + 1]) for i in range(len(x))])
    torch.testing.assert_close(made, alone, rtol=0, atol=1e-6)
    torch.manual_seed(5)
    assert torch.equal(attacked(one_step.format(0), flat, x, samples), made)
    other = attacked(one_step.format(1), flat, x, samples)
    renamed = [Sample(s.id + "x", s.label, s.where) for s in samples]
    for different in (other, attacked(one_step.format(0), flat, x, renamed)):
        assert ((different - made).abs().flatten(1).max(1).values > 0.01).all()


@pytest.mark.parametrize("text", ATTACKS)
def test_every_attack_keeps_the_contract_of_a_perturbation(text: str) -> None:
    check_perturbation(change(text))


def test_the_gradient_is_that_of_differences(trained: Any) -> None:
    module, x, samples = copy.deepcopy(trained[0]).double(), trained[1][:2].double(), trained[2][:2]
    gradient = PerturbedBatch(samples, "cpu", module).gradient(x)
    for i, c, row, column in ((0, 0, 0, 0), (0, 2, 5, 7), (1, 1, 11, 3)):
        step = torch.zeros_like(x)
        step[i, c, row, column] = 1e-5
        above, below = (float(losses(module, x + sign * step, samples)[i]) for sign in (1, -1))
        assert float(gradient[i, c, row, column]) == pytest.approx((above - below) / 2e-5, rel=1e-4)


# Whole networks: pixels in, logits out

PREPROCESS = Preprocess(SIZE, SIZE, "bilinear", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def pictures(n: int = 8) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


def asked(text: str, module: Any, pixels: Any, samples: list[Sample], preprocess: Preprocess = PREPROCESS) -> Any:
    """The logits and places of an attacked view of a network."""
    (view,) = views(bind(text, FIND), preprocess, mirror=True)
    opened = open_network(Architecture("net", nn.Identity, preprocess), module, preprocess, (view,), CLASSES, Compute())
    return opened(pixels, np.zeros(len(pixels), dtype=bool), view, samples)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("largest", [1.0, 255.0])
def test_a_network_is_attacked_in_pixels_and_not_in_its_own_units(order: Any, largest: float) -> None:
    mean, std = tuple(largest * m for m in PREPROCESS.mean), tuple(largest * s for s in PREPROCESS.std)
    preprocess = Preprocess(SIZE, SIZE, "bilinear", mean, std, channel_order=order, range=largest)
    module, samples, pixels = network(1), batch(1)[1], pictures()
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255

    def whole(x: Any) -> Any:
        x = (x.flip(1) if order == "BGR" else x) * largest
        return module((x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))

    moved = twin.pgd(whole, x, labels_of(samples), 8 / 255, 5, 2 / 255, x)
    logits, places = asked("pgd:steps=5,start=zero", network(1), pixels, samples, preprocess)
    np.testing.assert_allclose(logits, whole(moved).numpy(), rtol=1e-3, atol=1e-3)
    assert places.tolist() == [1] * 8


def test_an_attacked_network_is_not_folded_and_its_weights_are_those_of_its_file() -> None:
    module = nn.Sequential(nn.Conv2d(3, CLASSES, 3), nn.BatchNorm2d(CLASSES), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    clean, attack = (views(bind(text, FIND), PREPROCESS, mirror=True) for text in ("1crop", "fgsm"))
    architecture = Architecture("net", nn.Identity, PREPROCESS)
    opened = open_network(architecture, module, PREPROCESS, clean + attack, CLASSES, Compute())
    assert opened.folded == 0
    opened(pictures(), np.zeros(8, dtype=bool), attack[0], batch(0)[1])
    assert all(torch.equal(v, before[k]) for k, v in opened.module.state_dict().items())
    assert open_network(architecture, module, PREPROCESS, clean, CLASSES, Compute()).folded == 1


class Bare(nn.Module):
    """A network that computes ``answer`` of its input."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.linear = nn.Linear(3, CLASSES)

    def forward(self, x: Any) -> Any:
        return self.answer(self.linear, x)


def without_gradient(linear: Any, x: Any) -> Any:
    with torch.no_grad():
        return linear(x.mean((2, 3)))


def in_inference_mode(linear: Any, x: Any) -> Any:
    with torch.inference_mode():
        return linear(x.mean((2, 3)))


def only_the_largest(linear: Any, x: Any) -> Any:
    return F.one_hot(linear(x.mean((2, 3))).argmax(1), CLASSES)


def in_whole_numbers(linear: Any, x: Any) -> Any:
    return (x.mean((2, 3)) * 255).to(torch.int64) @ (linear.weight * 100).to(torch.int64).T


def constant(linear: Any, x: Any) -> Any:
    return torch.zeros(len(x), CLASSES) + linear.bias


@pytest.mark.parametrize("text", ["fgsm", "pgd"])
@pytest.mark.parametrize("answer", [without_gradient, in_inference_mode, only_the_largest, in_whole_numbers, constant])
def test_a_network_without_a_gradient_is_refused_in_one_line(answer: Any, text: str) -> None:
    with pytest.raises(UnsupportedProtocol) as caught:
        asked(text, Bare(answer), pictures(), batch(0)[1])
    said = str(caught.value)
    assert said.startswith("Expected the network under an attack to be one whose loss has a gradient with respect to")
    assert "\n" not in said


def test_an_error_of_the_network_itself_is_one_line_in_its_own_words() -> None:
    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            raise RuntimeError("a fault of this network\nand more")

    with pytest.raises(UnsupportedProtocol, match=r"with respect to its pixels, got a fault of this network$"):
        asked("fgsm", Bare(lambda linear, x: linear(Own.apply(x).mean((2, 3)))), pictures(), batch(0)[1])


def saturated(linear: Any, x: Any) -> Any:
    """Bright pictures are certain beyond float32: their gradient is 0 everywhere. Dark ones are not."""
    light = x.mean((1, 2, 3), keepdim=False)[:, None]
    return torch.cat([light * 1000, light.expand(-1, CLASSES - 1) * 0], dim=1)


def test_images_whose_gradient_vanishes_are_told_apart() -> None:
    plain = Preprocess(SIZE, SIZE, "bilinear", (0.0,) * 3, (1.0,) * 3)
    pixels = np.zeros((4, SIZE, SIZE, 3), dtype=np.uint8)
    pixels[1], pixels[2] = 200, 255
    samples = [Sample(f"{i}", label, "memory") for i, label in enumerate((0, 0, 1, 1))]
    for text in ("fgsm", "pgd:start=zero", "pgd"):
        _, places = asked(text, Bare(saturated), pixels, samples, plain)
        # certain and right: no gradient; certain and wrong: the loss is linear; black: no class is certain
        assert places.tolist() == [1, 0, 1, 1]
    dead = Bare(lambda linear, x: linear(F.relu(x.mean((2, 3)) - 5)))
    _, places = asked("fgsm", dead, pixels, samples, plain)
    assert places.tolist() == [0, 0, 0, 0]


def test_places_are_joined_when_a_batch_is_halved_for_lack_of_memory() -> None:
    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(1)

        def forward(self, x: Any) -> Any:
            if len(x) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return self.net(x)

    view = View(SIZE, Crop(SIZE), perturbation=change("fgsm"))
    samples, pixels = batch(1)[1], pictures()
    whole = Network(network(1), PREPROCESS, Compute(), {})(pixels, np.zeros(8, dtype=bool), view, samples)
    parts = Network(Small(), PREPROCESS, Compute(), {})(pixels, np.zeros(8, dtype=bool), view, samples)
    assert parts[1].tolist() == whole[1].tolist() == [1] * 8
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "fgsm:eps=8",
            "above 0 and at most 1, such as 8/255, got 8 [protocol fgsm:eps=8]",
        ),
        ("pgd:eps=0", "Expected eps of pgd to be a part of the pixels' range, above 0 and at most 1, such as 8/255"),
        ("fgsm:eps=0", "such as 8/255, got 0 [protocol fgsm:eps=0]"),
        ("fgsm:eps=-1/255", "got -1/255"),
        ("fgsm:eps=3%", "Expected eps to be a number or a fraction such as 8/255, got 3% (fgsm:eps=3%)"),
        ("fgsm:eps=1000", "such as 8/255, got 1000"),
        ("pgd:eps=16,steps=3", "such as 8/255, got 16"),
        ("pgd:steps=0", "Expected steps of pgd to be at least 1, got 0"),
        ("pgd:steps=1.5", "Expected steps to be a whole number, got 1.5"),
        ("pgd:step=0", "Expected step of pgd to be above 0 and at most 1, such as 2/255, got 0"),
        ("pgd:step=2", "Expected step of pgd to be above 0 and at most 1, such as 2/255, got 2"),
        ("pgd:start=ones", "Expected start to be one of random, zero, got ones"),
        ("fgsm:of=multiscale", "Expected a view that needs the gradient to be a crop, got fgsm of a whole image"),
        ("pgd:of=fgsm", "does not change pixels, got fgsm"),
        ("fgsm:on=image", "Unknown parameter of fgsm 'on'"),
    ],
)
def test_what_cannot_be_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        views(bind(text, FIND), Preprocess(16, SIZE, "bilinear", (0.5,) * 3, (0.2,) * 3), mirror=True)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_step_of_pgd_is_a_quarter_of_eps_unless_told() -> None:
    assert change("pgd:eps=4/255").keywords["step"] == Fraction(1, 255)
    assert change("pgd:eps=4/255,step=auto") == change("pgd:eps=4/255")
    assert change("pgd:eps=4/255,step=0.003").keywords["step"] == Fraction(3, 1000)
    assert bind("pgd:eps=8/255,step=2/255", FIND).label == "pgd:eps=8/255,step=2/255"
