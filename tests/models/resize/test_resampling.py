"""Tests of the resize in torch: the bits of the installed Pillow for every filter, size and order of passes."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchsuite import decode
from benchsuite.models.resize import resampling
from benchsuite.models.resize.coefficients import VERTICAL_FIRST, passes
from benchsuite.models.resize.resampling import resized

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
SHORT = (48, 224, 256, 480, 640)
PILLOW = int(PIL.__version__.partition(".")[0])
SIDE = st.integers(1, 90)


def noise(height: int, width: int, seed: int = 0, *, black_and_white: bool = False) -> np.ndarray:
    """Noise; in black and white, sums leave 0 to 255 on both sides."""
    drawn = np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.where(drawn > 127, 255, 0).astype(np.uint8) if black_and_white else drawn


def by_pillow(pixels: np.ndarray, height: int, width: int, name: str) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling[name.upper()]))


def by_torch(pixels: np.ndarray, height: int, width: int, name: str, pillow: int = PILLOW) -> np.ndarray:
    return resized(torch.from_numpy(pixels)[None], height, width, name, pillow)[0].numpy()


@settings(max_examples=200)
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from(FILTERS), st.booleans())
def test_random_sizes_have_the_bits_of_the_installed_pillow(
    h: int, w: int, height: int, width: int, name: str, black_and_white: bool
) -> None:
    pixels = noise(h, w, black_and_white=black_and_white)
    np.testing.assert_array_equal(by_torch(pixels, height, width, name), by_pillow(pixels, height, width, name))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize(
    "sizes",
    [
        *((1, 1, 1, 7), (1, 1, 640, 480), (1, 300, 40, 256), (300, 1, 256, 40), (50, 60, 1, 1), (1, 5000, 2, 3)),
        *((5000, 3, 256, 4), (3, 5000, 4, 256), (5000, 1, 4999, 2), (2, 4, 5000, 4), (4, 2, 4, 5000), (7, 9, 7, 5000)),
    ],
)
def test_sides_of_one_pixel_and_of_5000(name: str, sizes: tuple[int, int, int, int]) -> None:
    pixels = noise(*sizes[:2])
    np.testing.assert_array_equal(by_torch(pixels, *sizes[2:], name), by_pillow(pixels, *sizes[2:], name))


def test_nearest_adds_its_positions_up_as_pillow_does() -> None:
    """At these sizes a product rounds to another pixel than the sum."""
    for length, size in ((2, 7), (4, 98), (4, 1954), (6, 333)):
        pixels = noise(1, length)
        np.testing.assert_array_equal(by_torch(pixels, 1, size, "nearest"), by_pillow(pixels, 1, size, "nearest"))


@pytest.mark.parametrize("pillow", [VERTICAL_FIRST - 1, VERTICAL_FIRST])
@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from(FILTERS[1:]))
def test_both_orders_of_passes_whatever_pillow_is_installed(
    pillow: int, h: int, w: int, height: int, width: int, name: str
) -> None:
    """Pillow resizes one axis at a time in the order of that version."""
    theirs = noise(h, w)
    for axis, size in passes(h, w, height, width, pillow):
        now = theirs.shape[:2]
        theirs = by_pillow(theirs, *((size, now[1]) if axis == 0 else (now[0], size)), name)
    np.testing.assert_array_equal(by_torch(noise(h, w), height, width, name, pillow), theirs)


def test_the_orders_have_other_bits_where_the_height_shrinks_much_more() -> None:
    pixels = noise(90, 40)
    one, other = (by_torch(pixels, 20, 30, "bilinear", version) for version in (VERTICAL_FIRST - 1, VERTICAL_FIRST))
    assert (one != other).any()


def test_images_of_one_size_are_resized_together() -> None:
    batch = np.stack([noise(31, 47, seed) for seed in range(3)])
    found = resized(torch.from_numpy(batch), 20, 66, "bicubic", PILLOW).numpy()
    for one, pixels in zip(found, batch, strict=True):
        np.testing.assert_array_equal(one, by_pillow(pixels, 20, 66, "bicubic"))


def test_a_result_in_parts_has_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = noise(61, 47)
    whole = by_torch(pixels, 90, 33, "lanczos")
    for bound in (1, 10_000, 50_000):
        monkeypatch.setattr(resampling, "TEMPORARY", bound)
        np.testing.assert_array_equal(by_torch(pixels, 90, 33, "lanczos"), whole)


def test_real_images_have_the_bits_of_pillow(imagenet500: Path) -> None:
    """Every fifth image in one of the thirty pairs of a filter and a short side in turn; with BENCHSUITE_SLOW all 500
    in all thirty.
    """
    pairs, every = list(itertools.product(FILTERS, SHORT)), bool(os.environ.get("BENCHSUITE_SLOW"))
    files, wrong = sorted(imagenet500.rglob("*.JPEG")), list[str]()
    assert len(files) == 500
    for i, file in enumerate(files if every else files[::5]):
        image = decode(file)
        pixels = torch.from_numpy(np.array(image))[None]
        for name, short in pairs if every else [pairs[i % len(pairs)]]:
            ratio = short / min(image.size)
            width, height = (max(short, int(side * ratio)) for side in image.size)
            theirs = np.asarray(image.resize((width, height), Image.Resampling[name.upper()]))
            ours = resized(pixels, height, width, name, PILLOW)[0].numpy()
            if not np.array_equal(ours, theirs):
                wrong.append(f"{file.name} {name} {short}")
    assert not wrong
