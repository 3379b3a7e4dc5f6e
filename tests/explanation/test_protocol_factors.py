"""Tests of splitting protocols into factors and combining factors to protocols."""

from __future__ import annotations

import dataclasses
import random

import pytest

from benchsuite import BenchsuiteError, Combine, Crop, Preprocess, View, load_plugins
from benchsuite.explanation.protocol_factors import (
    ProtocolContext,
    ProtocolFactors,
    bound_as,
    express,
    factors_of,
    replaced,
    shown,
)
from benchsuite.specs.parameters import bind, change_label, finder

CATALOG = load_plugins(entry_points=False)
MEAN = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
USUAL = Preprocess(256, 224, "bilinear", **MEAN)
TIGHT = Preprocess(32, 32, "bicubic", **MEAN)
SQUARE = Preprocess((256, 256), 224, "bicubic", **MEAN, long_side="round")
FRAMES = {
    name: ProtocolContext(finder(CATALOG.protocols), preprocess, mirror)
    for name, preprocess, mirror in (("usual", USUAL, True), ("tight", TIGHT, False), ("square", SQUARE, True))
}
TEXTS = ["1crop", "1crop:resize=300,rounding=ceil", "10crop", "10crop:flip=false,merge=logit", "multicrop", "fullconv"]
TEXTS += ["multicrop:grid=3,flip=false", "multicrop:grid=1", "tta", "tta:shifts=0,flip=true", "tta:rule=geometric"]
TEXTS += ["multiscale", "multiscale:spatial=gap,flip=true", "multiscale:average=locations,merge=logit"]
TEXTS += ["fullconv:spatial=avgmax,interpolation=bicubic,antialias=false", "1crop:long_side=round,crop=200"]


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize("text", TEXTS)
def test_a_protocol_taken_apart_and_expressed_again_makes_the_same_views(text: str, frame: ProtocolContext) -> None:
    bound = bind(text, frame.find)
    try:
        made = frame.views(bound)
    except BenchsuiteError:
        pytest.skip("too large a crop for these weights")
    found = factors_of(made, bound.combine)
    assert found is not None
    again = express(found, frame)
    assert again is not None
    assert set(frame.views(again)) == set(made)
    assert again.combine == bound.combine
    assert factors_of(frame.views(again), again.combine) == found


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("1crop:resize=256,crop=224,interpolation=bilinear", "1crop"),
        ("multiscale:scales=256", "fullconv"),
        ("multiscale:scales=224+256+384+480+640,flip=true", "multiscale"),
        ("tta:shifts=0,flip=false", "1crop"),
        ("multicrop:grid=5,rounding=ceil", "multicrop:rounding=ceil"),
        ("fullconv:resize=300,merge=prob,spatial=mean", "fullconv:resize=300"),
        ("tta:shifts=-8+0+8", "tta"),
    ],
)
def test_the_shortest_protocol_is_found(text: str, short: str) -> None:
    frame = FRAMES["usual"]
    bound = bind(text, frame.find)
    found = factors_of(frame.views(bound), bound.combine)
    assert found is not None
    again = express(found, frame)
    assert again is not None
    assert again.label == short


def test_what_a_setting_says_is_what_the_views_are() -> None:
    frame = FRAMES["usual"]
    bound = bind("10crop:interpolation=bicubic,rounding=ceil,merge=logit", frame.find)
    assert factors_of(frame.views(bound), bound.combine) == ProtocolFactors(
        scales=(256,),
        crop=224,
        interpolation="bicubic",
        antialias=True,
        long_side="floor",
        rounding="ceil",
        places="five",
        flip=True,
        spatial="",
        rule="mean",
        merge="logit",
        average="equal",
    )


CROPS = [
    (View(256, Crop(224)), View(256, Crop(224), flip=True), View(288, Crop(224))),  # one scale without its mirror
    (View(256, Crop(224), flip=True),),  # only the mirror image
    (View(256, Crop(224)), View(256, Crop(200))),  # two sizes of crop
    (View(256, Crop(224)), View(256, Crop(224), interpolation="bicubic")),
    (View(256, Crop(224)), View(256, dense=True, nominal=224)),
    (View(256),),  # the whole image, not dense
    (View(256, Crop(224, (0.25, 0.5))),),  # a place that no protocol has
    (View(256, Crop(224, "top-left")), View(256, Crop(224, "bottom-right"))),
]


@pytest.mark.parametrize("made", CROPS)
def test_views_that_are_no_product_of_known_factors_are_not_expressed(made: tuple[View, ...]) -> None:
    found = factors_of(made, Combine())
    assert found is None or express(found, FRAMES["usual"]) is None


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
@pytest.mark.parametrize(
    "text",
    ["lowpass:r=8", "lowpass:r=12,of=10crop,rule=lt", "highpass:r=4,of=multiscale", "fgsm:eps=8/255", "noise:std=0.1"],
)
def test_a_change_of_pixels_is_a_factor_and_never_overlooked(text: str, frame: ProtocolContext) -> None:
    bound = bind(text, frame.find)
    assert bound.of is not None
    made, plain = frame.views(bound), frame.views(bound.of)
    assert factors_of(made, bound.combine) is None, "changed pixels without a name"
    assert factors_of(plain, bound.combine, "lowpass:r=8") is None, "a name without changed pixels"
    assert factors_of((made[0], *plain[1:]), bound.combine, change_label(bound)) is None or len(made) == 1
    found = factors_of(made, bound.combine, change_label(bound))
    assert found is not None
    assert found == replaced(factors_of(plain, bound.combine), pixels=change_label(bound))
    again = express(found, frame)
    assert again is not None
    assert again.label == bound.label
    assert frame.views(again) == made


def test_an_attack_of_a_score_map_is_not_expressed() -> None:
    frame = FRAMES["usual"]
    bound = bind("fullconv", frame.find)
    found = factors_of(frame.views(bound), bound.combine)
    assert found is not None
    assert express(replaced(found, pixels="fgsm:eps=8/255"), frame) is None
    assert express(replaced(found, pixels="lowpass:r=12"), frame) is not None
    assert express(replaced(found, pixels="lowpas:r=12"), frame) is None


def test_a_setting_that_no_protocol_has_is_not_expressed() -> None:
    frame = FRAMES["usual"]
    bound = bind("10crop", frame.find)
    found = factors_of(frame.views(bound), bound.combine)
    assert found is not None
    for fields in ({"scales": (256, 288)}, {"scales": (200,)}, {"spatial": "mean"}, {"average": "locations"}):
        assert express(replaced(found, **fields), frame) is None
    assert express(replaced(found, scales=(300,)), frame) is not None


def test_random_settings_are_expressed_exactly_or_not_at_all() -> None:
    chance = random.Random(0)
    expressed = 0
    for _ in range(150):
        dense = chance.random() < 0.5
        frame = FRAMES[chance.choice(["usual", "tight"])]
        wanted = ProtocolFactors(
            scales=tuple(sorted(chance.sample([224, 232, 256, 288], chance.randint(1, 3)))),
            crop=224,
            interpolation=chance.choice(["bilinear", "bicubic"]),
            antialias=chance.random() < 0.8,
            long_side=chance.choice(["floor", "round"]),
            rounding="" if dense else chance.choice(["round", "ceil"]),
            places="dense" if dense else chance.choice(["centre", "five", "grid 3", "shifts -2+0+2", "other"]),
            flip=chance.random() < 0.5,
            spatial=chance.choice(["gap", "mean", "prob"]) if dense else "",
            rule=chance.choice(["mean", "max"]),
            merge=chance.choice(["prob", "logit"]),
            average="equal",
        )
        bound = express(wanted, frame)
        if bound is not None:
            expressed += 1
            assert factors_of(frame.views(bound), bound.combine) == wanted
    assert expressed > 60


def test_a_protocol_that_does_not_fit_is_none_and_no_error() -> None:
    frame = FRAMES["usual"]
    assert bound_as("1crop", {"resize": 100}, frame) is None
    assert bound_as("nocrop", {}, frame) is None
    assert bound_as("tta", {"rule": "geometric", "merge": "logit"}, frame) is None
    assert bound_as("1crop", {}, frame) is not None


def test_every_field_of_a_setting_can_be_shown() -> None:
    frame = FRAMES["usual"]
    for text in ("10crop", "multiscale"):
        bound = bind(text, frame.find)
        found = factors_of(frame.views(bound), bound.combine)
        assert found is not None
        words = {field.name: shown(field.name, getattr(found, field.name)) for field in dataclasses.fields(found)}
        assert words["flip"] == "with mirror images"
        assert words["scales"] == "+".join(map(str, found.scales))
        assert words["places"] == {"10crop": "centre and corner crops", "multiscale": "whole image"}[text]
