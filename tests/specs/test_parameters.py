"""Tests of parsing parameters to a bound protocol, and of writing them back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import (
    Architecture,
    BadParameter,
    BenchsuiteError,
    Combine,
    Crop,
    Perturbation,
    Preprocess,
    Protocol,
    Transform,
    UnknownName,
    UnsupportedProtocol,
    View,
    Weights,
    bind,
    hookimpl,
    load_plugins,
    perturbing,
    view,
)
from benchsuite.specs.parameters import (
    Bound,
    attacked,
    bind_architecture,
    bind_transform,
    finder,
    options,
    parameters,
    parse,
    show,
    split_outside,
    swept,
    views,
    with_clean,
)
from benchsuite.specs.recipe import Options

PREPROCESS = Preprocess(256, 224, "bilinear", (0.5,) * 3, (0.2,) * 3)


def probe(
    preprocess: Preprocess,
    *,
    sizes: tuple[int, ...] = (256,),
    flip: bool | None = None,
    mode: Literal["one", "two"] = "one",
    gain: float = 1.0,
    word: str = "none",
) -> tuple[View, ...]:
    """A view for each size, mirrored with ``flip``; ``two`` makes each twice."""
    crop = Crop(preprocess.crop)
    made = tuple(view(preprocess, s, crop=crop, flip=bool(flip)) for s in sizes)
    return made * (2 if mode == "two" else 1)


PROBE = Protocol("probe", probe, Combine("mean", "prob"), note="A probe.", source="None.")
FIND = finder({"probe": PROBE, **load_plugins(entry_points=False).protocols})


def bound(text: str) -> Bound:
    return bind(text, FIND)


def test_the_protocol_that_is_attacked_comes_before_the_attack_once() -> None:
    expanded = partial(with_clean, find=finder(load_plugins(entry_points=False).protocols))
    assert expanded(["10crop", "fgsm", "pgd:steps=2"]) == ["10crop", "1crop", "fgsm", "pgd:steps=2"]
    assert expanded(["fgsm:of=10crop(flip=false)", "10crop:flip=false"]) == [
        *("fgsm:of=10crop(flip=false)", "10crop:flip=false"),
    ]
    assert expanded(["lowpass", "10corp"]) == ["lowpass", "10corp"], "what is no protocol is refused later"


def test_parameters_come_from_the_signature_the_combine_rule_and_the_preprocessing() -> None:
    known = parameters(PROBE)
    assert {name: default for name, (_, default) in known.items()} == {
        "sizes": (256,),
        "flip": None,
        "mode": "one",
        "gain": 1.0,
        "word": "none",
        "merge": "prob",
        "rule": "mean",
        "average": "equal",
        "crop": None,
        "interpolation": None,
        "antialias": None,
        "long_side": None,
    }
    assert known["sizes"][0] == tuple[int, ...]
    assert known["crop"][0] is int


def test_a_name_alone_is_the_protocol_with_its_defaults() -> None:
    plain = bound("probe")
    assert plain == Bound(PROBE, "probe", (), (), Combine("mean", "prob"))
    assert views(plain, PREPROCESS, mirror=False) == (View(256, Crop(224)),)


def test_values_are_read_by_the_type_of_their_parameter() -> None:
    text = " probe :sizes=256+288, flip=yes ,mode=two,gain=0.5,word=x,merge=logit,crop=192,interpolation=bicubic"
    it = bound(text)
    assert dict(it.parameters) == {"sizes": (256, 288), "flip": True, "mode": "two", "gain": 0.5, "word": "x"}
    assert dict(it.overrides) == {"crop": 192, "interpolation": "bicubic"}
    assert it.combine == Combine("mean", "logit")
    expected = [View(s, Crop(192), flip=True, interpolation="bicubic") for s in (256, 288)]
    assert views(it, PREPROCESS, mirror=False) == tuple(expected)


def test_a_label_names_what_differs_from_the_default_in_one_order() -> None:
    label = "probe:flip=false,gain=2.0,merge=logit,sizes=224+256"
    assert bound("probe:sizes=224+256,merge=logit,flip=0,gain=2").label == label
    assert bound("probe:gain=2.,flip=No,sizes=224+256,merge=logit,mode=one,rule=mean,word=none").label == label
    assert bound("probe:flip=auto,merge=prob,sizes=256").label == "probe"


OPTIONS = {
    "sizes": ["256", "224+256", "300+256+224"],
    "flip": ["true", "FALSE", "1", "0", "auto"],
    "mode": ["one", "two"],
    "gain": ["1", "0.25", "1e-3", "-2"],
    "word": ["none", "a(b,c=d)", "x"],
    "merge": ["prob", "logit"],
    "rule": ["mean", "max"],
    "crop": ["224", "192"],
    "interpolation": ["bicubic", "nearest"],
    "antialias": ["true", "no"],
    "long_side": ["floor", "round"],
}


@given(
    st.lists(st.sampled_from(sorted(OPTIONS)), unique=True).flatmap(
        lambda names: st.tuples(*(st.tuples(st.just(n), st.sampled_from(OPTIONS[n])) for n in names))
    )
)
def test_a_label_binds_to_what_it_labels(given_: tuple[tuple[str, str], ...]) -> None:
    text = "probe" + (":" + ",".join(f"{k}={v}" for k, v in given_) if given_ else "")
    first = bound(text)
    again = bound(first.label)
    assert again.label == first.label
    assert again.combine == first.combine
    assert again.overrides == first.overrides
    for mirror in (False, True):
        assert views(again, PREPROCESS, mirror) == views(first, PREPROCESS, mirror)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("probe:szies=256", "Unknown parameter of probe 'szies': did you mean 'sizes'?"),
        ("probe:zzzzz=1", "Unknown parameter of probe 'zzzzz': known: antialias, average, crop, flip"),
        ("probe:mode", "Expected a parameter of probe to be written name=value, got mode (probe:mode)"),
        ("probe:=1", "written name=value"),
        ("probe:mode=one,", "written name=value"),
        ("probe:mode=three", "Expected mode to be one of one, two, got three (probe:mode=three)"),
        ("probe:mode=", "Expected mode to be one of one, two, got nothing"),
        ("probe:flip=maybe", "Expected flip to be true or false, got maybe"),
        ("probe:sizes=256+big", "Expected sizes to be a whole number, got big"),
        ("probe:sizes=", "Expected sizes to be a whole number, got nothing"),
        ("probe:sizes=256+", "Expected sizes to be a whole number, got nothing"),
        ("probe:sizes=2.5", "Expected sizes to be a whole number, got 2.5"),
        ("probe:gain=much", "Expected gain to be a number, got much"),
        ("probe:crop=auto", "Expected crop to be a whole number, got auto"),
        ("probe:flip=1,flip=0", "Expected parameter 'flip' to be given once, got twice"),
        ("probe:interpolation=cubic", "Expected interpolation to be one of nearest, bilinear, bicubic"),
        ("probe:rule=geometric,merge=logit", "Expected merge to be prob for a geometric mean, got logit"),
        ("ensemble:crop=224", "Unknown parameter of ensemble 'crop'"),
        ("ensemble:protocol=ensemble", "Expected the protocol of an ensemble's members to be another than an ensemble"),
        ("ensemble:average=locations", "Expected average to be equal for the members of an ensemble, got locations"),
        ("ensemble:protocol=multiscale(flop=1)", "Unknown parameter of multiscale 'flop': did you mean 'flip'?"),
    ],
)
def test_a_wrong_parameter_is_one_line_that_says_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        bound(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["porbe", "porbe:sizes=1", "ensemble:protocol=porbe"])
def test_an_unknown_protocol_is_suggested(text: str) -> None:
    with pytest.raises(UnknownName, match=r"^Unknown protocol 'porbe': did you mean 'probe'\?$"):
        bound(text)


def test_a_nested_protocol_keeps_its_own_parameters() -> None:
    it = bound("ensemble:protocol=multiscale(scales=224+256,flip=false),merge=logit")
    assert it.label == "ensemble:merge=logit,protocol=multiscale(flip=false,scales=224+256)"
    assert it.combine == Combine("mean", "logit")
    assert it.inner is not None
    assert it.inner.label == "multiscale:flip=false,scales=224+256"
    assert it.inner.combine == Combine("mean", "prob")
    assert [v.resize for v in views(it, PREPROCESS, mirror=True)] == [224, 256]
    assert bound(it.label) == it


def test_an_ensembles_label_is_that_of_the_same_members_however_it_is_written() -> None:
    assert bound("ensemble:protocol=1crop(merge=prob)").label == "ensemble"
    assert bound("ensemble:protocol=10crop()").label == "ensemble:protocol=10crop"
    one = bound("ensemble:protocol=multiscale(scales=224+256,flip=no)").label
    assert bound("ensemble:protocol=multiscale(flip=0,scales=224+256)").label == one


def test_an_ensembles_views_are_those_of_its_members() -> None:
    for mirror in (False, True):
        inner = views(bound("tta:shifts=-4+4"), PREPROCESS, mirror)
        assert views(bound("ensemble:protocol=tta(shifts=-4+4)"), PREPROCESS, mirror) == inner


def test_a_mirror_that_was_not_asked_for_follows_the_dataset() -> None:
    for text, mirror, expected in [
        ("probe", True, True),
        ("probe", False, False),
        ("probe:flip=auto", True, True),
        ("probe:flip=false", True, False),
        ("probe:flip=true", False, True),
    ]:
        assert views(bound(text), PREPROCESS, mirror)[0].flip is expected


def test_views_are_made_once_each() -> None:
    assert len(views(bound("probe:mode=two,sizes=256+288"), PREPROCESS, mirror=False)) == 2


def test_an_error_of_the_views_names_the_protocol_and_keeps_its_kind() -> None:
    with pytest.raises(BadParameter, match=r"at most the shorter side of 192 pixels.* \[protocol probe:sizes=192\]$"):
        views(bound("probe:sizes=192"), PREPROCESS, mirror=False)

    def fails(preprocess: Preprocess) -> tuple[View, ...]:
        raise UnsupportedProtocol("Expected more")

    refusing = dataclasses.replace(PROBE, views=fails)
    with pytest.raises(UnsupportedProtocol, match=r"^Expected more \[protocol probe\]$"):
        views(bind("probe", lambda name: refusing), PREPROCESS, mirror=False)


def test_places_can_weigh_only_where_there_is_a_score_map() -> None:
    with pytest.raises(BadParameter, match="Expected average to be equal for crops, got locations"):
        views(bound("probe:average=locations"), PREPROCESS, mirror=False)
    assert views(bound("multiscale:average=locations"), PREPROCESS, mirror=False)


def test_commas_inside_parentheses_do_not_split() -> None:
    assert split_outside("a=1,b=c(d=2,e=f(3,4)),g=5", ",") == ["a=1", "b=c(d=2,e=f(3,4))", "g=5"]
    assert split_outside("", ",") == [""]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 3),
        (float, 0.1),
        (bool, True),
        (bool | None, None),
        (int | None, 7),
        (tuple[int, ...], (3, -2, 0)),
        (tuple[float, ...] | None, (0.5,)),
        (str, "multiscale(a=1,b=2)"),
        (Literal["a", "b"], "b"),
    ],
)
def test_show_is_the_inverse_of_parse(kind: object, value: object) -> None:
    assert parse("key", show(value), kind, "here") == value


def network(
    num_classes: int,
    *,
    level: float = 0.5,
    masks: int = 1,
    learn: bool = False,
    size: Literal[3, 7] = 3,
    widths: tuple[int, ...] = (1, 2),
) -> tuple[object, ...]:
    """A network that stores the options it was built with."""
    return num_classes, level, masks, learn, size, widths


def masks_need_a_level(options: Mapping[str, object]) -> None:
    """Takes all options, and no masks without a level."""
    assert sorted(options) == ["learn", "level", "masks", "size", "widths"]
    if options["masks"] != 1 and options["level"] == 0:
        raise BadParameter("Expected level to be above 0 for masks, got 0")


WEIGHTS = Weights("first", dict, PREPROCESS, 10, "none")
NETWORK = Architecture("net", network, PREPROCESS, (WEIGHTS,), check=masks_need_a_level)


def of_network(text: str, preset: Options = ()) -> Architecture:
    return bind_architecture(
        text, {"net": NETWORK, "plain": replace(NETWORK, name="plain", build=repr, check=None)}.get, preset
    )


def test_options_of_an_architecture_come_from_the_keywords_of_build() -> None:
    assert {name: default for name, (_, default) in options(NETWORK).items()} == {
        "level": 0.5,
        "masks": 1,
        "learn": False,
        "size": 3,
        "widths": (1, 2),
    }
    given = partial(partial(network, masks=9), level=0.1)
    assert list(options(replace(NETWORK, build=given))) == ["learn", "size", "widths"], "what is given is no option"


def test_a_class_may_be_build_and_a_function_that_does_not_say_has_no_options() -> None:
    class Made:
        def __init__(self, num_classes: int, *, depth: int = 2) -> None:
            self.depth = depth

    assert options(replace(NETWORK, build=Made)) == {"depth": (int, 2)}
    assert options(replace(NETWORK, build=int)) == {}


def test_options_are_parsed_and_only_what_differs_is_in_the_name() -> None:
    made = of_network("net:masks=64,level=0.1,learn=true,size=7,widths=3+4")
    assert made.name == "net:learn=true,level=0.1,masks=64,size=7,widths=3+4"
    assert made.build(10) == (10, 0.1, 64, True, 7, (3, 4))
    assert of_network("net:level=0.5,masks=2").name == "net:masks=2"
    assert of_network("net:level=0.5") is NETWORK
    assert of_network("net") is NETWORK
    assert of_network(made.name).name == made.name


def test_declared_weights_belong_to_the_defaults() -> None:
    assert of_network("net:level=0.5").weights == (WEIGHTS,)
    assert of_network("net:level=0.6").weights == ()


def test_options_in_the_text_win_over_those_of_a_recipe() -> None:
    assert of_network("net:level=0.2", (("level", 0.1), ("masks", 8))).name == "net:level=0.2,masks=8"
    assert of_network("net:masks=1", (("masks", 8),)) is NETWORK
    with pytest.raises(BadParameter, match="Unknown option of net 'lvl': did you mean 'level'"):
        of_network("net", (("lvl", 0.1),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net:levle=0.1", "Unknown option of net 'levle': did you mean 'level'"),
        ("net:level=high", "level to be a number, got high"),
        ("net:size=5", "size to be one of 3, 7, got 5"),
        ("net:level", "an option of net to be written name=value"),
        ("net:level=1,level=2", "option 'level' to be given once"),
        ("net:masks=2,level=0", "level to be above 0 for masks"),
        ("plain:level=1", "the architecture plain to be written without options"),
    ],
)
def test_options_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        of_network(text)


def sharpen(
    module: list[object], image: object, *, by: Fraction = Fraction(1, 2), times: int = 1, edges: bool = True
) -> None:
    """A transform that stores the parameters it was applied with."""
    module.append((by, times, edges))


def plain(module: list[object], image: object) -> None:
    """A transform without parameters."""


def few_times(parameters: Mapping[str, object]) -> None:
    """Takes all parameters, and no more than nine times."""
    assert sorted(parameters) == ["by", "edges", "times"]
    if parameters["times"] not in range(10):
        raise BadParameter("Expected times to be at most 9, got 10")


SHARPEN = Transform("sharpen", sharpen, note="n", source="s", check=few_times)


def of_transform(text: str) -> Transform:
    return bind_transform(text, {"sharpen": SHARPEN, "plain": Transform("plain", plain, "n", "s")}.__getitem__)


@pytest.mark.parametrize(
    ("text", "name", "applied"),
    [
        ("sharpen", "sharpen:by=0.5,times=1,edges=true", (Fraction(1, 2), 1, True)),
        ("sharpen:times=3,by=1.0", "sharpen:by=1,times=3,edges=true", (Fraction(1), 3, True)),
        ("sharpen:by=1/3,edges=no", "sharpen:by=1/3,times=1,edges=false", (Fraction(1, 3), 1, False)),
    ],
)
def test_a_transform_is_named_with_all_its_parameters(text: str, name: str, applied: tuple[object, ...]) -> None:
    made, module = of_transform(text), list[object]()
    assert made.name == name
    assert of_transform(name).name == name
    made.apply(module, "image")
    assert module == [applied]


def test_a_transform_without_parameters_is_its_name() -> None:
    assert of_transform("plain").name == "plain"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sharpen:bye=1", "Unknown parameter of sharpen 'bye': did you mean 'by'"),
        ("sharpen:by=high", "by to be a number or a fraction such as 8/255, got high"),
        ("sharpen:by=1/0", "by to be a number or a fraction"),
        ("sharpen:by", "a parameter of sharpen to be written name=value"),
        ("sharpen:by=1,by=2", "parameter 'by' to be given once"),
        ("sharpen:times=10", "Expected times to be at most 9, got 10"),
        ("plain:by=1", "the transform plain to be written without parameters"),
        ("plain:", "the transform plain to be written without parameters"),
    ],
)
def test_parameters_of_a_transform_that_cannot_be_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        of_transform(text)


def test_a_catalog_finds_options_families_and_their_owners() -> None:
    plugin = SimpleNamespace(benchsuite_architectures=hookimpl(lambda: [NETWORK]), __name__="nets")
    catalog = load_plugins(entry_points=False, extra=[plugin])
    assert catalog.architecture("net:level=0.1").name == "net:level=0.1"
    assert catalog.owner("architecture", "net:level=0.1") == catalog.owner("architecture", "net") == "nets (extra 1)"
    assert catalog.architecture("torchvision:resnet18").name == "torchvision:resnet18"
    with pytest.raises(UnknownName, match="Unknown architecture or family 'nett': did you mean 'net'"):
        catalog.architecture("nett:level=0.1")


def find_built_in(name: str) -> Protocol:
    return load_plugins(entry_points=False).protocols[name]


def test_a_sweep_is_every_protocol_that_has_the_parameter_with_each_value() -> None:
    texts = ["1crop", "lowpass:rule=lt", "highpass"]
    assert swept(texts, [], find_built_in) == texts
    assert swept(texts, ["r=4,8"], find_built_in) == [
        *("1crop", "lowpass:rule=lt,r=4", "lowpass:rule=lt,r=8", "highpass:r=4", "highpass:r=8"),
    ]
    assert swept(["lowpass"], ["r=4,8", "of=1crop,10crop(flip=false)"], find_built_in) == [
        f"lowpass:r={r},of={of}" for r in (4, 8) for of in ("1crop", "10crop(flip=false)")
    ]


@pytest.mark.parametrize(
    ("texts", "axis", "message"),
    [
        (["1crop"], "r=4", "Unknown parameter of the protocols 'r'"),
        (["lowpass"], "r", "written PARAMETER=VALUE,VALUE"),
        (["lowpass"], "=4", "written PARAMETER=VALUE,VALUE"),
        (["lowpass"], "r=4,,8", "written PARAMETER=VALUE,VALUE"),
        (["lowpass"], "r=4,4", "given once each"),
        (["lowpass:r=12"], "r=4", "r of lowpass:r=12 to be given by --sweep alone"),
        (["lowpass"], "rr=4", "Unknown parameter of the protocols 'rr'"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(texts: list[str], axis: str, message: str) -> None:
    with pytest.raises(BenchsuiteError, match=message):
        swept(texts, [axis], find_built_in)


@given(st.fractions())
def test_a_fraction_is_shown_as_it_is_read(value: Fraction) -> None:
    assert parse("x", show(value), Fraction, "") == value


@pytest.mark.parametrize(("value", "text"), [("8/255", "8/255"), ("0.03", "0.03"), ("12", "12"), ("1.50", "1.5")])
def test_fractions_are_shown_as_people_write_them(value: str, text: str) -> None:
    assert show(Fraction(value)) == text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("lowpass", "lowpass:r=12"),
        ("lowpass:r=12.0,of=1crop,rule=le", "lowpass:r=12"),
        ("lowpass:of=10crop(flip=false),r=8", "lowpass:r=8,of=10crop(flip=false)"),
        ("lowpass: of=10crop( flip=No ), r=16/2", "lowpass:r=8,of=10crop(flip=false)"),
        ("lowpass:rule=lt,r=1/3,of=10crop(merge=prob)", "lowpass:r=1/3,of=10crop,rule=lt"),
        ("highpass:of=multiscale(scales=224+256,average=locations)", None),
        ("fgsm:eps=0.1", "fgsm:eps=0.1"),
        ("pgd:start=zero,step=2/255,steps=5", "pgd:eps=8/255,start=zero,step=2/255,steps=5"),
        ("pgd:of=tta(scales=256+288,merge=logit),eps=16/255", "pgd:eps=16/255,of=tta(merge=logit,scales=256+288)"),
        ("noise:seed=3", "noise:std=0.1,seed=3"),
        (
            "ensemble:protocol=lowpass(r=8,of=10crop(flip=false))",
            "ensemble:protocol=lowpass(r=8,of=10crop(flip=false))",
        ),
    ],
)
def test_the_label_of_a_change_of_pixels_names_its_strength_and_then_what_is_not_default(
    text: str, label: str | None
) -> None:
    made = bind(text, find_built_in)
    assert made.label == (label or "highpass:r=12,of=multiscale(average=locations,scales=224+256)")
    again = bind(made.label, find_built_in)
    assert again.label == made.label
    assert again.combine == made.combine
    assert views(again, PREPROCESS, mirror=True) == views(made, PREPROCESS, mirror=True)


def test_a_change_of_pixels_merges_as_the_protocol_that_it_changes() -> None:
    for of in ("1crop", "10crop", "10crop(merge=logit)", "tta(rule=geometric)", "multiscale(average=locations)"):
        plain = bind(of.replace("(", ":", 1).removesuffix(")"), find_built_in)
        assert bind(f"lowpass:of={of}", find_built_in).combine == plain.combine


def test_an_attack_names_the_protocol_that_it_attacks_and_a_filter_none() -> None:
    attack = bind("fgsm:of=10crop(flip=false)", find_built_in)
    clean = attacked(attack)
    assert clean is not None
    assert clean.label == "10crop:flip=false"
    for text in ("lowpass", "noise", "1crop", "ensemble:protocol=lowpass"):
        assert attacked(bind(text, find_built_in)) is None


def test_a_change_without_parameters_is_its_name() -> None:
    change = perturbing("half", lambda: Perturbation("half", "m:f"), note="n", source="s")
    find = {"half": change, "1crop": find_built_in("1crop"), "10crop": find_built_in("10crop")}.__getitem__
    assert bind("half", find).label == "half"
    assert bind("half:of=10crop", find).label == "half:of=10crop"
