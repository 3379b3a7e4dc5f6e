"""Tests of CIFAR-100, CIFAR-10.1 and the corrupted sets, on made-up files of the published names and types."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchsuite import DataError, load_plugins
from benchsuite.builtin.datasets import cifar
from benchsuite.testing import check_dataset

DATASETS = load_plugins(entry_points=False).datasets
RNG = np.random.default_rng(0)


def fails(name: str, path: Path, pattern: str, split: Any = "test") -> None:
    with pytest.raises(DataError, match=pattern) as caught:
        DATASETS[name].open(str(path), split)
    assert "\n" not in str(caught.value)


def write_100(path: Path, fine: list[int], key: Callable[[str], Any] = str) -> Any:
    """A pickle as the one of CIFAR-100, with labels of both kinds. Returns its pixels, (n, 3, 32, 32)."""
    pixels = RNG.integers(0, 256, (len(fine), 3072), dtype=np.uint8)
    content = {
        "filenames": [f"{i}_s_00{i}.png" for i in fine],
        "batch_label": "testing batch 1 of 1",
        "fine_labels": fine,
        "coarse_labels": [label // 5 for label in fine],
        "data": pixels,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({key(name): value for name, value in content.items()}, 2))
    return pixels.reshape(-1, 3, 32, 32)


@pytest.mark.parametrize("inner", ["", "cifar-100-python"])
@pytest.mark.parametrize("key", [str, str.encode])
def test_cifar100_has_the_fine_labels(tmp_path: Path, inner: str, key: Callable[[str], Any]) -> None:
    pixels = write_100(tmp_path / inner / "test", [99, 0, 49, 7], key)
    write_100(tmp_path / inner / "train", [3, 4])
    found = DATASETS["cifar100"].open(str(tmp_path), "test")
    assert [(s.id, s.label) for s in found.samples] == [(f"test-{i:05d}", n) for i, n in enumerate([99, 0, 49, 7])]
    for sample, planes in zip(found.samples, pixels, strict=True):
        np.testing.assert_array_equal(found.read(sample), np.moveaxis(planes, 0, 2))
    trained = DATASETS["cifar100"].open(str(tmp_path), "train")
    assert [(s.id, s.label) for s in trained.samples] == [("train-00000", 3), ("train-00001", 4)]
    check_dataset(DATASETS["cifar100"], str(tmp_path))


def test_cifar100_has_100_classes_in_alphabetical_order() -> None:
    assert len(cifar.CLASSES100) == 100
    assert list(cifar.CLASSES100) == sorted(set(cifar.CLASSES100))


def test_cifar100_refuses_coarse_labels_alone_and_a_folder_without_it(tmp_path: Path) -> None:
    fails("cifar100", tmp_path, "a folder with cifar-100-python/test, got none")
    content = {"data": np.zeros((2, 3072), dtype=np.uint8), "coarse_labels": [0, 1]}
    (tmp_path / "test").write_bytes(pickle.dumps(content))
    fails("cifar100", tmp_path, "labels of a CIFAR batch")


@pytest.mark.parametrize(("name", "version", "kind"), [("cifar10.1", "v6", "int32"), ("cifar10.1-v4", "v4", "int64")])
@pytest.mark.parametrize("inner", ["", "datasets"])
def test_cifar10_1_is_read_from_its_two_arrays(tmp_path: Path, name: str, version: str, kind: str, inner: str) -> None:
    folder = tmp_path / inner
    folder.mkdir(exist_ok=True)
    pixels, labels = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8), RNG.integers(0, 10, 12).astype(kind)
    np.save(folder / f"cifar10.1_{version}_data.npy", pixels)
    fails(name, tmp_path, f"cifar10.1_{version}_labels.npy to be in this folder, got no file")
    np.save(folder / f"cifar10.1_{version}_labels.npy", labels)
    found = DATASETS[name].open(str(tmp_path), "test")
    assert [s.label for s in found.samples] == labels.tolist()
    for sample, picture in zip(found.samples, pixels, strict=True):
        np.testing.assert_array_equal(found.read(sample), picture)
    assert found.classes == cifar.CLASSES
    check_dataset(DATASETS[name], str(tmp_path))
    fails(name, tmp_path, f"the split of {name} to be test", "train")


def corrupted(folder: Path, *names: str, each: int = 3, classes: int = 10) -> dict[str, Any]:
    """Files of five severities of ``each`` images; returns the arrays by name."""
    arrays = {name: RNG.integers(0, 256, (5 * each, 32, 32, 3), dtype=np.uint8) for name in names}
    arrays["labels"] = np.tile(RNG.integers(0, classes, each), 5)
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return arrays


@pytest.mark.parametrize(("name", "classes"), [("cifar10-c", 10), ("cifar100-c", 100)])
def test_a_corrupted_set_has_five_severities_of_each_file(tmp_path: Path, name: str, classes: int) -> None:
    arrays = corrupted(tmp_path, "gaussian_noise", "jpeg_compression", classes=classes)
    found = DATASETS[name].open(str(tmp_path), "test")
    assert found.groups == ("corruption", "severity")
    assert len(found.samples) == 2 * 5 * 3
    for sample in found.samples:
        corruption, severity = sample.groups
        number = int(sample.id.rpartition("-")[2])
        row = 3 * (int(severity) - 1) + number
        assert sample.id == f"{corruption}-{severity}-{number:05d}"
        assert sample.label == arrays["labels"][row]
        assert sample.where == f"row {row} of {tmp_path / corruption}.npy"
        np.testing.assert_array_equal(found.read(sample), arrays[corruption][row])
    assert len(found.classes) == classes
    check_dataset(DATASETS[name], str(tmp_path))
    fails(name, tmp_path, f"the split of {name} to be test", "train")


def test_a_corrupted_set_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    fails("cifar10-c", tmp_path, "labels.npy to be in this folder, got no file .*labels.npy and CORRUPTION.npy")
    corrupted(tmp_path)
    fails("cifar10-c", tmp_path, "a folder of CORRUPTION.npy files, got none")
    corrupted(tmp_path, "fog")
    np.save(tmp_path / "frost.npy", np.zeros((10, 32, 32, 3), dtype=np.uint8))
    fails("cifar10-c", tmp_path, r"the pixels to be 15, as the labels, got \(10, 32, 32, 3\) \(.*frost.npy")
    np.save(tmp_path / "frost.npy", np.zeros((15, 32, 32, 3)))
    fails("cifar10-c", tmp_path, r"got float64 \(3, 32, 32, 3\) \(.*frost.npy")
    np.save(tmp_path / "frost.npy", np.array([object()]), allow_pickle=True)
    fails("cifar10-c", tmp_path, "an npy file to be whole and readable, .*frost.npy")
    np.save(tmp_path / "labels.npy", np.zeros(13, dtype=np.int64))
    fails("cifar10-c", tmp_path, "the labels to be 5 equal parts")
    np.save(tmp_path / "labels.npy", np.int64(5))
    fails("cifar10-c", tmp_path, "the labels to be 5 equal parts")
