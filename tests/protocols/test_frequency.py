"""Tests of low-pass and high-pass pictures: against sums over all frequencies, and by the laws of filters."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from benchsuite.protocols._frequency_filter import disc
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reference import frequency as twin

from benchsuite import BenchsuiteError, Crop, Perturbation, Preprocess, View, load_plugins
from benchsuite.data.resize import crop_origin, cut, resize
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.specs.dataset import Sample
from benchsuite.specs.parameters import bind, finder, perturbation, views
from benchsuite.specs.view import resized_shape
from benchsuite.testing import check_perturbation

FIND = finder(load_plugins(entry_points=False).protocols)
SIZES = [(8, 8), (7, 7), (6, 9), (9, 4), (5, 8), (1, 1), (2, 3)]
RADII = [Fraction(r) for r in ("0", "1", "1.5", "2", "3", "4", "5", "20")]
CORNER = Fraction(100)
"""A radius beyond the corner of the spectrum of every size here."""


def change(text: str) -> Perturbation:
    found = perturbation(bind(text, FIND))
    assert found is not None
    return found


def applied(text: str, pictures: Any) -> Any:
    """float32 (n, 3, h, w) -> the same, changed by the protocol."""
    p = change(text)
    with torch.inference_mode():
        return p.function()(pictures, None, **p.keywords).clone()


def reference(text: str, picture: Any) -> Any:
    p = change(text)
    return p.function("reference")(picture, None, **p.keywords)


def pictures(height: int, width: int, n: int = 2, seed: int = 0) -> Any:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def rows(picture: Any) -> Any:
    """(3, h, w) -> float64 (h, w, 3)."""
    return picture.permute(1, 2, 0).double().numpy()


def close(a: Any, b: Any, within: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=within)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("rule", ["le", "lt"])
def test_the_disc_is_that_of_exact_distances(height: int, width: int, rule: str) -> None:
    for r in RADII:
        mask = disc(height, width, r, "pixels", rule)
        assert mask.shape == (height, width // 2 + 1)
        wanted = [[twin.inside(u, v, height, width, r, rule) for v in range(width // 2 + 1)] for u in range(height)]
        assert mask.tolist() == wanted


@pytest.mark.parametrize("name", ["lowpass", "highpass"])
@pytest.mark.parametrize("rule", ["le", "lt"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_picture_is_that_of_the_sums_over_all_frequencies(name: str, rule: str, height: int, width: int) -> None:
    picture = pictures(height, width, n=1)
    for r in RADII:
        for scale in ("none", "clip", "max"):
            text = f"{name}:r={r},rule={rule},range={scale}"
            wanted = twin.filtered(rows(picture[0]), name, r, rule=rule, range=scale)
            room = 1e-5 if scale == "max" else 1e-6  # small largest values make rounding larger
            if scale == "max" and twin.filtered(rows(picture[0]), name, r, rule=rule).max() < 1e-3:
                continue  # black but for rounding, which no division makes a picture
            close(rows(applied(text, picture)[0]), wanted, room)
            close(reference(text, rows(picture[0])), wanted, 1e-9 if scale != "max" else 1e-6)


@pytest.mark.parametrize("unit", ["pixels", "fraction"])
def test_a_radius_in_waves_per_pixel_is_one_in_pixels_divided_by_the_side(unit: str) -> None:
    for height, width in ((8, 8), (7, 7), (6, 9)):
        short, picture = min(height, width), pictures(height, width)
        for r in range(short):
            by_fraction = f"lowpass:r={Fraction(r, short)},unit=fraction,rule=lt"
            assert torch.equal(applied(by_fraction, picture), applied(f"lowpass:r={r},rule=lt", picture))
    wanted = twin.filtered(rows(picture[0]), "lowpass", Fraction(1, 3), rule="le", unit="fraction")
    close(reference("lowpass:r=1/3,unit=fraction", rows(picture[0])), wanted)


def test_on_32_pixels_the_disc_is_that_of_the_papers_code() -> None:
    """The code shifts the spectrum so that its mean is at (16, 16), and measures distances from there."""
    for r in (4, 8, 12, 16, 20, 24, 28):
        shifted = np.array([[((i - 16) ** 2 + (j - 16) ** 2) ** 0.5 < r for j in range(32)] for i in range(32)])
        np.testing.assert_array_equal(np.fft.ifftshift(shifted)[:, :17], disc(32, 32, Fraction(r), "pixels", "lt"))
    picture = pictures(32, 32, n=1)
    spectrum = np.fft.fftshift(np.fft.fft2(rows(picture[0]), axes=(0, 1)), axes=(0, 1))
    for name, mask in (("lowpass", shifted), ("highpass", ~shifted)):
        back = np.fft.ifft2(np.fft.ifftshift(spectrum * mask[:, :, None], axes=(0, 1)), axes=(0, 1)).real
        close(rows(applied(f"{name}:r=28,rule=lt", picture)[0]), back)


SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))
RADIUS = st.fractions(0, 30, max_denominator=4)
RULES = st.sampled_from(["le", "lt"])


@settings(deadline=None)
@given(SHAPES, RADIUS, RULES, st.integers(0, 9))
def test_low_and_high_add_up_to_the_picture(shape: tuple[int, int], r: Fraction, rule: str, seed: int) -> None:
    picture = pictures(*shape, seed=seed)
    close(applied(f"lowpass:r={r},rule={rule}", picture) + applied(f"highpass:r={r},rule={rule}", picture), picture)


@settings(deadline=None)
@given(SHAPES, RADIUS, RULES, st.sampled_from(["lowpass", "highpass"]), st.integers(0, 9))
def test_filters_are_linear_and_idempotent_and_know_no_border(
    shape: tuple[int, int], r: Fraction, rule: str, name: str, seed: int
) -> None:
    text = f"{name}:r={r},rule={rule}"
    a, b = pictures(*shape, seed=seed)[:, None].unbind()
    once = applied(text, a)
    close(applied(text, once), once)
    close(applied(text, 0.25 * a - 0.5 * b), 0.25 * once - 0.5 * applied(text, b))
    shifts = (seed % shape[0], (3 * seed) % shape[1])
    close(applied(text, a.roll(shifts, (2, 3))), once.roll(shifts, (2, 3)))
    close(applied(text, a.flip(3)), once.flip(3))


@settings(deadline=None)
@given(SHAPES, RULES)
def test_a_radius_beyond_the_corner_leaves_the_picture_and_nothing_else(shape: tuple[int, int], rule: str) -> None:
    picture = pictures(*shape)
    close(applied(f"lowpass:r={CORNER},rule={rule}", picture), picture)
    close(applied(f"highpass:r={CORNER},rule={rule}", picture), torch.zeros_like(picture))


@settings(deadline=None)
@given(SHAPES)
def test_a_radius_of_0_keeps_the_mean_or_nothing(shape: tuple[int, int]) -> None:
    picture = pictures(*shape)
    assert torch.equal(applied("lowpass:r=0,rule=lt", picture), torch.zeros_like(picture))
    assert torch.equal(applied("highpass:r=0,rule=lt", picture), picture)
    mean = picture.mean((2, 3), keepdim=True)
    close(applied("lowpass:r=0", picture), mean.expand_as(picture))
    close(applied("highpass:r=0", picture), picture - mean)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_two_rules_differ_by_the_frequencies_on_the_circle_alone(height: int, width: int) -> None:
    short = min(height, width)
    for r in RADII:
        between = disc(height, width, r, "pixels", "le") & ~disc(height, width, r, "pixels", "lt")
        assert not (disc(height, width, r, "pixels", "lt") & ~disc(height, width, r, "pixels", "le")).any()
        on = [
            [
                Fraction(min(u, height - u) * short, height) ** 2 + Fraction(v * short, width) ** 2 == r**2
                for v in range(width // 2 + 1)
            ]
            for u in range(height)
        ]
        assert between.tolist() == on
    assert disc(8, 8, Fraction(4), "pixels", "le").sum() > disc(8, 8, Fraction(4), "pixels", "lt").sum()


def test_a_range_is_applied_to_each_picture_alone() -> None:
    two = pictures(8, 8)
    two[1] = two[1] / 4
    plain = applied("lowpass:r=2", two)
    assert plain.min() < 0.5
    assert torch.equal(applied("lowpass:r=2,range=clip", two * 3 - 1), applied("lowpass:r=2", two * 3 - 1).clamp(0, 1))
    by_largest = applied("lowpass:r=2,range=max", two)
    assert by_largest.flatten(1).amax(1).tolist() == [1.0, 1.0]
    close(by_largest, plain / plain.flatten(1).amax(1).view(2, 1, 1, 1))
    black = torch.zeros(1, 3, 8, 8)
    assert torch.equal(applied("lowpass:r=2,range=max", black), black)


def test_pixels_may_leave_their_range_unless_it_is_cut_off() -> None:
    step = torch.zeros(1, 3, 16, 16)
    step[..., 8:] = 1
    low = applied("lowpass:r=4", step)
    assert low.min() < -0.05
    assert low.max() > 1.05
    high = applied("highpass:r=4", step)
    assert high.min() < 0 < high.max()
    assert applied("highpass:r=4,range=clip", step).min() == 0


@pytest.mark.parametrize("name", ["lowpass", "highpass"])
@pytest.mark.parametrize("how", ["r=0", "r=5,rule=lt", "r=40", "r=1/4,unit=fraction", "r=4,range=clip", "on=image"])
def test_every_choice_keeps_the_contract_of_a_perturbation(name: str, how: str) -> None:
    check_perturbation(change(f"{name}:{how}"))


PREPROCESS = {
    "usual": Preprocess(40, 32, "bilinear", (0.5,) * 3, (0.25,) * 3),
    "tight": Preprocess(32, 32, "bicubic", (0.5,) * 3, (0.25,) * 3),
    "square": Preprocess((40, 36), 32, "bilinear", (0.5,) * 3, (0.25,) * 3),
}
UNDERNEATH = ["1crop", "10crop", "10crop(flip=false)", "tta", "tta(shifts=-2+0+2,scales=40+48)", "multicrop(grid=3)"]
UNDERNEATH += [
    "fullconv",
    "multiscale",
    "multiscale(scales=40+48,flip=false)",
    "1crop(resize=36,interpolation=bicubic)",
]


@pytest.mark.parametrize("preprocess", PREPROCESS.values(), ids=PREPROCESS)
@pytest.mark.parametrize("of", UNDERNEATH)
@pytest.mark.parametrize("on", ["crop", "image"])
@pytest.mark.parametrize("mirror", [True, False])
def test_the_views_are_those_of_the_protocol_underneath(of: str, on: str, preprocess: Preprocess, mirror: bool) -> None:
    bound = bind(f"lowpass:r=3,of={of},on={on}", FIND)
    under = bind(of.replace("(", ":", 1).removesuffix(")"), FIND)
    made, plain = views(bound, preprocess, mirror), views(under, preprocess, mirror)
    assert tuple(dataclasses.replace(v, perturbation=None) for v in made) == plain
    assert {v.perturbation for v in made} == {change(f"lowpass:r=3,on={on}")}
    assert bound.combine == under.combine
    again = bind(bound.label, FIND)
    assert (again.label, again.combine) == (bound.label, bound.combine)
    assert views(again, preprocess, mirror) == made


class Seen(torch.nn.Module):
    """Keeps the pixels that a network receives."""

    def forward(self, x: Any) -> Any:
        self.pixels = x.clone()
        return x.mean((2, 3))


def received(view: View, image: Any, preprocess: Preprocess, flip: bool | None = None) -> Any:
    """The input of a network for a view of an image, (h, w, 3), through the functions of an evaluation."""
    module = Seen()
    network = Network(module, preprocess, Compute(), {})
    pixels = cut(resize(image, *resized_shape(image.height, image.width, view), view), view)
    network(pixels[None].copy(), np.array([view.flip]), view, [Sample("a", 0, "memory")])
    return rows(module.pixels[0])


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("name", ["lowpass", "highpass"])
@pytest.mark.parametrize("of", ["10crop", "tta", "tta(border=reflect)", "1crop(rounding=ceil)"])
@pytest.mark.parametrize("on", ["crop", "image"])
@pytest.mark.parametrize(("height", "width", "resize_"), [(45, 61, 40), (53, 40, 40), (32, 32, 32)])
def test_the_network_receives_the_filtered_crop_or_the_crop_of_the_filtered_image(
    name: str, of: str, on: str, height: int, width: int, resize_: int
) -> None:
    """A filtered image gets its border, if the view has one, after the filter."""
    image, plain = noise(height, width), Preprocess(resize_, 32, "bilinear", (0.0,) * 3, (1.0,) * 3)
    text = f"{name}:r=5,of={of},on={on}"
    for view in views(bind(text, FIND), plain, mirror=True):
        whole = np.asarray(resize(image, *resized_shape(height, width, view), view)) / 255
        if view.flip:
            whole = whole[:, ::-1]
        assert isinstance(view.crop, Crop)
        top, left = (view.pad + place for place in crop_origin(*whole.shape[:2], view.crop, view.pad))
        box = slice(top, top + 32), slice(left, left + 32)
        first = reference(text, whole) if on == "image" else whole
        edged = np.pad(
            first, [(view.pad, view.pad)] * 2 + [(0, 0)], mode="reflect" if view.border == "reflect" else "constant"
        )
        wanted = edged[box] if on == "image" else reference(text, edged[box])
        close(received(view, image, plain), wanted, 1e-5)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("largest", [1.0, 255.0])
@pytest.mark.parametrize("on", ["crop", "image"])
def test_pixels_are_filtered_before_they_are_prepared_for_the_network(order: Any, largest: float, on: str) -> None:
    mean, std = (0.1 * largest, 0.2 * largest, 0.3 * largest), (0.5, 0.4, 0.3)
    preprocess = Preprocess(40, 32, "bilinear", mean, std, channel_order=order, range=largest)
    image, text = noise(40, 40), f"lowpass:r=5,on={on}"
    (view,) = views(bind(text, FIND), preprocess, mirror=True)
    whole = np.asarray(image) / 255
    picture = reference(text, whole)[4:36, 4:36] if on == "image" else reference(text, whole[4:36, 4:36])
    wanted = (picture[:, :, :: 1 if order == "RGB" else -1] * largest - np.array(mean)) / np.array(std)
    close(received(view, image, preprocess), wanted, 1e-5 * largest)


def test_a_filtered_score_map_sees_the_whole_filtered_image() -> None:
    plain = Preprocess(40, 32, "bilinear", (0.0,) * 3, (1.0,) * 3)
    (view,) = views(bind("lowpass:r=5,of=fullconv(spatial=gap,flip=false)", FIND), plain, mirror=True)
    image = noise(40, 57)
    close(received(view, image, plain), reference("lowpass:r=5", np.asarray(image) / 255), 1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lowpass:r=-1", "Expected r of lowpass to be 0 or more, got -1 [protocol lowpass:r=-1]"),
        ("highpass:r=-1/2", "Expected r of highpass to be 0 or more, got -1/2 [protocol highpass:r=-0.5]"),
        ("lowpass:r=abc", "Expected r to be a number or a fraction such as 8/255, got abc (lowpass:r=abc)"),
        ("lowpass:r=1/0", "Expected r to be a number or a fraction such as 8/255, got 1/0"),
        ("lowpass:r=nan", "Expected r to be a number or a fraction such as 8/255, got nan"),
        ("lowpass:r=inf", "Expected r to be a number or a fraction such as 8/255, got inf"),
        ("lowpass:r=", "got nothing"),
        (
            "lowpass:r=12,unit=fraction",
            "Expected r of lowpass with unit=fraction to be from 0 to 1, in waves per pixel",
        ),
        ("lowpass:rule=eq", "Expected rule to be one of le, lt, got eq"),
        ("lowpass:range=minmax", "Expected range to be one of none, clip, max, got minmax"),
        ("lowpass:on=picture", "Expected on to be one of crop, image, got picture"),
        ("lowpass:radius=3", "Unknown parameter of lowpass 'radius'"),
        ("lowpass:merge=logit", "Unknown parameter of lowpass 'merge'"),
        ("lowpass:of=ensemble", "Expected of of lowpass to be a protocol of one network that does not change pixels"),
        ("lowpass:of=lowpass", "does not change pixels, got lowpass:r=12 (lowpass:of=lowpass)"),
        ("lowpass:of=highpass(r=4)", "does not change pixels, got highpass:r=4"),
        (
            "lowpass:of=1crop(resize=20)",
            "the shorter side of 20 pixels, got 32 (nothing is padded) [protocol 1crop:resize=20]",
        ),
        ("lowpass:of=10crp", "Unknown protocol '10crp': did you mean '10crop'?"),
        ("lowpass:of=10crop(flip=maybe)", "Expected flip to be true or false, got maybe (10crop:flip=maybe)"),
    ],
)
def test_what_cannot_be_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        views(bind(text, FIND), PREPROCESS["usual"], mirror=True)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
