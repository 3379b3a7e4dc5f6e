"""Tests of the energy by spatial frequency: against loops over the definition, Parseval, pure waves, the filters."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from benchsuite.protocols._frequency_filter import disc, lowpass_reference
from hypothesis import given
from hypothesis import strategies as st
from reference import radial_energy as slow
from scipy import stats as scipy_stats

from benchsuite.stats.radial_energy import averaged, even_shares, padded, ring_energy, rings, without_mean

SHAPES = [(1, 1), (2, 2), (5, 5), (6, 6), (4, 7), (7, 4), (6, 5)]
sizes = st.integers(1, 12)


def pictures(n: int, c: int, height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0.3, 1, (n, c, height, width)).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_energy_of_each_ring_is_that_of_the_definition(height: int, width: int) -> None:
    x = pictures(2, 3, height, width)
    wanted = [slow.ring_energy(picture) for picture in x]
    assert ring_energy(x) == pytest.approx(np.array(wanted), abs=1e-9)


@given(sizes, sizes, st.integers(1, 3), st.integers(0, 99))
def test_the_rings_add_up_to_the_sum_of_squares(height: int, width: int, c: int, seed: int) -> None:
    x = pictures(3, c, height, width, seed)
    assert ring_energy(x).sum(axis=1) == pytest.approx((x.astype(np.float64) ** 2).sum(axis=(1, 2, 3)))


@given(st.integers(2, 40), st.data())
def test_a_wave_of_k_periods_lies_in_the_ring_of_k(side: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, side // 2))
    wave = np.cos(2 * np.pi * k * np.arange(side) / side)
    for x in (np.tile(wave, (side, 1)), np.tile(wave[:, None], (1, side))):
        energy = ring_energy(x[None, None])[0]
        assert energy[k] == pytest.approx((x**2).sum())
        assert np.delete(energy, k) == pytest.approx(np.zeros(len(energy) - 1), abs=1e-9 * side**2)


def test_a_diagonal_wave_lies_beyond_the_circle_through_its_periods() -> None:
    at = np.arange(16)
    wave = np.cos(2 * np.pi * 3 * (at[:, None] + at[None, :]) / 16)
    assert ring_energy(wave[None, None])[0].argmax() == math.ceil(3 * math.sqrt(2)) == 5


@given(sizes, sizes, st.integers(0, 14))
def test_the_rings_up_to_r_are_the_disc_of_the_low_pass_filter(height: int, width: int, r: int) -> None:
    assert np.array_equal(rings(height, width) <= r, disc(height, width, Fraction(r), "pixels", "le"))


def test_the_energy_up_to_r_is_that_of_the_low_pass_picture() -> None:
    x = pictures(1, 3, 12, 9)
    energy = ring_energy(x)[0]
    for r in range(9):
        low = lowpass_reference(
            x[0].transpose(1, 2, 0).astype(np.float64), None, r=Fraction(r), unit="pixels", rule="le", range="none"
        )
        assert (low**2).sum() == pytest.approx(energy[: r + 1].sum())


def test_without_the_mean_the_pictures_are_those_minus_the_mean_of_each_channel() -> None:
    x = pictures(4, 3, 8, 8).astype(np.float64)
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    assert without_mean(ring_energy(x)) == pytest.approx(ring_energy(centred), abs=1e-9)


def test_every_picture_counts_the_same_however_large_its_values_are() -> None:
    x = pictures(6, 3, 8, 8)
    shares = np.array([ring_energy(p[None])[0] / ring_energy(p[None]).sum() for p in x])
    found = averaged(ring_energy(x * np.array([1, 10, 100, 1e-3, 5, 7])[:, None, None, None]))
    assert found is not None
    assert found.n == 6
    assert found.share == pytest.approx(shares.mean(axis=0))
    assert found.share_error == pytest.approx(scipy_stats.sem(shares, axis=0))
    assert found.within == pytest.approx(shares.cumsum(axis=1).mean(axis=0))
    assert found.within_error == pytest.approx(scipy_stats.sem(shares.cumsum(axis=1), axis=0), abs=1e-12)
    assert found.within[-1] == pytest.approx(1)
    assert found.within[found.half()] >= 0.5 > found.within[found.half() - 1]


def test_pictures_without_energy_are_left_out_and_one_picture_has_no_error() -> None:
    x = np.concatenate([pictures(1, 3, 4, 4), np.zeros((2, 3, 4, 4))])
    found = averaged(ring_energy(x))
    assert found is not None
    assert found.n == 1
    assert set(found.within_error) == {0.0}
    assert averaged(ring_energy(x[1:])) is None


@given(sizes, sizes)
def test_noise_has_the_share_of_frequencies_that_a_ring_has(height: int, width: int) -> None:
    short, counts = min(height, width), dict[int, int]()
    for i in range(height):
        for j in range(width):
            down, right = min(i, height - i) * short / height, min(j, width - j) * short / width
            ring = math.ceil(math.hypot(down, right) - 1e-9)
            counts[ring] = counts.get(ring, 0) + 1
    wanted = [counts.get(ring, 0) / (height * width) for ring in range(max(counts) + 1)]
    assert even_shares(height, width) == pytest.approx(wanted)


def test_a_padded_kernel_keeps_its_energy_and_a_constant_one_lies_low() -> None:
    kernels = pictures(4, 3, 3, 5)
    assert padded(kernels, 32).shape == (4, 3, 32, 32)
    assert padded(kernels, 4).shape == (4, 3, 5, 5)
    assert ring_energy(padded(kernels, 32)).sum(axis=1) == pytest.approx((kernels.astype(float) ** 2).sum((1, 2, 3)))
    smooth, rough = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    rough[..., 1, :] = rough[..., 1] = -1
    flat, uneven = (averaged(ring_energy(padded(k, 32))) for k in (smooth, rough))
    assert flat is not None
    assert uneven is not None
    assert flat.half() < uneven.half()
