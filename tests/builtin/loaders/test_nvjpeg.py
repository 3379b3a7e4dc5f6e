"""Tests of nvjpeg without a device: torchvision's own function decodes on the CPU, and everything else is as there."""

from __future__ import annotations

import dataclasses
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jpeg_folder import PLAIN, damaged, encoded, folder, kinds, picture

from benchsuite import DataError, Split, load_plugins
from benchsuite.builtin.loaders import nvjpeg
from benchsuite.testing import check_loader

CATALOG = load_plugins(entry_points=False)
NVJPEG = CATALOG.loaders["nvjpeg"]
torchvision = pytest.importorskip("torchvision")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of files of each call; ``cuda`` is the CPU."""
    calls: list[int] = []

    def on_the_host(files: Any, mode: str, device: str) -> Any:
        assert device == "cuda:1"
        calls.append(len(files))
        return torchvision.io.decode_jpeg(files, mode=mode, device="cpu")

    monkeypatch.setattr(nvjpeg, "function", lambda: ("torchvision 0", on_the_host))
    return calls


def opened(root: Path) -> Split:
    return CATALOG.open_dataset(f"folder:{root}")[1]


def pixels_of(split: Split, workers: int = 0) -> list[Any]:
    images = NVJPEG.at("cuda:1").images
    assert images is not None
    return list(images(split, split.samples, lambda pixels, _: pixels, workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_plain_files_are_decoded_together_and_others_by_the_reference(
    tmp_path: Path, decoded: list[int], workers: int
) -> None:
    split = opened(folder(tmp_path, kinds()))
    for sample, found in zip(split.samples, pixels_of(split, workers), strict=True):
        wanted = np.asarray(split.read(sample))
        assert found.dtype == np.uint8
        assert found.shape == wanted.shape
        assert np.abs(found.astype(int) - wanted).mean() < 2, sample.id
    assert decoded == [len(PLAIN)]


def test_the_conformance_kit_finds_nothing_for_arrays_and_for_files(tmp_path: Path, decoded: list[int]) -> None:
    check_loader(NVJPEG.at("cuda:1"))
    assert decoded == []
    check_loader(NVJPEG.at("cuda:1"), opened(folder(tmp_path, kinds())))


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_or_deep_image_is_one_line_with_its_name(tmp_path: Path, decoded: list[int], name: str) -> None:
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture()), name: damaged()[name]}))
    with pytest.raises(DataError, match=name) as caught:
        pixels_of(split)
    assert "\n" not in str(caught.value)


def test_torchcodec_comes_before_torchvision_and_without_both_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def module(name: str, **members: Any) -> None:
        found = types.ModuleType(name)
        vars(found).update(members)
        monkeypatch.setitem(sys.modules, name, found)

    module("torchcodec", __version__="0.17.0")
    module("torchcodec.decoders", decode_jpeg=len)
    assert nvjpeg.function() == ("torchcodec 0.17.0", len)
    module("torchcodec.decoders")  # an older one, without images
    assert nvjpeg.function() == (f"torchvision {torchvision.__version__}", torchvision.io.decode_jpeg)
    module("torchvision.io")  # one that has no decoders any more
    with pytest.raises(DataError, match=r"^Expected --loader nvjpeg to be used with torchcodec or torchvision"):
        nvjpeg.function()


def test_it_needs_a_device_whose_name_is_part_of_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DataError, match=r"^Expected --loader nvjpeg to be used with a CUDA device, got none$"):
        NVJPEG.check()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"a pretended {device}")
    monkeypatch.setattr(nvjpeg, "function", lambda: ("torchcodec 1.0", len))
    found = NVJPEG.at("cuda:1").decoder
    assert found is not None
    assert found() == "nvJPEG by torchcodec 1.0, a pretended cuda:1"


def test_the_warning_of_torchvision_does_not_leave_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deprecated(files: Any, mode: str, device: str) -> Any:
        warnings.warn("use torchcodec", UserWarning, stacklevel=2)
        return torchvision.io.decode_jpeg(files, mode=mode, device="cpu")

    monkeypatch.setattr(nvjpeg, "function", lambda: ("torchvision 0", deprecated))
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture())}))
    assert len(pixels_of(split)) == len(split.samples)


def test_it_is_labelled() -> None:
    assert not NVJPEG.exact
    assert dataclasses.replace(NVJPEG, exact=True) != NVJPEG
