"""Tests of what a perturbation may use of a batch: numbers of each image, labels, and checks of what it returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import random_numbers
from scipy import stats

from benchsuite import BenchsuiteError, Perturbation
from benchsuite.models.perturbed_batch import PerturbedBatch, PerturbedImage, normal, perturbed, uniform
from benchsuite.specs.dataset import Sample

SAMPLES = [Sample(f"n0144/{i}.JPEG", i % 3, "memory") for i in range(5)]


@given(st.text(min_size=1), st.integers(-5, 2**40), st.tuples(*[st.integers(1, 5)] * 3))
def test_uniform_numbers_are_those_of_the_slow_twin(name: str, seed: int, shape: tuple[int, int, int]) -> None:
    drawn = uniform(name, seed, shape)
    assert (drawn.dtype, drawn.shape) == (np.float32, shape)
    wanted = random_numbers.uniform(name, seed, drawn.size)
    np.testing.assert_array_equal(drawn.ravel(), np.array(wanted, dtype=np.float32))


def test_normal_numbers_are_normal_and_uniform_ones_uniform() -> None:
    assert stats.kstest(normal("a", 0, (3, 60, 60)).ravel(), "norm").pvalue > 0.01
    assert stats.kstest(uniform("a", 0, (3, 60, 60)).ravel(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("draw", [uniform, normal])
def test_numbers_of_two_images_or_two_seeds_have_nothing_to_do_with_each_other(draw: Any) -> None:
    shape = (3, 32, 32)
    base, others = draw("a", 1, shape), [draw("b", 1, shape), draw("a", 2, shape), draw("1 a", 0, shape)]
    for other in others:
        assert abs(np.corrcoef(base.ravel(), other.ravel())[0, 1]) < 0.06  # about 3 / sqrt(3072)


@pytest.mark.parametrize("what", ["uniform", "normal"])
def test_an_image_has_the_same_numbers_in_every_batch_and_in_its_reference(what: str) -> None:
    like = torch.zeros(5, 3, 7, 9)
    whole = getattr(PerturbedBatch(SAMPLES, "cpu"), what)(4, like)
    turned = getattr(PerturbedBatch(SAMPLES[::-1], "cpu"), what)(4, like)
    assert torch.equal(turned.flip(0), whole)
    for i, sample in enumerate(SAMPLES):
        alone = getattr(PerturbedBatch([sample], "cpu"), what)(4, like[:1])
        assert torch.equal(alone[0], whole[i])
        seen = getattr(PerturbedImage(sample.id, sample.label), what)(4, (7, 9, 3))
        np.testing.assert_array_equal(seen, whole[i].permute(1, 2, 0).numpy())


def test_a_batch_knows_its_ids_and_labels() -> None:
    batch = PerturbedBatch(SAMPLES, "cpu")
    assert batch.ids == [s.id for s in SAMPLES]
    assert batch.labels.tolist() == [0, 1, 2, 0, 1]
    assert batch.labels.dtype == torch.int64
    assert batch.vanished is None


def test_a_batch_without_a_network_has_no_gradient() -> None:
    for use in ("logits", "gradient"):
        with pytest.raises(BenchsuiteError, match="Expected needs to be gradient for a perturbation that uses"):
            getattr(PerturbedBatch(SAMPLES, "cpu"), use)(torch.zeros(5, 3, 2, 2))


def test_the_gradient_changes_neither_the_pixels_nor_what_is_computed_around_it() -> None:
    x = torch.rand(5, 3, 4, 4)
    before = x.clone()
    batch = PerturbedBatch(SAMPLES, "cpu", lambda x: x.square().mean((2, 3)))
    with torch.no_grad():
        gradient = batch.gradient(x)
        assert not torch.is_grad_enabled()
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert not gradient.requires_grad
    assert x.grad is None


def test_only_the_first_gradient_says_whether_it_vanishes() -> None:
    batch = PerturbedBatch(SAMPLES, "cpu", lambda x: (x * x).mean((2, 3)))
    x = torch.ones(5, 3, 2, 2)
    x[1] = 0  # where the slope of a square is 0
    batch.gradient(x)
    assert batch.vanished.tolist() == [False, True, False, False, False]
    batch.gradient(torch.ones(5, 3, 2, 2))
    assert batch.vanished.tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            "squashed",
            r"Expected what p returns to be float32 of shape \(5, 3, 4, 4\), got torch.float32 \(5, 3, 2, 2\)",
        ),
        ("doubled", "got torch.float64"),
        ("array", "got ndarray"),
        ("logarithm", "Expected what p returns to be finite numbers, got others for n0144/1.JPEG and 1 more"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_image(function: str, said: str) -> None:
    x = torch.ones(5, 3, 4, 4)
    x[1], x[3] = 0, 0
    with pytest.raises(BenchsuiteError, match=said):
        perturbed(Perturbation("p", f"spoiled_perturbations:{function}"), x, PerturbedBatch(SAMPLES, "cpu"))
