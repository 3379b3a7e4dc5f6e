"""Tests of views as values: allowed fields, and conversion to plain data and back."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import BadParameter, Crop, Perturbation, View, distinct, five, flips, grid
from benchsuite.specs.perturbation import describe_perturbation
from benchsuite.specs.view import POSITIONS, describe, view_data, view_from_data

FRACTION = st.floats(0, 1)
CROPS = st.builds(
    Crop,
    size=st.integers(1, 224),
    position=st.one_of(st.sampled_from(sorted(POSITIONS)), st.tuples(FRACTION, FRACTION)),
    shift=st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
    rounding=st.sampled_from(["round", "ceil", "floor"]),
)
SIDES = st.integers(224, 999)
RESIZES = st.one_of(SIDES, st.tuples(SIDES, SIDES))
RESAMPLING = {
    "flip": st.booleans(),
    "interpolation": st.sampled_from(["nearest", "bilinear", "bicubic"]),
    "antialias": st.booleans(),
    "long_side": st.sampled_from(["floor", "round"]),
}
VALUES = st.one_of(st.integers(), st.fractions(), st.booleans(), st.sampled_from(["le", "random", "none"]))
PERTURBATIONS = st.builds(
    Perturbation,
    name=st.sampled_from(["lowpass", "fgsm"]),
    change=st.just("package.module:change"),
    parameters=st.dictionaries(st.sampled_from(["r", "eps", "rule"]), VALUES).map(lambda d: tuple(d.items())),
    needs=st.sampled_from(["pixels", "ids"]),
    on=st.sampled_from(["crop", "image"]),
    reference=st.sampled_from(["", "package.module:reference"]),
    revision=st.integers(0, 3),
)
ATTACKS = PERTURBATIONS.map(lambda p: dataclasses.replace(p, needs="gradient", on="crop"))
PERTURBED = {"perturbation": st.one_of(st.none(), PERTURBATIONS)}
VIEWS = st.one_of(
    st.builds(View, resize=RESIZES, crop=st.one_of(st.none(), CROPS), **RESAMPLING, **PERTURBED),
    st.builds(View, resize=RESIZES, crop=CROPS, **RESAMPLING, perturbation=ATTACKS),
    st.builds(
        View,
        resize=RESIZES,
        crop=CROPS,
        pad=st.integers(1, 223),
        border=st.sampled_from(["reflect", "zero"]),
        **RESAMPLING,
        **PERTURBED,
    ),
    st.builds(
        View,
        resize=RESIZES,
        dense=st.just(True),
        nominal=st.integers(1, 224),
        spatial=st.sampled_from(["mean", "gap", "prob", "avgmax"]),
        **RESAMPLING,
        **PERTURBED,
    ),
)


@given(VIEWS)
def test_a_view_is_the_same_after_json(view: View) -> None:
    again = view_from_data(json.loads(json.dumps(view_data(view))))
    assert again == view
    assert hash(again) == hash(view)
    left_out = {"perturbation"} if view.perturbation is None else set()  # keys from before perturbations stay valid
    left_out |= set() if view.pad else {"pad", "border"}
    assert set(view_data(view)) == {f.name for f in dataclasses.fields(View)} - left_out


def attack() -> Perturbation:
    return Perturbation("attack", "package.module:change", needs="gradient")


def test_a_perturbation_of_the_whole_image_delays_the_crop() -> None:
    crop = Crop(224)
    cropped = Perturbation("p", "package.module:change")
    whole = dataclasses.replace(cropped, on="image")
    assert View(256, crop).early_crop == View(256, crop, perturbation=cropped).early_crop == crop
    assert View(256, crop, perturbation=whole).early_crop is None
    assert [View(256, crop, perturbation=p).attacked for p in (None, whole, attack())] == [False, False, True]


def test_views_that_differ_in_their_perturbation_are_different_views() -> None:
    base = Perturbation("p", "package.module:change", (("r", Fraction(12)),))
    changes = {"name": "q", "change": "package.module:other", "parameters": (("r", Fraction(25, 2)),)}
    changes |= {"on": "image", "needs": "ids", "revision": 1, "reference": "package.module:reference"}
    made = [None, base, *(dataclasses.replace(base, **{k: v}) for k, v in changes.items())]
    data = [json.dumps(view_data(View(256, Crop(224), perturbation=p)), sort_keys=True) for p in made]
    assert len(set(data)) == len(made)


def test_a_view_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        View(256).flip = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Crop(0), "Expected crop to be a positive number of pixels, got 0"),
        (lambda: Crop(-3), "got -3"),
        (lambda: Crop(8, "middle"), "Expected crop position to be one of top-left, "),
        (lambda: Crop(8, (0.5, 1.1)), "two fractions in 0..1"),
        (lambda: Crop(8, (-0.1, 0.5)), "two fractions in 0..1"),
        (lambda: Crop(8, (float("nan"), 0.5)), "two fractions in 0..1"),
        (lambda: Crop(8, rounding="up"), "Expected rounding to be one of round, ceil, floor, got up"),
        (lambda: View(0), "Expected resize to be a positive number of pixels, got 0"),
        (lambda: View((8, 0)), "got (8, 0)"),
        (lambda: View(223, Crop(224)), "Expected crop to be at most the shorter side of 223 pixels, got 224"),
        (lambda: View((300, 200), Crop(224)), "at most the shorter side of 200 pixels"),
        (lambda: View(256, Crop(224), dense=True, nominal=224), "Expected a dense view to be of the whole image"),
        (lambda: View(223, dense=True, nominal=224), "at least the nominal crop of 224, got 223"),
        (lambda: View(223, dense=True), "the shorter side of a dense view"),
        (lambda: View(256, spatial="sum"), "Expected spatial to be one of mean, gap, prob, avgmax, got sum"),
        (lambda: View(256, interpolation="cubic"), "Expected interpolation to be one of nearest, "),
        (lambda: View(256, long_side="up"), "Expected long_side to be one of floor, round, got up"),
        (lambda: View(256, interpolation="lanczos", antialias=False), "nearest, bilinear or bicubic without antialias"),
        (
            lambda: View(256, dense=True, nominal=224, perturbation=attack()),
            "Expected a view that needs the gradient to be a crop, got attack of a whole image, as it makes",
        ),
        (lambda: list(grid(8, 0)), "Expected grid to be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(make: object, said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        make()  # type: ignore[operator]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_five_crops_are_in_torchvisions_order() -> None:
    positions = ["top-left", "top-right", "bottom-left", "bottom-right", "center"]
    assert [c.position for c in five(224)] == positions
    assert {c.rounding for c in five(224, "ceil")} == {"ceil"}


def test_a_grid_reaches_the_borders_and_one_step_is_the_centre() -> None:
    assert [c.fractions for c in grid(8, 1)] == [(0.5, 0.5)]
    assert [c.fractions for c in grid(8, 2)] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [c.fractions for c in grid(8, 3)][:4] == [(0, 0), (0, 0.5), (0, 1), (0.5, 0)]
    assert {c.rounding for c in grid(8, 3, "floor")} == {"floor"}
    assert len({*grid(8, 5)}) == 25


def test_flips_come_after_the_image_itself() -> None:
    assert flips(True) == (False, True)
    assert flips(False) == (False,)


def test_distinct_keeps_the_first_of_equal_views_in_order() -> None:
    a, b = View(256), View(384)
    assert distinct([b, a, View(384), a]) == (b, a)
    assert distinct([]) == ()


def test_describe_tells_views_apart_in_words() -> None:
    assert describe(View(256, Crop(224))) == "short side 256 bilinear, crop 224 center"
    moved = View((40, 36), Crop(32, (0.25, 1), shift=(-2, 3)), flip=True, antialias=False)
    assert describe(moved) == "resize to 40x36 bilinear without antialias, crop 32 at 0.25, 1 shifted -2, +3, mirrored"
    dense = View(480, dense=True, nominal=224, spatial="prob", interpolation="bicubic")
    assert describe(dense) == "short side 480 bicubic, whole image, dense, window of 224, prob"


@given(VIEWS)
def test_describe_is_one_line_for_any_view(view: View) -> None:
    assert "\n" not in describe(view)
    assert ("mirrored" in describe(view)) is view.flip
    assert view.perturbation is None or describe_perturbation(view.perturbation) in describe(view)


@pytest.mark.parametrize(
    ("view", "size", "pixels"),
    [
        (View(256, Crop(224)), (300, 500), 224 * 224),
        (View(256, Crop(224)), (10, 10), 224 * 224),
        (View(256), (300, 500), 256 * 426),
        (View(256, long_side="round"), (300, 500), 256 * 427),
        (View(256), (256, 999), 256 * 999),
        (View((100, 50)), (300, 500), 100 * 50),
        (View(480, dense=True, nominal=224), (1, 1), 480 * 480),
    ],
    ids=str,
)
def test_the_pixels_of_a_view_are_those_that_a_network_sees(view: View, size: tuple[int, int], pixels: int) -> None:
    assert view.pixels(*size) == pixels


@pytest.mark.parametrize(
    ("fields", "expected_"),
    [
        ({"pad": 8, "crop": Crop(4)}, "0 to 7 pixels, as the reflected image has 8, got 8"),
        ({"pad": -1, "crop": Crop(4)}, "0 to 7 pixels"),
        ({"pad": 2, "crop": Crop(13)}, "at most the shorter side of 12 pixels, got 13 (its border included)"),
        ({"pad": 2}, "a view with a border to be a crop"),
        ({"pad": 2, "crop": Crop(4), "border": "wrap"}, "one of reflect, zero"),
    ],
)
def test_a_border_that_cannot_be_made_is_refused(fields: dict[str, Any], expected_: str) -> None:
    with pytest.raises(BadParameter) as caught:
        View(8, **fields)
    assert expected_ in str(caught.value)
    assert View(8, Crop(24), pad=8, border="zero").pad == 8


def test_a_border_is_said() -> None:
    assert describe(View(32, Crop(32, "top-left"), pad=4)) == (
        "short side 32 bilinear, border of 4, reflected, crop 32 top-left"
    )
    assert "border of 4, black" in describe(View(32, Crop(32, "top-left"), pad=4, border="zero"))
