"""Tests of noise: it depends on the image and the seed alone, and its size is the one asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchsuite import BadParameter, Perturbation, load_plugins
from benchsuite.models.perturbed_batch import PerturbedBatch, normal, perturbed
from benchsuite.specs.dataset import Sample
from benchsuite.specs.parameters import bind, finder, perturbation
from benchsuite.testing import check_perturbation

FIND = finder(load_plugins(entry_points=False).protocols)
SAMPLES = [Sample(name, 0, "memory") for name in ("a", "b", "c")]


def change(text: str) -> Perturbation:
    found = perturbation(bind(text, FIND))
    assert found is not None
    return found


def noisy(text: str, x: Any, samples: list[Sample] = SAMPLES) -> Any:
    return perturbed(change(text), x, PerturbedBatch(samples, "cpu"))


def grey(n: int = 3, side: int = 16) -> Any:
    return torch.full((n, 3, side, side), 0.5)


@pytest.mark.parametrize("text", ["noise", "noise:std=0", "noise:std=1", "noise:std=8/255,seed=7"])
def test_noise_keeps_the_contract_of_a_perturbation(text: str) -> None:
    check_perturbation(change(text))


def test_noise_has_the_asked_size_and_no_bias() -> None:
    added = noisy("noise:std=0.05", grey(side=64)) - 0.5
    assert float(added.std()) == pytest.approx(0.05, rel=0.02)
    assert abs(float(added.mean())) < 0.001
    assert float(noisy("noise:std=1", grey()).min()) == 0
    assert float(noisy("noise:std=1", grey()).max()) == 1
    assert torch.equal(noisy("noise:std=0", grey()), grey())


def test_noise_of_an_image_is_its_own_numbers_times_the_size() -> None:
    for std in (0.01, 0.1):
        added = noisy(f"noise:std={std},seed=3", grey())
        for sample, one in zip(SAMPLES, added, strict=True):
            wanted = (0.5 + std * torch.from_numpy(normal(sample.id, 3, (3, 16, 16)))).clamp(0, 1)
            torch.testing.assert_close(one, wanted, rtol=0, atol=1e-6)


def test_noise_differs_from_image_to_image_channel_to_channel_and_seed_to_seed() -> None:
    made = noisy("noise", grey())
    assert not torch.equal(made[0], made[1])
    assert not torch.equal(made[0, 0], made[0, 1])
    assert not torch.equal(made, noisy("noise:seed=1", grey()))
    assert torch.equal(made, noisy("noise:seed=0", grey()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("noise:std=-0.1", "Expected std of noise to be from 0 to 1, such as 0.1, got -1/10"),
        ("noise:std=25", "Expected std of noise to be from 0 to 1, such as 0.1, got 25"),
        ("noise:std=much", "Expected std to be a number or a fraction such as 8/255, got much"),
        ("noise:seed=x", "Expected seed to be a whole number, got x"),
    ],
)
def test_what_cannot_be_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        bind(text, FIND)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
