"""Tests of geometry and resampling, compared with torchvision, Pillow and torch."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reference import geometry
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as tv

from benchsuite import Crop, View, five, flips, grid
from benchsuite.data.resize import crop_origin, cut, resize, size, square
from benchsuite.specs.view import POSITIONS, resized_shape

SIZES = [(1, 1), (1, 2), (7, 5), (8, 8), (31, 64), (64, 31), (33, 47), (100, 9), (9, 100), (50, 50)]
SIDE = st.integers(1, 60)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    """A Pillow image of noise."""
    rng = np.random.default_rng([seed, height, width])
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def seen(image: Image.Image, view: View) -> np.ndarray:
    """The pixels of a view by the tested functions: resize, cut, and the flip that is done on the device."""
    pixels = cut(resize(image, *resized_shape(image.height, image.width, view), view), view)
    return pixels[:, ::-1] if view.flip else pixels


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("short", [1, 8, 17, 32])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
def test_resize_equals_torchvisions_of_a_pillow_image(height: int, width: int, short: int, interpolation: str) -> None:
    image, view = picture(height, width), View(short, interpolation=interpolation)
    theirs = np.asarray(tv.resize(image, [short], InterpolationMode(interpolation)))
    ours = resize(image, *resized_shape(height, width, view), view)
    assert ours.dtype == np.uint8
    np.testing.assert_array_equal(ours, theirs)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 700))
def test_the_long_side_is_cut_as_torchvision_cuts_it_and_as_exact_fractions_say(h: int, w: int, short: int) -> None:
    view = View(short)
    ours = resized_shape(h, w, view)
    assert list(ours) == tv._compute_resized_output_size((h, w), [short])
    assert ours == geometry.short_side(h, w, short)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 700))
def test_a_rounded_long_side_is_the_nearest_whole_number(h: int, w: int, short: int) -> None:
    assert resized_shape(h, w, View(short, long_side="round")) == geometry.short_side(h, w, short, "round")


def test_a_resize_to_a_pair_ignores_the_aspect_ratio() -> None:
    image, view = picture(10, 30), View((16, 8))
    assert resized_shape(10, 30, view) == (16, 8)
    np.testing.assert_array_equal(
        resize(image, 16, 8, view), np.asarray(image.resize((8, 16), Image.Resampling.BILINEAR))
    )


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
def test_an_image_of_the_right_size_is_left_alone(interpolation: str, antialias: bool) -> None:
    image, view = picture(9, 13), View(9, interpolation=interpolation, antialias=antialias)
    np.testing.assert_array_equal(resize(image, 9, 13, view), np.asarray(image))
    np.testing.assert_array_equal(resize(np.asarray(image), 9, 13, view), np.asarray(image))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
def test_an_array_and_a_pillow_image_resize_to_the_same(interpolation: str, antialias: bool) -> None:
    image, view = picture(21, 34), View(16, interpolation=interpolation, antialias=antialias)
    np.testing.assert_array_equal(resize(image, 16, 25, view), resize(np.asarray(image), 16, 25, view))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("height", "width", "to"),
    [
        (300, 401, (224, 299)),
        (97, 131, (224, 302)),
        (500, 375, (85, 64)),
        (1, 1, (9, 9)),
        (3, 200, (8, 533)),
        (64, 64, (63, 65)),
    ],
)
def test_resize_without_antialias_equals_torchs(
    height: int, width: int, to: tuple[int, int], interpolation: str
) -> None:
    """Where they differ, float32's rounding of a position (3e-5 pixels) decides how half a grey level is rounded."""
    image = picture(height, width)
    x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float()
    exact = torch.nn.functional.interpolate(x, to, mode=interpolation, align_corners=False, antialias=False)
    exact = exact[0].permute(1, 2, 0).numpy()
    theirs = np.clip(np.rint(exact), 0, 255)
    ours = resize(image, *to, View(min(to), interpolation=interpolation, antialias=False))
    assert ours.shape == theirs.shape
    different = ours != theirs
    assert different.mean() < 0.001
    assert np.abs(ours - theirs).max() <= 1
    assert (np.abs(exact[different] % 1 - 0.5) < 0.01).all()


def test_nearest_is_pillows_with_and_without_antialias() -> None:
    image = picture(30, 41)
    pillows = np.asarray(image.resize((13, 10), Image.Resampling.NEAREST))
    for antialias in (True, False):
        np.testing.assert_array_equal(
            resize(image, 10, 13, View(10, interpolation="nearest", antialias=antialias)), pillows
        )


@given(SIDE, SIDE, st.integers(1, 60))
def test_a_centre_crop_equals_torchvisions_to_the_last_bit(height: int, width: int, crop: int) -> None:
    crop = min(crop, height, width)
    image = picture(height, width)
    ours = cut(np.asarray(image), View(min(height, width), Crop(crop)))
    np.testing.assert_array_equal(ours, np.asarray(tv.center_crop(image, [crop])))


@given(SIDE, SIDE, st.integers(1, 60))
@settings(deadline=None)
def test_five_crops_and_ten_equal_torchvisions_to_the_last_bit(height: int, width: int, crop: int) -> None:
    crop = min(crop, height, width)
    image = picture(height, width)
    views = [View(min(height, width), c, flip=flip) for flip in flips(True) for c in five(crop)]
    theirs = tv.ten_crop(image, [crop, crop])
    for ours, their in zip((seen(image, v) for v in views), theirs, strict=True):
        np.testing.assert_array_equal(ours, np.asarray(their))


CROPS = st.one_of(
    st.builds(
        Crop,
        size=st.integers(1, 12),
        position=st.tuples(st.floats(0, 1), st.floats(0, 1)),
        shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
        rounding=st.sampled_from(["round", "ceil", "floor"]),
    ),
    st.sampled_from([*five(12, "ceil"), *five(7, "floor"), *grid(12, 3), *grid(11, 5, "ceil")]),
)


@given(CROPS, st.integers(12, 30), st.booleans(), SIDE, SIDE, st.sampled_from(["bilinear", "bicubic", "nearest"]))
@settings(deadline=None)
def test_every_view_sees_what_its_slow_twin_sees(
    crop: Crop, short: int, flip: bool, height: int, width: int, interpolation: str
) -> None:
    image, view = picture(height, width), View(short, crop, flip=flip, interpolation=interpolation)
    np.testing.assert_array_equal(seen(image, view), geometry.look(image, view))


NAMED = st.builds(dataclasses.replace, CROPS, position=st.sampled_from(sorted(POSITIONS)))
"""Crops at places whose products with a margin are exact in floating point as well."""


@given(NAMED, st.integers(12, 30), st.booleans(), SIDE, SIDE, st.integers(1, 11), st.sampled_from(["reflect", "zero"]))
def test_every_view_with_a_border_sees_what_its_slow_twin_sees(
    crop: Crop, short: int, flip: bool, height: int, width: int, pad: int, border: Any
) -> None:
    image, view = picture(height, width), View(short, crop, flip=flip, pad=pad, border=border)
    np.testing.assert_array_equal(seen(image, view), geometry.look(image, view))


def test_a_border_is_that_of_torchvisions_pad() -> None:
    pixels = torch.from_numpy(np.asarray(picture(9, 7)).copy()).permute(2, 0, 1)
    for border, mode in (("reflect", "reflect"), ("zero", "constant")):
        theirs = tv.pad(pixels, [4], padding_mode=mode).permute(1, 2, 0).numpy()
        for position, part in (("top-left", theirs[:12, :12]), ("bottom-right", theirs[-12:, -12:])):
            view = View((9, 7), Crop(12, position), pad=4, border=border)
            np.testing.assert_array_equal(cut(np.asarray(picture(9, 7)), view), part)


@given(st.integers(1, 12), SIDE, SIDE, st.integers(1, 11), st.sampled_from(["round", "ceil", "floor"]))
def test_a_border_moves_no_centre_crop(size: int, height: int, width: int, pad: int, rounding: Any) -> None:
    image, crop = picture(height, width), Crop(size, rounding=rounding)
    np.testing.assert_array_equal(seen(image, View(12, crop, pad=pad)), seen(image, View(12, crop)))


@given(CROPS, st.integers(12, 99), st.integers(12, 99))
def test_a_crop_stays_inside_the_image(crop: Crop, height: int, width: int) -> None:
    top, left = crop_origin(height, width, crop)
    assert 0 <= top <= height - crop.size
    assert 0 <= left <= width - crop.size


def test_half_a_pixel_of_margin_is_rounded_as_asked() -> None:
    """Margins of 1, 3 and 5 are halved: 0.5, 1.5 and 2.5. Half to even is torchvision's, up is fb.resnet.torch's."""
    origins = {
        rounding: [crop_origin(8 + margin, 8, Crop(8, rounding=rounding))[0] for margin in (1, 3, 5, 4)]
        for rounding in ("round", "ceil", "floor")
    }
    assert origins == {"round": [0, 2, 2, 2], "ceil": [1, 2, 3, 2], "floor": [0, 1, 2, 2]}


def test_shifts_are_whole_pixels_down_and_right_and_stop_at_the_border() -> None:
    assert crop_origin(18, 28, Crop(8, shift=(2, -3))) == (7, 7)
    assert crop_origin(18, 28, Crop(8, shift=(-99, 99))) == (0, 20)


def test_a_mirrored_crop_of_an_odd_margin_differs_from_the_mirror_of_the_crop() -> None:
    """The margin of 1 leaves column 0 out on the right of the image but on the left of its mirror image."""
    pixels = np.arange(5, dtype=np.uint8)[None, :, None].repeat(4, 0).repeat(3, 2)
    plain, mirrored = View(4, Crop(4)), View(4, Crop(4), flip=True)
    assert cut(pixels, plain)[0, :, 0].tolist() == [0, 1, 2, 3]
    assert cut(pixels, mirrored)[0, ::-1, 0].tolist() == [4, 3, 2, 1]


def test_where_a_crop_lies_can_be_known_before_there_are_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 10, 3), dtype=np.uint8)
    views = [View(7, Crop(4, at), flip=flip) for at in ("center", "top-left", "bottom-right") for flip in (True, False)]
    for view in [*views, View(7, Crop(9), pad=2), View(7)]:
        np.testing.assert_array_equal(cut(pixels, view, square(7, 10, view)), cut(pixels, view))
    assert square(7, 10, View(7, Crop(4, "top-right"))) == (0, 6, 4)
    assert square(7, 10, View(7)) is None


def test_an_array_of_the_size_is_not_resized_again() -> None:
    pixels = np.zeros((6, 9, 3), np.uint8)
    for view in (View(6), View(6, interpolation="bicubic"), View(6, antialias=False)):
        assert resize(pixels, 6, 9, view) is pixels


def test_the_whole_image_is_seen_without_a_crop_and_nothing_is_copied() -> None:
    pixels = np.asarray(picture(6, 9))
    assert cut(pixels, View(6)) is pixels
    assert np.shares_memory(cut(pixels, View(6, Crop(4))), pixels)


@pytest.mark.parametrize("view", [View(5, Crop(5)), View(8, Crop(3, "top-right"), flip=True), View(4, antialias=False)])
def test_an_image_of_one_pixel_fills_every_view_with_its_colour(view: View) -> None:
    image = Image.new("RGB", (1, 1), (10, 200, 30))
    pixels = seen(image, view)
    assert pixels.shape[0] == (view.crop.size if view.crop else view.resize)
    assert (pixels == (10, 200, 30)).all()


def test_size_is_height_and_width_of_either_kind() -> None:
    image = picture(3, 8)
    assert size(image) == size(np.asarray(image)) == (3, 8)
