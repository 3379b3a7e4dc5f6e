"""Tests of the ResNets, compared with torchvision, timm and the original prototxt."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from benchsuite.plugins import resnet
from benchsuite.plugins import timm as timm_plugin
from benchsuite.plugins import torchvision as torchvision_plugin
from timm.data import resolve_data_config
from torchvision import models

from benchsuite import Architecture, Preprocess, load_plugins
from benchsuite.testing import check_architecture

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}
"""torchvision's own metadata, for 1000 classes."""
V1 = ("resnet50", "resnet101", "resnet152")
FOUND = {a.name: a for a in resnet.benchsuite_architectures()}


def bare(name: str) -> Any:
    """A network whose tensors take no memory; enough for names, shapes and counts."""
    with torch.device("meta"):
        return FOUND[name].build(1000)


def count(module: Any) -> int:
    return sum(p.numel() for p in module.parameters())


def shapes(state: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("name", FOUND)
def test_the_contract_is_kept(name: str) -> None:
    check_architecture(FOUND[name], build=name in ("resnet18", "resnet50.v1"))


def test_they_are_found_under_their_names() -> None:
    known = load_plugins(entry_points=False).architectures
    assert {*PARAMETERS, *(f"{n}.v1" for n in V1)} == set(FOUND) <= set(known)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_parameters_are_counted_and_named_as_torchvisions(name: str) -> None:
    module = bare(name)
    assert count(module) == PARAMETERS[name]
    with torch.device("meta"):
        theirs = models.get_model(name)
    assert shapes(module.state_dict()) == shapes(theirs.state_dict())


def test_the_logits_are_torchvisions() -> None:
    torch.manual_seed(0)
    ours, theirs = FOUND["resnet18"].build(7).eval(), models.resnet18(num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", PARAMETERS)
def test_timms_networks_name_their_tensors_alike(name: str) -> None:
    with torch.device("meta"):
        theirs = timm.create_model(name)
    assert shapes(bare(name).state_dict()) == shapes(theirs.state_dict())


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_timms_networks_give_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    ours, theirs = FOUND[name].build(7).eval(), timm.create_model(name, num_classes=7).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PARAMETERS)
def test_torchvisions_weights_are_all_declared_with_their_own_preprocessing(name: str) -> None:
    declared = {w.name: w for w in FOUND[name].weights if not w.name.startswith("timm.")}
    entries = {e.name: e for e in models.get_model_weights(name)}
    assert declared.keys() == entries.keys()
    for key, entry in entries.items():
        assert declared[key].preprocess == torchvision_plugin.preprocess(entry)
        assert declared[key].source == entry.url
        assert declared[key].classes == len(entry.meta["categories"])
        assert entry.url in declared[key].file
        assert "$TORCH_HOME/hub/checkpoints" in declared[key].file


def test_torchvisions_presets_are_what_their_documentation_says() -> None:
    weights = {w.name: w.preprocess for w in FOUND["resnet50"].weights}
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    assert weights["IMAGENET1K_V1"] == Preprocess(256, 224, "bilinear", mean, std, antialias=True)
    assert weights["IMAGENET1K_V2"] == Preprocess(232, 224, "bilinear", mean, std, antialias=True)


@pytest.mark.parametrize("name", PARAMETERS)
def test_timms_weights_for_imagenet_are_all_declared_with_timms_test_preprocessing(name: str) -> None:
    declared = {w.name: w for w in FOUND[name].weights if w.name.startswith("timm.")}
    known = timm.models.get_arch_pretrained_cfgs(name)
    tags = {f"timm.{c.tag}": c for c in known.values() if c.num_classes == 1000 and c.tag.endswith("in1k")}
    assert declared.keys() == tags.keys()
    for key, config in tags.items():
        data = resolve_data_config(pretrained_cfg=config.to_dict(), use_test_size=True)
        p = declared[key].preprocess
        assert data["crop_mode"] == "center"
        assert data["input_size"] == (3, p.crop, p.crop)
        assert p.resize == int(p.crop / data["crop_pct"])
        assert (p.interpolation, p.mean, p.std) == (data["interpolation"], data["mean"], data["std"])
        assert p == timm_plugin.preprocess(name, config)
        assert declared[key].source == f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors"
        assert f"weights/timm/{name}.{config.tag}.safetensors" in declared[key].file


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_default_weights_are_torchvisions_first(name: str) -> None:
    assert FOUND[name].weights[0].name == "IMAGENET1K_V1"
    assert "default weights" in FOUND[name].note


def walk_v1(state: dict[str, Any], x: Any, blocks: tuple[int, ...]) -> Any:
    """ResNet v1 written from the prototxt: stride 2 in branch2a and branch1, pool1 without padding, rounding up."""

    def conv(name: str, x: Any, stride: int = 1, padding: int = 0) -> Any:
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding)

    def norm(name: str, x: Any) -> Any:
        mean, var, gamma, beta = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        scale = gamma / torch.sqrt(var + 1e-5)
        return x * scale[:, None, None] + (beta - mean * scale)[:, None, None]

    x = norm("bn1", conv("conv1", x, 2, 3)).clamp(min=0)
    right, below = -(x.shape[3] - 3) % 2, -(x.shape[2] - 3) % 2
    x = F.max_pool2d(F.pad(x, (0, right, 0, below), value=-torch.inf), 3, 2)
    for stage, number in enumerate(blocks, 1):
        for block in range(number):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride)).clamp(min=0)
            y = norm(f"{name}.bn2", conv(f"{name}.conv2", y, 1, 1)).clamp(min=0)
            y = norm(f"{name}.bn3", conv(f"{name}.conv3", y))
            if block == 0:
                x = norm(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride))
            x = (x + y).clamp(min=0)
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize("side", [64, 72])
def test_v1_equals_a_walk_written_from_the_prototxt(side: int) -> None:
    torch.manual_seed(0)
    module = FOUND["resnet50.v1"].build(7).eval()
    for key, value in module.state_dict().items():
        if key.endswith(("running_var", "bn3.weight")):
            value.copy_(0.5 + torch.rand(value.shape))
        if key.endswith(("running_mean", "conv1.bias")):
            value.copy_(0.1 * torch.randn(value.shape))
    x = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        got, wanted = module(x), walk_v1(module.state_dict(), x, (3, 4, 6, 3))
        plain = FOUND["resnet50"].build(7).eval()
        plain.load_state_dict({n: t for n, t in module.state_dict().items() if n != "conv1.bias"})
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
        assert (plain(x) - wanted).abs().max() > 0.01 * wanted.abs().max()
        assert (wanted[0] - wanted[1]).abs().max() > 0.01 * wanted.abs().max()


@pytest.mark.parametrize("name", V1)
def test_v1_has_its_strides_and_its_first_layers_where_the_prototxt_has_them(name: str) -> None:
    module = bare(f"{name}.v1")
    assert (module.conv1.bias is not None) == (name == "resnet50")
    assert count(module) == PARAMETERS[name] + (64 if name == "resnet50" else 0)
    for stage in (2, 3, 4):
        blocks = getattr(module, f"layer{stage}")
        assert blocks[0].conv1.stride == blocks[0].downsample[0].stride == (2, 2)
        assert {b.conv2.stride for b in blocks} == {(1, 1)}
    maps: list[Any] = []
    for layer in (module.maxpool, module.layer1, module.layer4):
        layer.register_forward_hook(lambda layer, given, out: maps.append(tuple(out.shape[2:])))
    module.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert maps == [(56, 56), (56, 56), (7, 7)]


def test_v1_declares_no_weights_and_says_why() -> None:
    for name in V1:
        it: Architecture = FOUND[f"{name}.v1"]
        assert it.weights == ()
        assert (it.preprocess.resize, it.preprocess.crop) == (256, 224)
        assert "Caffe" in it.note
        assert "stated nowhere" in it.note
