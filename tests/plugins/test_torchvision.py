"""Tests of ``torchvision:NAME``, compared with torchvision's own models, weights and transforms."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from benchsuite.plugins import torchvision as plugin
from reference import pipeline
from small_network import DATASET
from torch import nn
from torchvision import models

from benchsuite import Architecture, BadParameter, UnknownName, load_plugins
from benchsuite.evaluation.preprocessing import recorded
from benchsuite.models.weights import ChosenWeights, build, choose, load, notes
from benchsuite.testing import check_architecture

(FAMILY,) = plugin.benchsuite_architectures()
NAMES = FAMILY.names()
FIXED = {"maxvit_t", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32"}


def on_meta(make: Any) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {n: tuple(t.shape) for n, t in make().state_dict().items()}


def test_the_family_is_found() -> None:
    catalog = load_plugins(entry_points=False)
    assert catalog.architectures["torchvision:NAME"].prefix == "torchvision"
    assert catalog.architecture("torchvision:resnet18").name == "torchvision:resnet18"
    assert len(NAMES) >= 80


def test_every_classifier_resolves_with_torchvisions_weights_the_default_first() -> None:
    for name in NAMES:
        it, entries = FAMILY.resolve(name), models.get_model_weights(name)
        assert it.weights[0].name == entries.DEFAULT.name
        assert it.input.fixed == (name in FIXED) == (it.dense is None)
        for w in it.weights:
            entry = entries[w.name]
            assert w.preprocess == plugin.preprocess(entry)
            assert (w.source, w.classes) == (entry.url, 1000)
            assert entry.url in w.file
        left = {e.name for e in entries} - {w.name for w in it.weights}
        assert left <= {"IMAGENET1K_FEATURES"} or name in FIXED, left


@pytest.mark.parametrize("size", [(301, 217), (260, 450)])
def test_the_pixels_equal_those_of_torchvisions_presets(size: tuple[int, int]) -> None:
    image, seen = pipeline.noise(*size), set()
    for name in NAMES:
        for w in FAMILY.resolve(name).weights:
            if w.preprocess not in seen and w.preprocess.crop <= 300:
                seen.add(w.preprocess)
                wanted = models.get_model_weights(name)[w.name].transforms()(image)[None]
                assert torch.equal(pipeline.pixels(image, w.preprocess, nn.Identity()), wanted), (name, w.name)
    assert len(seen) > 10
    assert {p.interpolation for p in seen} == {"bilinear", "bicubic"}


REGNETS = {n for n in NAMES if n.startswith("regnet_")}
"""torchvision computes with tensors while it builds these, which tensors without memory cannot."""


@pytest.mark.parametrize("name", sorted({*NAMES} - REGNETS - {"googlenet", "inception_v3"}))
def test_the_network_has_the_tensors_of_torchvisions_own(name: str) -> None:
    it, first = FAMILY.resolve(name), models.get_model_weights(name).DEFAULT
    size = {"image_size": first.meta["min_size"][0]} if name.startswith("vit_") else {}
    assert on_meta(lambda: it.build(1000)) == on_meta(lambda: models.get_model(name, num_classes=1000, **size))


def test_a_regnet_has_the_tensors_of_torchvisions_own() -> None:
    ours, theirs = FAMILY.resolve("regnet_y_400mf").build(7), models.regnet_y_400mf(num_classes=7)
    assert {n: t.shape for n, t in ours.state_dict().items()} == {n: t.shape for n, t in theirs.state_dict().items()}


def test_weights_for_another_input_size_have_a_name_of_their_own() -> None:
    usual, large = FAMILY.resolve("vit_b_16"), FAMILY.resolve("vit_b_16.IMAGENET1K_SWAG_E2E_V1")
    assert {w.name for w in usual.weights} == {"IMAGENET1K_V1", "IMAGENET1K_SWAG_LINEAR_V1"}
    assert [w.name for w in large.weights] == ["IMAGENET1K_SWAG_E2E_V1"]
    assert (usual.preprocess.crop, large.preprocess.crop) == (224, 384)
    positions = "encoder.pos_embedding"
    assert on_meta(lambda: usual.build(5))[positions] == (1, 14 * 14 + 1, 768)
    assert on_meta(lambda: large.build(5))[positions] == (1, 24 * 24 + 1, 768)


def test_named_weights_come_first() -> None:
    it = FAMILY.resolve("mobilenet_v2.IMAGENET1K_V1")
    assert it.name == "torchvision:mobilenet_v2.IMAGENET1K_V1"
    assert [w.name for w in it.weights] == ["IMAGENET1K_V1", "IMAGENET1K_V2"]
    assert it.preprocess.resize == 256


def test_weights_without_a_classifier_are_not_offered() -> None:
    assert [w.name for w in FAMILY.resolve("vgg16").weights] == ["IMAGENET1K_V1"]
    with pytest.raises(UnknownName, match="weights of torchvision:vgg16 'IMAGENET1K_FEATURES'"):
        FAMILY.resolve("vgg16.IMAGENET1K_FEATURES")


@pytest.mark.parametrize("name", ["fcn_resnet50", "fasterrcnn_resnet50_fpn", "r3d_18", "raft_large"])
def test_a_model_for_another_task_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(
        BadParameter, match=f"torchvision:{name} to be an image classifier, got a model for another task"
    ):
        FAMILY.resolve(name)


def test_an_unknown_name_suggests_the_nearest() -> None:
    for wrong, near in (("resnet5O", "resnet50"), ("mobilnet_v2", "mobilenet_v2")):
        with pytest.raises(UnknownName, match=f"did you mean '{near}'"):
            FAMILY.resolve(wrong)
    with pytest.raises(UnknownName, match="did you mean 'IMAGENET1K_V2'"):
        FAMILY.resolve("resnet50.IMAGENET1K_V3")


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "googlenet", "mnasnet0_5"])
def test_the_contract_is_kept(name: str) -> None:
    check_architecture(FAMILY, member=name)


def awake(module: Any) -> Any:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.copy_(0.1 * torch.randn(layer.running_mean.shape))
            layer.running_var.copy_(0.5 + torch.rand(layer.running_var.shape))
    return module.eval()


def stored(isolated: Path, name: str, state: Any) -> tuple[Any, Any]:
    """Writes a made-up checkpoint to torch's download folder; returns it loaded by torchvision and by benchsuite."""
    entry = models.get_model_weights(name).DEFAULT
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / entry.url.rpartition("/")[2])
    it: Architecture = FAMILY.resolve(name)
    w = it.weights[0]
    chosen = ChosenWeights(w.name, "", w.preprocess, declared=w)
    return models.get_model(name, weights=entry).eval(), build(it, chosen, 10).eval()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_inceptions_weights_with_auxiliary_heads_give_torchvisions_logits(name: str, isolated: Path) -> None:
    torch.manual_seed(0)
    made = awake(models.get_model(name, aux_logits=True, init_weights=False))
    theirs, ours = stored(isolated, name, made.state_dict())
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        wanted = theirs(x)
        torch.testing.assert_close(ours(x), wanted, rtol=1e-5, atol=1e-6)
        ours.transform_input = False
        assert (ours(x) - wanted).abs().max() > 1e-3 * wanted.abs().max()
    assert not [n for n in ours.state_dict() if "aux" in n.lower()]


def from_file(name: str, path: Path, options: str = "") -> tuple[Any, Any]:
    """A network of torchvision with the weights of a file, and what is said of them."""
    it = FAMILY.resolve(name)
    found = choose(it, DATASET, f"{path}{options}", 0)
    loaded = load(it, found, 10)
    return loaded.module.eval(), notes(it, found, loaded.reading)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_a_file_of_torchvisions_training_script_has_no_input_transform(name: str, tmp_path: Path) -> None:
    """references/classification trains with transform_input=False, and with auxiliary heads, which are left out."""
    torch.manual_seed(0)
    theirs = awake(models.get_model(name, num_classes=10, init_weights=False, transform_input=False))
    state = {f"module.{n}": t for n, t in theirs.state_dict().items()}
    torch.save({"model": state, "epoch": 89, "args": argparse.Namespace(model=name)}, tmp_path / "last.pth")
    ours, said = from_file(name, tmp_path / "last.pth")
    other, said_of_other = from_file(name, tmp_path / "last.pth", ",transform_input=true")
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        wanted = theirs(x)
        torch.testing.assert_close(ours(x), wanted, rtol=1e-5, atol=1e-6)
        assert (other(x) - wanted).abs().max() > 1e-3 * wanted.abs().max()
    assert said[0].startswith("last.pth: taken from model.module; passed over: epoch, args; converted by the network's")
    assert "left out or changed" in said[0]
    assert ("aux1" if name == "googlenet" else "AuxLogits") in said[0]
    assert said[1].endswith("; the network has transform_input=false")
    assert said_of_other[1].endswith("; the network has transform_input=true")


@pytest.mark.parametrize(("option", "transformed"), [("", False), (",transform_input=true", True)])
def test_the_input_transform_is_printed_with_the_preprocessing(option: str, transformed: bool, tmp_path: Path) -> None:
    torch.save(models.googlenet(num_classes=10, init_weights=False).state_dict(), tmp_path / "net.pth")
    it = FAMILY.resolve("googlenet")
    words = "the network changes this to mean 0.5 0.5 0.5, std 0.5 0.5 0.5 itself (transform_input)"
    of_file = recorded(choose(it, DATASET, f"{tmp_path / 'net.pth'}{option}", 0), it)
    assert of_file.get("own_input") == (words if transformed else None)
    assert recorded(choose(it, DATASET, "IMAGENET1K_V1", 0), it)["own_input"] == words
    x = torch.rand(1, 3, 8, 8)
    normalized = [(x - m.view(-1, 1, 1)) / s.view(-1, 1, 1) for m, s in (stats(it), (torch.tensor([0.5] * 3),) * 2)]
    torch.testing.assert_close(it.build(10)._transform_input(normalized[0]), normalized[1])


def stats(it: Architecture) -> tuple[Any, Any]:
    return torch.tensor(it.preprocess.mean), torch.tensor(it.preprocess.std)


def test_torchvisions_own_file_keeps_its_input_transform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    torch.save(models.googlenet(init_weights=False).state_dict(), tmp_path / "net.pth")
    digits = hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()[:8]
    it = FAMILY.resolve("googlenet")
    declared = dataclasses.replace(it.weights[0], source=f"https://download.pytorch.org/models/googlenet-{digits}.pth")
    it = dataclasses.replace(it, weights=(declared,))
    found = choose(it, DATASET, str(tmp_path / "net.pth"), 0)
    assert (found.preprocess, found.options) == (declared.preprocess, ())
    assert load(it, found, 1000).module.transform_input is True
    assert "it is their file" in notes(it, found, load(it, found, 1000).reading)[1]


def test_densenets_old_names_are_read_as_torchvision_reads_them(isolated: Path) -> None:
    torch.manual_seed(0)
    made = awake(models.densenet121())
    kept = {n: t for n, t in made.state_dict().items() if "num_batches" not in n}
    old = {n.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): t for n, t in kept.items()}
    assert sum(n not in made.state_dict() for n in old) > 100
    theirs, ours = stored(isolated, "densenet121", old)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(t, theirs.state_dict()[n]) for n, t in ours.state_dict().items())


def test_a_network_that_keeps_its_version_in_the_checkpoint_is_loaded(isolated: Path) -> None:
    torch.manual_seed(0)
    theirs, ours = stored(isolated, "mnasnet0_5", awake(models.mnasnet0_5()).state_dict())
    assert all(torch.equal(t, theirs.state_dict()[n]) for n, t in ours.state_dict().items())


def test_the_preset_of_any_weights_is_taken_over_field_by_field() -> None:
    entry = models.EfficientNet_V2_L_Weights.IMAGENET1K_V1
    assert dataclasses.astuple(plugin.preprocess(entry)) == (
        480,
        480,
        "bicubic",
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
        True,
        "RGB",
        1.0,
        "floor",
    )
