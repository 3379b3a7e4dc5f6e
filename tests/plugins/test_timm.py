"""Tests of ``timm:NAME``, compared with timm's own models, weights and transforms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from benchsuite.plugins import timm as plugin
from reference import pipeline
from safetensors.torch import save_file
from small_network import DATASET
from timm.data import create_transform, resolve_data_config

from benchsuite import Architecture, BadParameter, UnknownName, WeightsError, load_plugins
from benchsuite.models.weights import choose, load
from benchsuite.testing import check_architecture

(FAMILY,) = plugin.benchsuite_architectures()
NAMES = FAMILY.names()
TAGGED = timm.list_models(pretrained=True)


def config_of(name: str) -> dict[str, Any]:
    return resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict(), use_test_size=True)


def representable(name: str) -> bool:
    data = config_of(name)
    return data["crop_mode"] != "border" and data["input_size"][1] == data["input_size"][2]


def shapes(module: Any) -> dict[str, tuple[int, ...]]:
    return {n: tuple(t.shape) for n, t in module.state_dict().items()}


def test_the_family_is_found() -> None:
    catalog = load_plugins(entry_points=False)
    assert catalog.architectures["timm:NAME"].prefix == "timm"
    assert catalog.architecture("timm:resnet18").name == "timm:resnet18"
    assert set(NAMES) == set(timm.list_models())


def test_every_model_of_timm_resolves_or_says_why_not() -> None:
    refused = set()
    for name in (*NAMES, *TAGGED):
        try:
            it = FAMILY.resolve(name)
        except BadParameter as error:
            refused.add(name)
            line = str(error)
            assert f"timm:{name} to be" in line
            assert "which pads the image" in line or "pixels" in line
            continue
        assert it.name == f"timm:{name}"
        assert it.input.channels == 3
        assert (it.dense is None) == it.input.fixed == bool(timm.get_pretrained_cfg(name).fixed_input_size)
        assert len({w.name for w in it.weights}) == len(it.weights)
    assert refused == {n for n in (*NAMES, *TAGGED) if not representable(n)}
    assert 0 < len(refused) < 0.02 * len(TAGGED)


def test_the_preprocessing_is_timms_at_test_size() -> None:
    for name in TAGGED:
        if representable(name):
            p, data = FAMILY.resolve(name).preprocess, config_of(name)
            side = math.floor(data["input_size"][1] / data["crop_pct"])
            assert p.crop == data["input_size"][1]
            assert p.resize == (side if data["crop_mode"] == "center" else (side, side))
            assert (p.interpolation, p.mean, p.std) == (data["interpolation"], data["mean"], data["std"])
            assert (p.range, p.channel_order, p.antialias, p.long_side) == (1.0, "RGB", True, "floor")


def kinds() -> list[str]:
    """One model for each kind of preprocessing up to 256 pixels, without regard to mean and size."""
    found: dict[Any, str] = {}
    for name in TAGGED:
        data = config_of(name)
        if representable(name) and data["input_size"][1] <= 256:
            found.setdefault((data["crop_mode"], data["crop_pct"], data["interpolation"]), name)
    return list(found.values())


@pytest.mark.parametrize("size", [(301, 217), (160, 333)])
def test_the_pixels_equal_those_of_timms_own_transform(size: tuple[int, int]) -> None:
    image, seen = pipeline.noise(*size), set()
    for name in kinds():
        p, data = FAMILY.resolve(name).preprocess, config_of(name)
        wanted = create_transform(**data)(image)[None]
        assert torch.equal(pipeline.pixels(image, p, torch.nn.Identity()), wanted), name
        seen.add(data["crop_mode"])
    assert seen == {"center", "squash"}


@pytest.mark.parametrize(
    ("name", "first", "others"),
    [
        ("resnet18", "a1_in1k", {"a3_in1k", "tv_in1k", "fb_ssl_yfcc100m_ft_in1k"}),
        ("resnet18.a3_in1k", "a3_in1k", set()),
        ("efficientnet_lite0", "ra_in1k", set()),
    ],
)
def test_weights_are_named_by_their_tags_timms_default_first(name: str, first: str, others: set[str]) -> None:
    weights = FAMILY.resolve(name).weights
    assert weights[0].name == first
    assert others <= {w.name for w in weights[1:]}
    assert (len(weights) == 1) == ("." in name or not others)
    tag = f"{name.partition('.')[0]}.{first}"
    assert weights[0].source == f"https://huggingface.co/timm/{tag}/resolve/main/model.safetensors"
    assert weights[0].source in weights[0].file
    assert f"weights/timm/{tag}.safetensors" in weights[0].file


def test_each_tag_has_its_own_preprocessing() -> None:
    by_name = {w.name: w.preprocess for w in FAMILY.resolve("resnet18").weights}
    assert (by_name["a1_in1k"].resize, by_name["a1_in1k"].crop, by_name["a1_in1k"].interpolation) == (
        288,
        288,
        "bicubic",
    )
    assert (by_name["a3_in1k"].resize, by_name["a3_in1k"].crop) == (235, 224)
    assert by_name["tv_in1k"].interpolation == "bilinear"


def test_weights_that_are_not_on_the_hub_are_taken_from_their_own_address() -> None:
    (weights,) = FAMILY.resolve("legacy_seresnet18").weights
    assert weights.source.startswith("https://github.com/")
    assert "weights/timm/legacy_seresnet18.in1k.pth" in weights.file


def test_models_without_a_classifier_or_weights_declare_none() -> None:
    for name in ("resnet50.bamboo", "vit_small_patch14_dinov2", "halonet_h1"):
        it = FAMILY.resolve(name)
        assert it.weights == ()
        assert "no weights with a classifier" in it.note
    assert "bamboo" not in {w.name for w in FAMILY.resolve("resnet50").weights}


def test_weights_for_other_label_sets_say_how_many_classes_they_have() -> None:
    by_name = {w.name: w.classes for w in FAMILY.resolve("convnext_nano").weights}
    assert by_name["in12k_ft_in1k"] == 1000
    assert by_name["in12k"] == 11821


def test_all_tags_of_one_name_make_one_network() -> None:
    for name in NAMES:
        configs = timm.models.get_arch_pretrained_cfgs(name).values()
        assert len({(bool(c.fixed_input_size), c.input_size if c.fixed_input_size else 0) for c in configs}) == 1, name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet5O", "did you mean 'timm:resnet50'?"),
        ("resnet18.a3_in1", "did you mean 'timm:resnet18.a3_in1k'?"),
        ("test_vit.!!!!!!!!!!!!!!!!", "known: test_vit.r160_in1k"),
        ("gluon_resnet50_v1b", "did you mean 'timm:resnet50.gluon_in1k'?"),
        ("!!!", f"timm {timm.__version__} lists {len(NAMES)} others"),
        ("", "others"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name: str, said: str) -> None:
    with pytest.raises(UnknownName) as error:
        FAMILY.resolve(name)
    assert said in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet.r160_in1k", "test_vit", "test_mambaout"])
def test_the_contract_is_kept(name: str) -> None:
    check_architecture(FAMILY, member=name)


def test_the_network_is_timms() -> None:
    it = FAMILY.resolve("test_resnet.r160_in1k")
    torch.manual_seed(0)
    ours = it.build(7).eval()
    torch.manual_seed(0)
    theirs = timm.create_model("test_resnet", num_classes=7).eval()
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "vit_tiny_patch16_384.augreg_in21k_ft_in1k"])
def test_a_network_of_fixed_size_is_built_for_its_tag(name: str) -> None:
    it: Architecture = FAMILY.resolve(name)
    with torch.device("meta"):
        assert shapes(it.build(1000)) == shapes(timm.create_model(name))
    assert it.input.fixed


def test_an_older_format_is_converted_as_timm_does(isolated: Path) -> None:
    """Early vision transformers kept their patch embedding as a matrix."""
    from benchsuite.plugins._pretrained import timm_state

    torch.manual_seed(0)
    wanted = timm.create_model("test_vit").state_dict()
    old = dict(wanted)
    old["patch_embed.proj.weight"] = old["patch_embed.proj.weight"].flatten(1).clone()
    folder = isolated / "cache" / "weights" / "timm"
    folder.mkdir(parents=True)
    save_file(old, folder / "test_vit.r160_in1k.safetensors")
    got = timm_state("test_vit.r160_in1k")
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[n], wanted[n]) for n in wanted)


def in_microsofts_names(state: dict[str, Any]) -> dict[str, Any]:
    """Swin as its authors name it: a stage ends in its downsampling, and the head is a plain layer."""
    renamed = {}
    for name, tensor in state.items():
        words = name.split(".")
        if words[2:3] == ["downsample"]:
            words[1] = str(int(words[1]) - 1)
        renamed[".".join(words).replace("head.fc.", "head.")] = tensor
    renamed["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.int64)
    return renamed


def test_a_file_of_swins_authors_is_converted_by_timms_own_rules(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = timm.create_model("swin_tiny_patch4_window7_224", num_classes=5).state_dict()
    torch.save({"model": in_microsofts_names(dict(state)), "max_accuracy": 81.2, "epoch": 299}, tmp_path / "swin.pth")
    it: Architecture = FAMILY.resolve("swin_tiny_patch4_window7_224")
    found = choose(it, DATASET, str(tmp_path / "swin.pth"), 0)
    loaded = load(it, found, 5)
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.module.state_dict().items())
    assert str(loaded.reading).startswith("taken from model; passed over: max_accuracy, epoch; converted by")


def test_a_network_without_a_conversion_of_timm_refuses_other_names(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "x.pth")
    it: Architecture = FAMILY.resolve("resnet18")
    with pytest.raises(WeightsError, match=r"one without conv1.weight and 101 more, with conv.weight in place of it"):
        load(it, choose(it, DATASET, str(tmp_path / "x.pth"), 0), 5)
