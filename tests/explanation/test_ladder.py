"""Tests of ladders: one factor per rung, every rung a protocol, in the designed order."""

from __future__ import annotations

import itertools

import pytest
from reference import paired as twin
from toys import ToyPlugin

from benchsuite import BadParameter, BenchsuiteError, Preprocess, load_plugins
from benchsuite.explanation.ladder import MOST, Factor, Rung, carried_over, changes, factors_of_protocol, rungs, subsets
from benchsuite.explanation.protocol_factors import ProtocolContext
from benchsuite.specs.parameters import bind, finder

CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin()])
MEAN = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
FIND = finder(CATALOG.protocols)
USUAL = ProtocolContext(FIND, Preprocess(256, 224, "bilinear", **MEAN), mirror=True)
NEWER = ProtocolContext(FIND, Preprocess(232, 224, "bilinear", **MEAN), mirror=True)
DIGITS = ProtocolContext(FIND, Preprocess(32, 32, "bilinear", **MEAN), mirror=False)


def ladder(start: str, goal: str, frame: ProtocolContext = USUAL) -> list[Rung]:
    return rungs(bind(start, FIND), bind(goal, FIND), frame)


def words(made: list[Rung]) -> list[tuple[str, str]]:
    return [(rung.bound.label, "; ".join(map(str, rung.factors))) for rung in made]


def test_from_one_crop_to_multiscale_there_are_eight_rungs_and_ten_crops_is_one_of_them() -> None:
    assert words(ladder("1crop", "multiscale")) == [
        ("1crop", ""),
        ("10crop:flip=false", "crops: centre crop -> centre and corner crops"),
        ("10crop", "mirror images: without -> with mirror images"),
        ("fullconv:spatial=gap", "crops: centre and corner crops -> whole image"),
        ("fullconv", "pooling: global pooling -> mean of the score map"),
        ("multiscale:scales=224+256", "scale 224: without -> with"),
        ("multiscale:scales=224+256+384", "scale 384: without -> with"),
        ("multiscale:scales=224+256+384+480", "scale 480: without -> with"),
        ("multiscale", "scale 640: without -> with"),
    ]


def test_weights_without_a_margin_are_resized_before_a_crop_is_moved() -> None:
    made = words(ladder("1crop", "multiscale", DIGITS))
    assert made[1] == ("1crop:resize=37", "resize: 32 -> 37")
    assert made[2] == ("10crop:flip=false,resize=37", "crops: centre crop -> centre and corner crops")
    assert made[5] == ("multiscale:scales=32+37", "scale 32: without -> with")
    assert [label for label, _ in made if "flip=true" in label] == []
    assert len(made) == 1 + 8


def test_crops_of_small_images_move_with_their_border() -> None:
    border = "in a border of 4 pixels, reflected"
    assert words(ladder("1crop", "tta:flip=true", DIGITS)) == [
        ("1crop", ""),
        ("tta", f"crops: centre crop -> shifts -2+0+2 {border}"),
        ("tta:flip=true", "mirror images: without -> with mirror images"),
    ]
    assert words(ladder("10crop:border=zero", "1crop", DIGITS))[1:] == [
        ("10crop:border=zero,flip=false", "mirror images: with mirror images -> without"),
        ("1crop", "crops: centre and corner crops in a border of 4 pixels, black -> centre crop"),
    ]
    made = words(ladder("tta", "tta:border=zero,pad=2,shifts=-2+0+2", DIGITS))
    assert made[1:] == [("tta:border=zero,pad=2,shifts=-2+0+2", "border: 4 pixels, reflected -> 2 pixels, black")]
    assert words(ladder("1crop", "tta:scales=32+36,shifts=-2+0+2", DIGITS))[1:] == [
        ("tta", f"crops: centre crop -> shifts -2+0+2 {border}"),
        ("tta:scales=32+36,shifts=-2+0+2", "scale 36: without -> with"),
    ]


def test_a_size_that_is_no_scale_of_the_goal_changes_first() -> None:
    made = words(ladder("1crop", "multiscale", NEWER))
    assert made[1] == ("1crop:resize=256", "resize: 232 -> 256")
    assert made[-1][0] == "multiscale"


def test_open_choices_of_the_papers_are_rungs_at_the_end() -> None:
    made = words(ladder("1crop", "multiscale:merge=logit,average=locations,spatial=prob"))
    assert made[4] == (
        "fullconv:spatial=prob",
        "pooling: global pooling -> mean of the softmax of places",
    )
    assert [factor for _, factor in made[-2:]] == [
        "merge space: probabilities -> logits",
        "weight of a scale: equal -> locations",
    ]


def test_ten_crops_of_fb_resnet_torch() -> None:
    made = ladder("1crop", "10crop:merge=logit,interpolation=bicubic,rounding=ceil")
    assert [factor.name for rung in made for factor in rung.factors] == [
        *("interpolation", "rounding of half a pixel", "crops", "mirror images", "merge space"),
    ]
    assert made[-1].bound.label == "10crop:interpolation=bicubic,merge=logit,rounding=ceil"


@pytest.mark.parametrize(
    ("start", "goal", "order"),
    [
        ("1crop:resize=235", "1crop:resize=288,crop=288", ["resize", "crop size"]),
        ("1crop:resize=288,crop=288", "1crop:resize=235", ["crop size", "resize"]),
    ],
)
def test_a_crop_never_exceeds_the_image_on_the_way(start: str, goal: str, order: list[str]) -> None:
    made = ladder(start, goal)
    assert [factor.name for rung in made for factor in rung.factors] == order
    assert all(len(rung.factors) == 1 for rung in made[1:])


PROTOCOLS = ["1crop", "1crop:interpolation=bicubic,resize=300", "10crop", "10crop:flip=false", "multicrop:grid=3"]
PROTOCOLS += [
    "tta",
    "fullconv",
    "fullconv:spatial=gap,resize=288",
    "multiscale",
    "multiscale:scales=256+320,flip=false",
]
PROTOCOLS += ["lowpass:r=8", "lowpass:r=12,of=10crop", "highpass:of=multiscale", "fgsm", "pgd:of=tta"]


@pytest.mark.parametrize("frame", [USUAL, NEWER, DIGITS], ids=["usual", "newer", "digits"])
@pytest.mark.parametrize(("start", "goal"), list(itertools.permutations(PROTOCOLS, 2)))
def test_a_ladder_changes_one_factor_at_a_time_between_any_two_protocols(
    start: str, goal: str, frame: ProtocolContext
) -> None:
    try:
        ends = [frame.views(bind(text, FIND)) for text in (start, goal)]
    except BenchsuiteError:
        pytest.skip("not with these weights")
    made = ladder(start, goal, frame)
    assert made[0] == Rung((), bind(start, FIND))
    if ends[0] != ends[1]:
        assert made[-1].bound.label == bind(goal, FIND).label
    labels = [rung.bound.label for rung in made]
    assert len(set(labels)) == len(labels)
    assert all(len(rung.factors) == 1 for rung in made[1:])
    for before, after in itertools.pairwise(made):
        a, b = (factors_of_protocol(rung.bound, frame) for rung in (before, after))
        assert a is not None
        assert b is not None
        changed = {field for field in a.__slots__ if getattr(a, field) != getattr(b, field)}
        assert changed
        assert changed <= {"places", "border", "spatial", "rounding"} or len(changed) == 1


AS_THEY_ARE = "pixels: as they are -> lowpass r=12"


def test_changed_pixels_are_a_step_of_their_own() -> None:
    assert words(ladder("1crop", "lowpass")) == [("1crop", ""), ("lowpass:r=12", AS_THEY_ARE)]
    assert words(ladder("lowpass", "1crop")) == [("lowpass:r=12", ""), ("1crop", "pixels: lowpass r=12 -> as they are")]
    assert words(ladder("lowpass:r=4", "lowpass:r=8,rule=lt"))[1:] == [
        ("lowpass:r=8,rule=lt", "pixels: lowpass r=4 -> lowpass r=8, rule=lt")
    ]
    assert words(ladder("lowpass", "pgd:steps=5"))[1:] == [
        ("pgd:eps=8/255,steps=5", "pixels: lowpass r=12 -> pgd eps=8/255, steps=5")
    ]


def test_a_ladder_goes_through_the_clean_protocols_and_changes_pixels_last() -> None:
    up = words(ladder("1crop", "lowpass:of=10crop(merge=logit)"))
    assert [label for label, _ in up] == [
        *("1crop", "10crop:flip=false", "10crop", "10crop:merge=logit", "lowpass:r=12,of=10crop(merge=logit)"),
    ]
    assert up[-1][1] == AS_THEY_ARE
    down = [label for label, _ in words(ladder("lowpass:of=10crop(merge=logit)", "1crop"))]
    assert down == [label for label, _ in reversed(up)]


def test_between_two_changes_of_pixels_every_rung_has_one_of_them() -> None:
    made = words(ladder("lowpass", "lowpass:of=10crop"))
    assert [label for label, _ in made] == [
        *("lowpass:r=12", "lowpass:r=12,of=10crop(flip=false)", "lowpass:r=12,of=10crop"),
    ]
    assert "pixels" not in "".join(factor for _, factor in made)


def test_an_attack_is_left_before_a_score_map_is_made_and_taken_up_after_it() -> None:
    """An attack of a score map does not exist."""
    assert [label for label, _ in words(ladder("fgsm", "fullconv"))][:2] == ["fgsm:eps=8/255", "1crop"]
    assert [label for label, _ in words(ladder("multiscale", "fgsm"))][-2:] == ["1crop", "fgsm:eps=8/255"]
    labels = [label for label, _ in words(ladder("fgsm", "lowpass:of=fullconv"))]
    assert labels[2:4] == ["fgsm:eps=8/255,of=10crop", "lowpass:r=12,of=10crop"]
    assert labels[4:] == ["lowpass:r=12,of=fullconv(spatial=gap)", "lowpass:r=12,of=fullconv"]


def test_pixels_of_protocols_that_are_not_taken_apart_change_alone_too() -> None:
    assert words(ladder("toy", "lowpass:of=toy"))[1:] == [("lowpass:r=12,of=toy", AS_THEY_ARE)]
    assert words(ladder("lowpass:of=toy", "highpass:of=toy"))[1:] == [
        ("highpass:r=12,of=toy", "pixels: lowpass r=12 -> highpass r=12")
    ]
    assert words(ladder("lowpass:r=4,of=toy", "lowpass:r=8,of=toy(flip=true)"))[1:] == [
        ("lowpass:r=4,of=toy(flip=true)", "of: toy -> toy(flip=true)"),
        ("lowpass:r=8,of=toy(flip=true)", "r: 4 -> 8"),
    ]
    assert words(ladder("toy", "lowpass"))[1:] == [("lowpass:r=12", "protocol: toy -> lowpass:r=12")]
    assert len(ladder("toy", "toy")) == 1


def test_sets_of_factors_have_changed_pixels_as_one_of_them() -> None:
    found = subsets(bind("lowpass:r=4", FIND), bind("lowpass:r=8,of=10crop", FIND), USUAL)
    assert len(found) == 8
    assert found[frozenset({"pixels"})].label == "lowpass:r=8"
    assert found[frozenset({"crops", "mirror images"})].label == "lowpass:r=4,of=10crop"
    with_attack = subsets(bind("fgsm", FIND), bind("fullconv", FIND), USUAL)
    assert all("pixels" in names for names in with_attack if "crops" in names)


def test_changed_pixels_are_carried_to_other_weights_with_their_sizes() -> None:
    assert carried_over(bind("lowpass:r=4", FIND), USUAL, NEWER).label == "lowpass:r=4,of=1crop(resize=256)"


@pytest.mark.parametrize(("start", "goal"), [("1crop", "multiscale"), ("10crop", "fullconv"), ("tta", "multicrop")])
def test_the_way_down_is_the_way_up_backwards(start: str, goal: str) -> None:
    up, down = ladder(start, goal), ladder(goal, start)
    assert [rung.bound.label for rung in up] == [rung.bound.label for rung in reversed(down)]
    turned = [Factor(f.name, f.after, f.before) for rung in reversed(down) for f in reversed(rung.factors)]
    assert turned == [f for rung in up for f in rung.factors]


def test_two_words_for_one_protocol_leave_nothing_to_climb() -> None:
    assert len(ladder("1crop", "1crop:resize=256")) == 1


def test_an_unknown_protocol_changes_one_parameter_at_a_time() -> None:
    assert words(ladder("toy", "toy:flip=true,resize=300,merge=logit")) == [
        ("toy", ""),
        ("toy:flip=true", "flip: default -> true"),
        ("toy:flip=true,merge=logit", "merge: prob -> logit"),
        ("toy:flip=true,merge=logit,resize=300", "resize: default -> 300"),
    ]


def test_parameters_that_only_fit_together_share_a_rung() -> None:
    made = words(ladder("toy:resize=240", "toy:resize=300,crop=288"))
    assert made == [
        ("toy:resize=240", ""),
        ("toy:crop=288,resize=300", "crop: default -> 288; resize: 240 -> 300"),
    ]


def test_protocols_that_share_nothing_known_are_one_step() -> None:
    assert words(ladder("toy", "10crop")) == [("toy", ""), ("10crop", "protocol: toy -> 10crop")]


def test_scales_whose_shifts_differ_are_not_taken_apart() -> None:
    """By default ``tta`` shifts by a quarter of the margin of each scale, which is not one number of pixels."""
    assert factors_of_protocol(bind("tta:scales=256+288", FIND), USUAL) is None
    assert words(ladder("tta:scales=256+288", "fullconv"))[1:] == [
        ("fullconv", "protocol: tta:scales=256+288 -> fullconv")
    ]


def test_a_protocol_keeps_its_sizes_when_it_is_carried_to_other_weights() -> None:
    assert carried_over(bind("1crop", FIND), USUAL, NEWER).label == "1crop:resize=256"
    assert carried_over(bind("1crop", FIND), USUAL, USUAL).label == "1crop"
    assert carried_over(bind("toy", FIND), USUAL, NEWER).label == "toy"


@pytest.mark.parametrize(("start", "goal", "frame"), [("1crop", "multiscale", USUAL), ("1crop", "multiscale", DIGITS)])
def test_every_set_of_factors_that_a_protocol_has_is_found_once(start: str, goal: str, frame: ProtocolContext) -> None:
    found = subsets(bind(start, FIND), bind(goal, FIND), frame)
    everything = max(found, key=len)
    assert found[frozenset()].label == start
    assert found[everything].label == goal
    a, b = (factors_of_protocol(bind(text, FIND), frame) for text in (start, goal))
    assert a is not None
    assert b is not None
    assert everything == {c.name for c in changes(a, b) if not c.optional}
    for names, bound in found.items():
        here = factors_of_protocol(bound, frame)
        assert here is not None
        assert ("crops" in names) == (here.places == "dense")
        assert ("scale 384" in names) == (384 in here.scales)
        assert "pooling" not in names or "crops" in names
    effects, orders = twin.shapley(dict.fromkeys(found, 0), everything)
    assert orders == len(effects["crops"]) > 100


def test_sets_of_the_way_down_are_those_of_the_way_up_turned_round() -> None:
    up = subsets(bind("1crop", FIND), bind("multiscale", FIND), USUAL)
    down = subsets(bind("multiscale", FIND), bind("1crop", FIND), USUAL)
    everything = max(up, key=len)
    assert {everything - names: bound.label for names, bound in down.items()} == {
        names: bound.label for names, bound in up.items()
    }


def test_orders_are_refused_where_there_are_none_or_too_many() -> None:
    with pytest.raises(BadParameter, match="made of known factors"):
        subsets(bind("toy", FIND), bind("1crop", FIND), USUAL)
    scales = "+".join(str(256 + 8 * i) for i in range(MOST + 2))
    with pytest.raises(BadParameter, match=f"1 to {MOST} factors"):
        subsets(bind("fullconv", FIND), bind(f"multiscale:scales={scales}", FIND), USUAL)
    with pytest.raises(BadParameter, match=f"1 to {MOST} factors, got 0"):
        subsets(bind("1crop", FIND), bind("1crop:resize=256", FIND), USUAL)
