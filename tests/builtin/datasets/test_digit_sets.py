"""Tests of MNIST and SVHN: images with the right labels, and a recipe that trains on them."""

from __future__ import annotations

import json
from pathlib import Path

import digit_files
import numpy as np
import pytest

from benchsuite import DataError, load_plugins
from benchsuite.builtin.datasets import mnist, svhn
from benchsuite.testing import check_dataset

DATASETS = load_plugins(entry_points=False).datasets


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folder", [".", "raw"])
def test_mnist_is_read_from_idx_files(tmp_path: Path, folder: str, packed: bool) -> None:
    pixels, labels = digit_files.write_mnist(tmp_path / folder, "t10k", 23, packed=packed)
    split = mnist.open_mnist(str(tmp_path), "test")
    assert [s.label for s in split.samples] == labels
    for i, sample in enumerate(split.samples):
        assert sample.id == f"test-{i:05d}"
        np.testing.assert_array_equal(split.read(sample), np.dstack([pixels[i]] * 3))
    assert (split.name, split.mirror, split.classes) == ("mnist", False, tuple("0123456789"))
    check_dataset(DATASETS["mnist"], str(tmp_path))


def test_mnist_agrees_with_torchvision(tmp_path: Path) -> None:
    from torchvision.datasets import MNIST

    digit_files.write_mnist(tmp_path / "MNIST" / "raw", "t10k", 12)
    digit_files.write_mnist(tmp_path / "MNIST" / "raw", "train", 12)
    theirs = MNIST(str(tmp_path), train=False)
    ours = mnist.open_mnist(str(tmp_path / "MNIST"), "test")
    assert len(theirs) == len(ours.samples)
    for (picture, label), sample in zip(theirs, ours.samples, strict=True):
        assert label == sample.label
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), ours.read(sample))


def test_mnist_without_files_says_what_to_get(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte .*MNIST database"):
        mnist.open_mnist(str(tmp_path), "test")


def test_svhn_is_read_from_matlab_files_and_10_is_the_digit_0(tmp_path: Path) -> None:
    pixels, labels = digit_files.write_svhn(tmp_path, "test", 21)
    split = svhn.open_svhn(str(tmp_path), "test")
    assert [s.label for s in split.samples] == [0 if label == 10 else label for label in labels]
    for i, sample in enumerate(split.samples):
        np.testing.assert_array_equal(split.read(sample), pixels[i])
    assert (split.name, split.mirror) == ("svhn", False)
    check_dataset(DATASETS["svhn"], str(tmp_path))


def test_svhn_agrees_with_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import SVHN

    digit_files.write_svhn(tmp_path, "train", 20)
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    theirs, ours = SVHN(str(tmp_path), "train"), svhn.open_svhn(str(tmp_path), "train")
    for (picture, label), sample in zip(theirs, ours.samples, strict=True):
        assert label == sample.label
        np.testing.assert_array_equal(np.asarray(picture), ours.read(sample))


def svhn_file(root: Path, **arrays: object) -> Path:
    from scipy.io import savemat

    savemat(root / "test_32x32.mat", arrays)
    return root


def test_broken_files_of_svhn_are_refused_by_name(tmp_path: Path) -> None:
    pictures, labels = np.zeros((32, 32, 3, 2), np.uint8), np.array([[1], [10]], np.uint8)
    cases = [
        ({"X": pictures[:30], "y": labels}, r"uint8 \(32, 32, 3, n\), got uint8 \(30"),
        ({"X": pictures.astype(float), "y": labels}, "got float64"),
        ({"X": pictures, "y": labels[:1]}, "a number for each of 2 pictures"),
        ({"X": pictures, "y": labels - 1}, "from 1 to 10, where 10 is the digit 0, got 0"),
        ({"X": pictures, "y": labels + 1}, "from 1 to 10, where 10 is the digit 0, got 11"),
        ({"X": pictures}, "one with X and y, got one without y"),
    ]
    for arrays, pattern in cases:
        with pytest.raises(DataError, match=pattern):
            svhn.open_svhn(str(svhn_file(tmp_path, **arrays)), "test")
    file = svhn_file(tmp_path, X=pictures, y=labels) / "test_32x32.mat"
    for content in (file.read_bytes()[:300], b"", b"no MATLAB file at all" * 20):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"test_32x32\.mat"):
            svhn.open_svhn(str(tmp_path), "test")
    with pytest.raises(DataError, match="ufldl"):
        svhn.open_svhn(str(tmp_path), "train")


@pytest.mark.parametrize("name", ["mnist", "svhn"])
def test_a_recipe_trains_in_one_step(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from benchsuite.cli import main

    if name == "mnist":
        digit_files.write_mnist(tmp_path, "train", 60)
        digit_files.write_mnist(tmp_path, "t10k", 20)
    else:
        digit_files.write_svhn(tmp_path, "train", 60)
        digit_files.write_svhn(tmp_path, "test", 20)
    words = ["train", "lbcnn:filters=8,depth=1,full=16", "--recipe", f"lbcnn-{name}", "--scale", "mini"]
    words += ["--epochs", "1", "--data", f"{name}:{tmp_path}", "--device", "cpu", "--precision", "fp32", "--json"]
    assert main(words) == 0
    (row,) = json.loads(capsys.readouterr().out)["trainings"]
    assert (row["dataset"], row["n"], row["train_n"]) == (name, 20, 60)
