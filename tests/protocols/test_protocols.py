"""Tests of the built-in protocols: which views they make, and that each open choice is a parameter."""

from __future__ import annotations

import typing
from collections import Counter

import numpy as np
import pytest
from benchsuite.protocols import _sizes
from PIL import Image
from reference import geometry
from torchvision import transforms
from torchvision.transforms import functional as tv

from benchsuite import BadParameter, Combine, Crop, Preprocess, View, load_plugins
from benchsuite.data.resize import cut, resize
from benchsuite.specs.parameters import bind, parameters, views
from benchsuite.specs.view import Rounding, Spatial, resized_shape

IMAGENET = Preprocess(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = Preprocess(32, 32, "bilinear", (0.5,) * 3, (0.2,) * 3)
SQUASHED = Preprocess((40, 36), 32, "bicubic", (0.5,) * 3, (0.2,) * 3)
CATALOG = load_plugins(entry_points=False)
NAMES = ("1crop", "10crop", "multicrop", "fullconv", "multiscale", "tta", "ensemble")


def made(text: str, preprocess: Preprocess = IMAGENET, mirror: bool = True) -> tuple[View, ...]:
    return views(bind(text, lambda name: CATALOG.find("protocol", name)), preprocess, mirror)


def combined(text: str) -> Combine:
    return bind(text, lambda name: CATALOG.find("protocol", name)).combine


def seen(image: Image.Image, view: View) -> np.ndarray:
    pixels = cut(resize(image, *resized_shape(image.height, image.width, view), view), view)
    return pixels[:, ::-1] if view.flip else pixels


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("height", "width"), [(281, 300), (375, 281), (256, 256), (40, 31), (257, 700)])
def test_1crop_sees_what_torchvisions_resize_and_centre_crop_see(height: int, width: int) -> None:
    image = noise(height, width)
    theirs = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])(image)
    (view,) = made("1crop")
    np.testing.assert_array_equal(seen(image, view), np.asarray(theirs))


@pytest.mark.parametrize(("height", "width"), [(281, 300), (375, 281), (256, 256), (40, 31)])
def test_10crop_sees_what_torchvisions_ten_crop_sees_in_its_order(height: int, width: int) -> None:
    image = noise(height, width)
    theirs = tv.ten_crop(transforms.Resize(256)(image), [224, 224])
    ours = [seen(image, view) for view in made("10crop")]
    assert len(ours) == 10
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, np.asarray(their))


@pytest.mark.parametrize("text", ["10crop", "multicrop:grid=3", "tta", "tta:shifts=-2+0+1", "1crop:rounding=ceil"])
@pytest.mark.parametrize("preprocess", [CIFAR, SQUASHED], ids=["cifar", "squashed"])
def test_every_crop_of_an_odd_image_is_that_of_the_slow_twin(text: str, preprocess: Preprocess) -> None:
    image = noise(45, 61)
    for view in made(text, preprocess):
        np.testing.assert_array_equal(seen(image, view), geometry.look(image, view))


def test_1crop_is_one_view_of_the_weights_own_sizes() -> None:
    assert made("1crop") == (View(256, Crop(224)),)
    assert made("1crop", CIFAR) == (View(32, Crop(32)),)
    assert made("1crop", SQUASHED) == (View((40, 36), Crop(32), interpolation="bicubic"),)
    assert made("1crop:resize=288,crop=288,interpolation=bicubic") == (View(288, Crop(288), interpolation="bicubic"),)
    assert made("1crop:rounding=ceil") == (View(256, Crop(224, rounding="ceil")),)


def test_10crop_mirrors_whatever_the_dataset_says_unless_told() -> None:
    assert [v.flip for v in made("10crop", mirror=False)] == [False] * 5 + [True] * 5
    assert made("10crop:flip=false") == made("10crop")[:5]
    assert {v.resize for v in made("10crop:resize=288")} == {288}


def test_multicrop_is_fifty_crops_at_each_scale() -> None:
    assert len(made("multicrop")) == 50
    assert len(made("multicrop", mirror=False)) == 25
    counted = Counter(v.resize for v in made("multicrop:scales=256+384+512"))
    assert counted == {256: 50, 384: 50, 512: 50}
    assert made("multicrop:grid=1,flip=false") == (View(256, Crop(224, (0.5, 0.5))),)
    corners = {v.crop.fractions for v in made("multicrop:grid=2,flip=false") if v.crop}
    assert corners == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_fullconv_is_the_whole_image_and_its_mirror_image() -> None:
    dense = View(256, dense=True, nominal=224)
    assert made("fullconv", mirror=False) == (dense,)
    assert made("fullconv") == (dense, View(256, flip=True, dense=True, nominal=224))
    assert made("fullconv:resize=480,flip=false") == (View(480, dense=True, nominal=224),)
    assert made("fullconv:crop=192,flip=false") == (View(256, dense=True, nominal=192),)


def test_multiscale_is_five_scales_in_proportion_to_the_nominal_crop() -> None:
    assert [v.resize for v in made("multiscale", mirror=False)] == [224, 256, 384, 480, 640]
    assert [v.resize for v in made("multiscale", CIFAR, mirror=False)] == [32, 37, 55, 69, 91]
    wide = Preprocess(342, 299, "bicubic", (0.5,) * 3, (0.5,) * 3)
    assert [v.resize for v in made("multiscale", wide, mirror=False)] == [299, 342, 513, 641, 854]
    assert len(made("multiscale")) == 10
    assert [v.resize for v in made("multiscale:scales=256+512,flip=false")] == [256, 512]
    assert all(v.dense and v.crop is None and v.nominal == 224 for v in made("multiscale"))


def test_an_ignored_aspect_ratio_stays_ignored_at_every_scale() -> None:
    assert [v.resize for v in made("multiscale:scales=36+72+54", SQUASHED, mirror=False)] == [
        (40, 36),
        (80, 72),
        (60, 54),
    ]
    assert {v.resize for v in made("10crop", SQUASHED)} == {(40, 36)}
    assert {v.resize for v in made("10crop:resize=72", SQUASHED)} == {(80, 72)}
    assert {v.resize for v in made("1crop:resize=72", SQUASHED)} == {(80, 72)}


def test_tta_is_nine_shifts_of_a_quarter_of_the_margin_and_their_mirror_images() -> None:
    steps = (-8, 0, 8)
    nine = [View(256, Crop(224, shift=(down, right))) for down in steps for right in steps]
    assert made("tta", mirror=False) == tuple(nine)
    assert len(made("tta")) == 18
    assert made("tta:shifts=0,flip=false") == (View(256, Crop(224)),)
    assert len(made("tta:shifts=-16+16,scales=256+288")) == 2 * 4 * 2
    by_scale = {v.resize: v.crop.shift for v in made("tta:scales=256+288,flip=false") if v.crop}
    assert by_scale == {256: (8, 8), 288: (16, 16)}


@pytest.mark.parametrize(
    ("resize_", "shifts"), [(224, {0}), (225, {0}), (226, {-1, 0, 1}), (228, {-1, 0, 1}), (232, {-2, 0, 2})]
)
def test_ttas_shifts_stay_inside_any_margin(resize_: int, shifts: set[int]) -> None:
    made_ = made(f"tta:scales={resize_},flip=false")
    assert {v.crop.shift[0] for v in made_ if v.crop} == shifts
    assert len(made_) == len(shifts) ** 2


@pytest.mark.parametrize("text", ["10crop", "multicrop", "tta"])
def test_crops_of_small_images_without_a_margin_move_inside_a_reflected_border(text: str) -> None:
    """4 pixels for 32, as in training; the centre crop is that of 1crop."""
    image = noise(32, 32)
    made_ = made(text, CIFAR)
    assert {v.resize for v in made_} == {32}
    assert len({seen(image, v).tobytes() for v in made_}) == len(made_)
    central = [v for v in made_ if v.crop and v.crop.fractions == (0.5, 0.5) and not any(v.crop.shift)]
    assert {v.pad for v in central} == {0}
    assert {(v.pad, v.border) for v in made_ if v not in central} == {(4, "reflect")}
    padded = np.pad(np.asarray(image), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    corner = padded[2:34, 2:34] if text == "tta" else padded[:32, :32]  # a quarter of the margin of 8, or all of it
    assert corner.tobytes() in {seen(image, v).tobytes() for v in made_}
    black = made(f"{text}:pad=2,border=zero", CIFAR)
    assert {(v.pad, v.border) for v in black} == {(0, "reflect"), (2, "zero")}
    squashed = Preprocess((28, 28), 28, "bilinear", (0.5,) * 3, (0.5,) * 3)
    assert {(v.resize, v.pad) for v in made(text, squashed)} == {((28, 28), 0), ((28, 28), 3)}


@pytest.mark.parametrize("text", ["10crop", "multicrop", "tta"])
def test_crops_of_photographs_get_a_larger_short_side_where_the_weights_leave_no_margin(text: str) -> None:
    tight = Preprocess(224, 224, "bilinear", (0.5,) * 3, (0.5,) * 3)
    assert {(v.resize, v.pad) for v in made(text, tight)} == {(256, 0)}
    assert {v.pad for v in made(text)} == {0}
    assert "round(crop * 256 / 224)" in CATALOG.protocols[text].note


@pytest.mark.parametrize("resize_", [32, 224])
def test_mirror_images_alone_resize_nothing(resize_: int) -> None:
    weights = Preprocess(resize_, resize_, "bilinear", (0.5,) * 3, (0.5,) * 3)
    assert made("tta:shifts=0,flip=true", weights) == (*made("1crop", weights), *made("tta:shifts=0", weights)[1:])
    assert [(v.resize, v.pad, v.flip) for v in made("tta:shifts=0,flip=true", weights)] == [
        (resize_, 0, False),
        (resize_, 0, True),
    ]


def test_a_shift_beyond_the_border_is_refused() -> None:
    with pytest.raises(BadParameter, match="at most half the margin of 8 pixels, got 5"):
        made("tta:shifts=0+5", CIFAR)
    with pytest.raises(BadParameter, match="0 to 31 pixels"):
        made("tta:pad=32", CIFAR)


@pytest.mark.parametrize("text", ["multicrop", "fullconv", "multiscale", "tta"])
def test_mirror_images_follow_the_dataset_unless_told(text: str) -> None:
    for mirror in (False, True):
        assert any(v.flip for v in made(text, mirror=mirror)) is mirror
        assert any(v.flip for v in made(f"{text}:flip=true", mirror=mirror))
        assert not any(v.flip for v in made(f"{text}:flip=false", mirror=mirror))


def test_the_published_defaults_and_the_switches_for_the_other_meanings() -> None:
    assert {name: combined(name) for name in NAMES} == dict.fromkeys(NAMES, Combine("mean", "prob", "equal"))
    for name in NAMES:
        assert combined(f"{name}:merge=logit").space == "logit"
    assert combined("tta:rule=geometric") == Combine("geometric", "prob")
    assert combined("tta:rule=max,merge=logit") == Combine("max", "logit")
    assert combined("multiscale:average=locations") == Combine("mean", "prob", "locations")


@pytest.mark.parametrize(
    ("choice", "protocols"),
    [
        ("merge", NAMES),
        ("rule", NAMES),
        ("average", NAMES),
        ("flip", ("10crop", "multicrop", "fullconv", "multiscale", "tta")),
        ("spatial", ("fullconv", "multiscale")),
        ("rounding", ("1crop", "10crop", "multicrop", "tta")),
        ("resize", ("1crop", "10crop", "fullconv")),
        ("scales", ("multicrop", "multiscale", "tta")),
        ("protocol", ("ensemble",)),
        *((shared, NAMES[:-1]) for shared in ("crop", "interpolation", "antialias", "long_side")),
    ],
)
def test_every_open_choice_is_a_parameter(choice: str, protocols: tuple[str, ...]) -> None:
    for name in protocols:
        assert choice in parameters(CATALOG.protocols[name])


@pytest.mark.parametrize("name", ["fullconv", "multiscale"])
@pytest.mark.parametrize("spatial", ["mean", "gap", "prob", "avgmax"])
def test_a_score_map_becomes_a_score_in_four_ways(name: str, spatial: str) -> None:
    assert {v.spatial for v in made(f"{name}:spatial={spatial}")} == {spatial}


@pytest.mark.parametrize("name", NAMES[:-1])
def test_resampling_reaches_every_view(name: str) -> None:
    made_ = made(f"{name}:interpolation=bicubic,antialias=false,long_side=round")
    assert {(v.interpolation, v.antialias, v.long_side) for v in made_} == {("bicubic", False, "round")}


@pytest.mark.parametrize("name", ["10crop", "multicrop", "tta"])
@pytest.mark.parametrize("rounding", ["round", "ceil", "floor"])
def test_rounding_reaches_every_crop(name: str, rounding: str) -> None:
    assert {v.crop.rounding for v in made(f"{name}:rounding={rounding}") if v.crop} == {rounding}


def test_an_ensemble_tests_each_member_with_the_inner_protocol() -> None:
    assert CATALOG.protocols["ensemble"].members
    assert made("ensemble") == made("1crop")
    assert made("ensemble:protocol=10crop") == made("10crop")
    inner = "multiscale(scales=224+256,flip=false)"
    assert made(f"ensemble:protocol={inner}") == made("multiscale:scales=224+256,flip=false")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1crop:resize=200", "Expected crop to be at most the shorter side of 200 pixels, got 224"),
        ("1crop:resize=0", "Expected resize to be a positive number of pixels, got 0"),
        ("1crop:crop=0", "Expected crop to be a positive number of pixels, got 0"),
        ("1crop:crop=257", "Expected crop to be at most the shorter side of 256 pixels, got 257"),
        ("1crop:rounding=up", "Expected rounding to be one of round, ceil, floor, got up"),
        ("10crop:resize=223", "at most the shorter side of 223 pixels"),
        ("10crop:crop=-1", "a positive number of pixels, got -1"),
        ("multicrop:grid=0", "Expected grid to be at least 1, got 0"),
        ("multicrop:grid=-2", "Expected grid to be at least 1, got -2"),
        ("multicrop:scales=256+200", "at most the shorter side of 200 pixels"),
        ("multicrop:scales=", "Expected scales to be a whole number, got nothing"),
        ("multicrop:scales=256+256", "Expected scales to be given once each, got 256+256"),
        (
            "fullconv:resize=223",
            "Expected the shorter side of a dense view to be at least the nominal crop of 224, got 223",
        ),
        ("fullconv:spatial=sum", "Expected spatial to be one of mean, gap, prob, avgmax, got sum"),
        ("multiscale:scales=224+192", "at least the nominal crop of 224, got 192"),
        ("multiscale:scales=0", "got 0"),
        ("multiscale:crop=0", "got 0"),
        ("multiscale:scales=224+224", "Expected scales to be given once each, got 224+224"),
        ("tta:shifts=17", "Expected shifts to be at most half the margin of 32 pixels, got 17"),
        ("tta:shifts=0+-17", "Expected shifts to be at most half the margin of 32 pixels, got -17"),
        ("tta:shifts=", "Expected shifts to be a whole number, got nothing"),
        ("tta:shifts=1+1", "Expected shifts to be one number of pixels or more, each once, got 1+1"),
        ("tta:scales=200", "Expected crop to be at most the shorter side of 200 pixels, got 224"),
        ("tta:scales=200,shifts=3", "Expected crop to be at most the shorter side of 200 pixels, got 224"),
        ("tta:rule=geometric,merge=logit", "Expected merge to be prob for a geometric mean, got logit"),
        ("tta:average=locations", "Expected average to be equal for crops, got locations"),
        ("10crop:interpolation=lanczos,antialias=false", "nearest, bilinear or bicubic without antialias, got lanczos"),
        ("ensemble:protocol=multiscale(scales=200)", "at least the nominal crop of 224, got 200"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_protocol(text: str, said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        made(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["multicrop", "multiscale", "tta"])
def test_no_scales_at_all_are_refused_when_a_plugin_asks(name: str) -> None:
    with pytest.raises(BadParameter, match="Expected scales to be one short side or more"):
        CATALOG.protocols[name].views(IMAGENET, scales=())


def test_no_shifts_at_all_are_refused_when_a_plugin_asks() -> None:
    with pytest.raises(BadParameter, match="Expected shifts to be one number of pixels or more, each once, got none"):
        CATALOG.protocols["tta"].views(IMAGENET, shifts=())


@pytest.mark.parametrize("name", NAMES)
def test_the_source_is_cited_and_what_is_unverified_is_called_so(name: str) -> None:
    protocol = CATALOG.protocols[name]
    assert any(cited in protocol.source for cited in ("arXiv:1512.03385", "arXiv:1409.1556", "deep-residual-networks"))
    assert "merge" in protocol.note
    for text in (protocol.note, protocol.source):
        assert "AlexNet" not in text or "(unverified)" in text


def test_the_choices_of_the_protocols_are_those_of_a_view() -> None:
    assert typing.get_args(_sizes.Rounding) == typing.get_args(Rounding)
    assert typing.get_args(_sizes.Spatial) == typing.get_args(Spatial)
