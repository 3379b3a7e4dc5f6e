"""Tests of checkpoints: which are read, which are errors, and that no code in them is executed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_network import DATASET, OTHER, OWN, Intruder, Net, architecture, chosen, equal, trained
from torchvision import models

from benchsuite import Architecture, WeightsError
from benchsuite.models.state_dict import save_state
from benchsuite.models.weights import build, choose


def checkpoint(folder: Path, name: str, content: Any, **how: Any) -> Path:
    path = folder / name
    torch.save(content, path, **how)
    return path


def refused(path: Path, classes: int = 5) -> str:
    """The error message for a file, raised when it is chosen or when it is read."""
    with pytest.raises(WeightsError) as error:
        build(architecture(), chosen(path), classes)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("wrap", [None, "state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th", ".old.pth"])
def test_a_checkpoint_of_any_usual_kind_is_read(tmp_path: Path, wrap: str | None, prefix: str, suffix: str) -> None:
    state: Any = {prefix + n: t for n, t in trained().state_dict().items()}
    content = {wrap: state, "epoch": 90, "optimizer": {"lr": [0.1]}} if wrap else state
    path = checkpoint(tmp_path, f"net{suffix}", content, _use_new_zipfile_serialization=suffix != ".old.pth")
    found = chosen(path)
    assert (found.label, found.preprocess) == (path.name, OWN)
    assert equal(build(architecture(), found, 5), trained().state_dict())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors_are_read(tmp_path: Path, prefix: str) -> None:
    save_file({prefix + n: t for n, t in trained().state_dict().items()}, tmp_path / "net.safetensors")
    found = chosen(tmp_path / "net.safetensors")
    assert found.preprocess == OWN
    assert equal(build(architecture(), found, 5), trained().state_dict())


def test_saved_weights_bring_their_preprocessing_back(tmp_path: Path) -> None:
    save_state(tmp_path / "net.safetensors", trained(), OTHER)
    found = chosen(tmp_path / "net.safetensors")
    assert found.preprocess == OTHER
    assert equal(build(architecture(), found, 5), trained().state_dict())


def test_counters_that_old_checkpoints_lack_are_not_missed(tmp_path: Path) -> None:
    state = {n: t for n, t in trained().state_dict().items() if "num_batches" not in n}
    module = build(architecture(), chosen(checkpoint(tmp_path, "net.pth", state)), 5)
    assert torch.equal(module.fc.weight, trained().fc.weight)


def test_half_precision_is_read_into_float32(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "net.pth", trained().half().state_dict())
    module = build(architecture(), chosen(path), 5)
    assert module.fc.weight.dtype == torch.float32
    assert torch.equal(module.fc.weight, trained().half().fc.weight.float())


def test_a_checkpoint_of_another_network_names_a_tensor(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, "other.pth", models.resnet18(num_classes=5).state_dict())
    assert "to be one of this network, got one without conv.weight and" in refused(whole)
    more = {**trained().state_dict(), "head.weight": torch.zeros(2)}
    assert "got one with unknown head.weight (net, weights more.pth)" in refused(checkpoint(tmp_path, "more.pth", more))
    shape = checkpoint(tmp_path, "shape.pth", {**trained().state_dict(), "conv.weight": torch.zeros(4, 3, 5, 5)})
    assert "Expected conv.weight of the checkpoint to be of shape (4, 3, 3, 3), got (4, 3, 5, 5)" in refused(shape)
    classes = checkpoint(tmp_path, "classes.pth", trained(1000).state_dict())
    assert "Expected fc.weight of the checkpoint to be of shape (5, 4), got (1000, 4)" in refused(classes)


def test_a_network_that_refuses_a_checkpoint_itself_gives_one_line(tmp_path: Path) -> None:
    class Strict(Net):
        def _load_from_state_dict(self, *args: Any) -> None:
            raise ValueError("version should be 2\nand more")

    path = checkpoint(tmp_path, "net.pth", trained().state_dict())
    with pytest.raises(WeightsError, match=r"one of this network, got version should be 2 \(net"):
        build(dataclasses.replace(architecture(), build=Strict), chosen(path), 5)


def test_a_network_with_a_version_of_its_own_loads_from_any_file(tmp_path: Path) -> None:
    def new(classes: int) -> Any:
        return models.mnasnet0_5(num_classes=classes)

    it = Architecture("mnasnet", new, OWN)
    torch.manual_seed(1)
    state = new(5).state_dict()
    save_file(dict(state), tmp_path / "net.safetensors")
    for path in (checkpoint(tmp_path, "net.pth", state), tmp_path / "net.safetensors"):
        assert equal(build(it, choose(it, DATASET, str(path), 0), 5), state)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("inside", ["the file", "a key"])
def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path, new: bool, inside: str) -> None:
    trace = tmp_path / "ran"
    content: Any = Intruder(trace) if inside == "the file" else {**trained().state_dict(), "extra": Intruder(trace)}
    path = checkpoint(tmp_path, "net.pth", content, _use_new_zipfile_serialization=new)
    line = refused(path)
    assert "when it is read, which could run code (refused)" in line
    assert str(path) in line
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the checkpoint was harmless: this test showed nothing"


def test_a_whole_module_in_a_file_is_refused_with_its_class_and_the_conversion(tmp_path: Path) -> None:
    line = refused(checkpoint(tmp_path, "whole.pth", trained()))
    assert "small_network.Net when it is read" in line
    assert "import torch; c = torch.load('whole.pth', map_location='cpu', weights_only=False); torch.save(" in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("net.pth", b"<!DOCTYPE html><html>404</html>", "torch.save wrote, got a file that begins with b'<!DOCTYP'"),
        ("net.pth", b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS: get the file itself"),
        ("net.safetensors", b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        ("net.pth", b"", "torch.save wrote, got an empty file"),
        ("net.pth", b"PK\x03\x04 and no more", "tensors in a complete file"),
        ("net.pth", b"\x80\x02 and no more", "tensors in a complete file"),
        ("net.safetensors", b"<!DOCTYPE html><html>404</html>", "a complete .safetensors file"),
        ("net.safetensors", b"", "a complete .safetensors file"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    line = refused(tmp_path / name)
    assert said in line
    assert str(tmp_path / name) in line
    assert "run code" not in line


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, kind: str, part: float) -> None:
    state = {"fc.weight": torch.rand(100, 100)}
    path = tmp_path / ("net.safetensors" if kind == "safetensors" else "net.pth")
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    line = refused(path)
    assert "Expected a checkpoint to be" in line
    assert len(line.removesuffix(f" ({path})")) < 160, "what torch says, without its paragraph of advice"
    assert "run code" not in line


@pytest.mark.parametrize(
    "content", [[torch.zeros(2)], torch.zeros(2), {"a": 3, "b": "text"}, {"state_dict": {"a": "text"}}]
)
def test_a_checkpoint_without_a_dictionary_of_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    assert "to be a dictionary of tensors" in refused(checkpoint(tmp_path, "net.pth", content))


def test_two_networks_in_one_dictionary_are_refused(tmp_path: Path) -> None:
    both = {**trained().state_dict(), "module.fc.bias": torch.zeros(5)}
    assert "one with unknown module.fc.bias" in refused(checkpoint(tmp_path, "net.pth", both))


def test_metadata_that_is_no_preprocessing_is_refused(tmp_path: Path) -> None:
    for i, text in enumerate(("{", "[1]", json.dumps({"resize": 3}), json.dumps({"shape": 3}))):
        path = tmp_path / f"{i}.safetensors"
        save_file(trained().state_dict(), path, metadata={"benchsuite.preprocess": text})
        assert "to be a complete .safetensors file" in refused(path)
