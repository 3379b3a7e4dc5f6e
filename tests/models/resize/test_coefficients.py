"""Tests of the coefficients and the order of passes, compared with Pillow's own behaviour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.models.resize.coefficients import BITS, coefficients, passes

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
SIDE = st.integers(1, 900)


@given(SIDE, SIDE, st.sampled_from(FILTERS[1:]))
def test_weights_add_up_to_one_but_for_the_rounding_of_each(length: int, size: int, name: str) -> None:
    made = coefficients(length, size, name)
    assert made.index.shape == made.weights.shape
    assert made.weights.shape[1] == size
    off = np.abs(made.weights.sum(0, dtype=np.int64) - (1 << BITS))
    assert (2 * off <= (made.weights != 0).sum(0) + 1).all()


@given(SIDE, SIDE, st.sampled_from(FILTERS))
def test_every_tap_is_a_pixel_of_the_axis_and_positions_ascend(length: int, size: int, name: str) -> None:
    made = coefficients(length, size, name)
    assert made.index.min() >= 0
    assert made.index.max() < length
    assert (np.diff(made.index[0]) >= 0).all()


@given(st.integers(1, 300), st.sampled_from(FILTERS))
def test_an_enlargement_by_an_odd_factor_keeps_the_pixels_at_its_centres(length: int, name: str) -> None:
    """The new centre of every third pixel is an old one, where these filters are 1 and 0 at the neighbours."""
    made = coefficients(length, 3 * length, name)
    weight = np.where(made.index == np.repeat(np.arange(length), 3), made.weights, 0)[:, 1::3].max(0)
    assert (weight == 1 << BITS).all()


@pytest.mark.parametrize(
    ("sizes", "pillow", "wanted"),
    [
        ((400, 300, 200, 150), 12, [(1, 150), (0, 200)]),
        ((400, 300, 200, 150), 13, [(1, 150), (0, 200)]),
        ((400, 300, 99, 150), 13, [(0, 99), (1, 150)]),  # 301 is more than twice 150
        ((400, 300, 100, 150), 13, [(1, 150), (0, 100)]),  # 300 is not
        ((400, 300, 99, 150), 12, [(1, 150), (0, 99)]),
        ((400, 300, 399, 301), 13, [(0, 399), (1, 301)]),  # the width grows
        ((400, 300, 401, 900), 13, [(1, 900), (0, 401)]),  # the height does too
        ((400, 300, 200, 300), 13, [(0, 200)]),
        ((400, 300, 400, 150), 13, [(1, 150)]),
        ((400, 300, 400, 300), 13, []),
    ],
)
def test_the_order_of_passes(sizes: tuple[int, int, int, int], pillow: int, wanted: list[tuple[int, int]]) -> None:
    assert passes(*sizes, pillow) == wanted
