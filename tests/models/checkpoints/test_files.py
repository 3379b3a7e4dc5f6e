"""Tests of reading checkpoints: kinds of files, what stands beside the tensors, parts with an index, errors."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import io
import json
import pathlib
import sys
import tarfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_network import Intruder, Net, architecture, chosen, equal, trained

from benchsuite import WeightsError
from benchsuite.models.checkpoints import files
from benchsuite.models.weights import build, load

STATE = dict(trained().state_dict())


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as error:
        build(architecture(), chosen(path), 5)
    assert "\n" not in str(error.value)
    return str(error.value)


class Refusing(dict[str, Any]):
    """A dictionary of a class of its own."""


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize(
    "beside",
    [
        argparse.Namespace(lr=0.1, output=pathlib.Path("out"), when=None),
        types.SimpleNamespace(a=1),
        np.float64(76.5),
        np.float32(76.5),
        np.int64(3),
        np.bool_(True),
        np.arange(5),
        np.array(["a", "b"]),
        collections.OrderedDict(a=1),
        collections.defaultdict(list, {"loss": [0.5]}),
        collections.defaultdict(dict),
        pathlib.Path("a"),
        datetime.datetime(2020, 1, 1),
        {"nested": [argparse.Namespace(best=np.float64(1))]},
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_training_scripts_keep_beside_their_tensors_is_passed_over(tmp_path: Path, new: bool, beside: Any) -> None:
    """timm and torchvision write their arguments, the ImageNet example of torch a best accuracy of NumPy."""
    path = tmp_path / "net.pth"
    content = {"epoch": 3, "args": beside, "state_dict": STATE, "best_prec1": np.float64(76.1)}
    torch.save(content, path, _use_new_zipfile_serialization=new)
    loaded = load(architecture(), chosen(path), 5)
    assert equal(loaded.module, STATE)
    assert str(loaded.reading) == "taken from state_dict; passed over: epoch, args, best_prec1"


def test_a_state_dict_in_a_dictionary_with_defaults_is_read(tmp_path: Path) -> None:
    torch.save(collections.defaultdict(list, STATE), tmp_path / "net.pth")
    assert equal(build(architecture(), chosen(tmp_path / "net.pth"), 5), STATE)


def test_dictionaries_of_libraries_that_are_not_installed_are_read_as_plain_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = types.ModuleType("easydict")
    library.EasyDict = type("EasyDict", (dict,), {"__module__": "easydict"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "easydict", library)
    content = {"state_dict": library.EasyDict(STATE), "cfg": library.EasyDict(lr=0.1)}
    torch.save(content, tmp_path / "net.pth")
    monkeypatch.delitem(sys.modules, "easydict")
    assert equal(build(architecture(), chosen(tmp_path / "net.pth"), 5), STATE)
    assert type(files.read(tmp_path / "net.pth")["cfg"]) is collections.OrderedDict


def test_nothing_beside_the_tensors_is_made(tmp_path: Path) -> None:
    """The types that are passed over are stand-ins: not even a harmless constructor is called."""
    torch.save({"state_dict": STATE, "args": argparse.Namespace(lr=0.1), "best": np.float64(1)}, tmp_path / "net.pth")
    before = torch.serialization.get_safe_globals()
    content = files.read(tmp_path / "net.pth")
    assert set(torch.serialization.get_safe_globals()) == set(before)
    for value in (content["args"], content["best"]):
        assert isinstance(value, files.Dropped)
        assert not vars(value)


def test_code_behind_a_name_that_is_passed_over_is_refused_too(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    content = {"state_dict": STATE, "args": argparse.Namespace(hook=Intruder(trace))}
    torch.save(content, tmp_path / "net.pth")
    line = refused(tmp_path / "net.pth")
    assert "could run code (refused)" in line
    assert "If you trust the file, convert it: import torch; c = torch.load('net.pth'" in line
    assert not trace.exists()


def test_the_conversion_that_an_error_gives_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / "ran"
    torch.save({"state_dict": STATE, "args": Intruder(trace)}, "net.pth")
    line = refused(Path("net.pth"))
    code = line.partition("convert it: ")[2].rpartition(" (net.pth)")[0]
    exec(code)
    assert equal(build(architecture(), chosen(Path("new.pth")), 5), STATE)


@pytest.mark.parametrize("key", [None, "model", "net"])
def test_the_conversion_of_a_whole_module_works_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    module = architecture().build(5)
    module.load_state_dict(STATE)
    torch.save(module if key is None else {"epoch": 3, key: module, "best": 0.5}, "net.pth")
    line = refused(Path("net.pth"))
    exec(line.partition("convert it: ")[2].rpartition(" (net.pth)")[0])
    assert equal(build(architecture(), chosen(Path("new.pth")), 5), STATE)


def as_torchscript(path: Path) -> None:
    class Tiny(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    torch.jit.trace(Tiny(), torch.zeros(1)).save(str(path))


def as_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{n: t.numpy() for n, t in STATE.items()})


def as_old_tar(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())


def as_archive(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("run/last.pth"), io.BytesIO())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        (
            "net.pt",
            as_torchscript,
            "a TorchScript archive, whose code would run: import torch; c = torch.jit.load(",
        ),
        ("net.npz", as_npz, "got arrays of NumPy. Convert them: import torch; c = numpy.load("),
        ("net.tar", as_old_tar, "got torch's format of before 2017, which could run code. If you trust the file"),
        ("net.pth.tar", as_archive, "got an archive with run/last.pth: unpack it and give the checkpoint"),
    ],
)
def test_a_file_of_another_kind_says_what_to_do(tmp_path: Path, name: str, write: Any, said: str) -> None:
    write(tmp_path / name)
    line = refused(tmp_path / name)
    assert said in line
    assert "weights_only=True" not in line


def test_safetensors_are_known_by_their_content(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "net.bin")
    assert equal(build(architecture(), chosen(tmp_path / "net.bin"), 5), STATE)


def in_parts(folder: Path, stem: str = "model", suffix: str = ".safetensors") -> Path:
    names, save = sorted(STATE), save_file if suffix == ".safetensors" else torch.save
    halves = {f"{stem}-00001-of-00002{suffix}": names[:4], f"{stem}-00002-of-00002{suffix}": names[4:]}
    for file, keys in halves.items():
        save({k: STATE[k] for k in keys}, folder / file)
    index = folder / f"{stem}{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {k: f for f, keys in halves.items() for k in keys}}))
    return index


@pytest.mark.parametrize(("stem", "suffix"), [("model", ".safetensors"), ("pytorch_model", ".bin")])
def test_parts_with_an_index_are_joined(tmp_path: Path, stem: str, suffix: str) -> None:
    index = in_parts(tmp_path, stem, suffix)
    for given in (index, tmp_path):
        found = chosen(given)
        assert equal(build(architecture(), found, 5), STATE)
        assert found.label == given.name
    before = chosen(tmp_path).key
    part = tmp_path / f"{stem}-00001-of-00002{suffix}"
    part.write_bytes(part.read_bytes()[:-1] + b"\1")
    assert chosen(tmp_path).key != before, "the key is that of all parts"


def test_missing_parts_and_foreign_paths_are_one_line(tmp_path: Path) -> None:
    index = in_parts(tmp_path)
    content = json.loads(index.read_text())
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert "a file beside its index, got model-00002-of-00002.safetensors" in refused(index)
    index.write_text(json.dumps({"weight_map": {"a": "../net.safetensors"}}))
    assert "to be a file beside its index" in refused(index)
    index.write_text("{")
    assert "an index with a weight_map" in refused(index)
    in_parts(tmp_path)
    content["weight_map"]["more"] = "model-00001-of-00002.safetensors"
    index.write_text(json.dumps(content))
    assert "parts without more" in refused(index)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "checkpoint.pth"])
def test_a_folder_is_its_model(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "my-net"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (save_file if name.endswith("safetensors") else torch.save)(STATE, folder / name)
    found = chosen(folder)
    assert equal(build(architecture(), found, 5), STATE)
    assert (found.label, found.key) == ("my-net", chosen(folder / name).key)


def test_a_folder_with_several_checkpoints_or_none_lists_them(tmp_path: Path) -> None:
    assert "a folder with model.safetensors, got one without any" in refused(tmp_path)
    for name in ("a.pth", "b.pth"):
        torch.save(STATE, tmp_path / name)
    assert "got one with a.pth, b.pth" in refused(tmp_path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_with_network_and_tensor(tmp_path: Path, bad: float) -> None:
    weight = STATE["fc.weight"].clone()
    weight[1, 2] = bad
    torch.save({**STATE, "fc.weight": weight}, tmp_path / "net.pth")
    said = "Expected fc.weight of the checkpoint to be finite, got 1 of 20 numbers that are not (net, weights net.pth)"
    assert refused(tmp_path / "net.pth") == said


def test_an_infinite_buffer_is_a_mask_and_stays(tmp_path: Path) -> None:
    class Masked(Net):
        def __init__(self, classes: int = 5) -> None:
            super().__init__(classes)
            self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

    torch.save({**STATE, "mask": torch.tensor([0.0, -torch.inf])}, tmp_path / "net.pth")
    module = build(dataclasses.replace(architecture(), build=Masked), chosen(tmp_path / "net.pth"), 5)
    assert module.mask.tolist() == [0.0, -torch.inf]
