"""Tests of what a plugin makes a data set with: class folders, a folder with labels, rows of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchsuite import DataError, Rows, class_folders, imagenet_classes, labelled_images, read_array, rows


def write(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 4), (number, 0, 0)).save(path)


def test_folders_are_classes_by_their_rank_and_ids_are_paths(tmp_path: Path) -> None:
    write(tmp_path / "dog" / "1.png", tmp_path / "cat" / "1.png", tmp_path / "cat" / "0.png")
    found = class_folders("pets", tmp_path, mirror=False)
    assert [(s.id, s.label) for s in found.samples] == [("cat/0.png", 0), ("cat/1.png", 0), ("dog/1.png", 1)]
    assert (found.name, found.classes, found.mirror, found.groups) == ("pets", ("cat", "dog"), False, ())
    assert np.asarray(found.read(found.samples[2]))[0, 0].tolist() == [0, 0, 0]


def test_folders_above_the_classes_are_groups_in_which_classes_may_be_missing(tmp_path: Path) -> None:
    write(tmp_path / "fog" / "day" / "dog" / "1.png", tmp_path / "rain" / "night" / "cat" / "1.png")
    found = class_folders("pets", tmp_path, groups=("weather", "light"))
    assert [(s.id, s.label, s.groups) for s in found.samples] == [
        ("fog/day/dog/1.png", 1, ("fog", "day")),
        ("rain/night/cat/1.png", 0, ("rain", "night")),
    ]
    assert found.groups == ("weather", "light")


def test_other_folders_are_refused_or_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "cat" / "1.png", tmp_path / "cow" / "1.png")
    with pytest.raises(DataError, match="named by a class of pets, got cow"):
        class_folders("pets", tmp_path, ["a cat", "a dog"], {"cat": 0, "dog": 1})
    found = class_folders("pets", tmp_path, ["a cat", "a dog"], {"cat": 0, "dog": 1}, others=True)
    assert [s.id for s in found.samples] == ["cat/1.png"]
    assert found.classes == ("a cat", "a dog")
    with pytest.raises(DataError, match="pets:PATH to be a folder of class folders, got none in it"):
        class_folders("pets", tmp_path, ["a hen"], {"hen": 0}, others=True)


@pytest.mark.parametrize(
    ("files", "groups", "pattern"),
    [
        ([], (), "a folder of class folders, got none in it .*: get pets.tar"),
        ([], ("weather",), "a folder of weathers to be one with folders in it, got none"),
        (["fog/1.png"], ("weather",), "a folder of class folders, got none in it"),
        (["1.png"], (), "a folder of class folders, got none in it"),
        (["cat/1.png", "1.png"], (), "without images next to them"),
        (["fog/cat/1.png", "1.png"], ("weather",), "without images next to them"),
        (["cat/more/1.png"], (), "a folder of images only, got the folder more"),
    ],
)
def test_folders_without_classes_or_with_stray_images_are_refused(
    tmp_path: Path, files: list[str], groups: tuple[str, ...], pattern: str
) -> None:
    write(*(tmp_path / file for file in files))
    with pytest.raises(DataError, match=pattern):
        class_folders("pets", tmp_path, groups=groups, download="get pets.tar")


def test_a_path_that_is_no_folder_says_what_to_get(tmp_path: Path) -> None:
    for path in (tmp_path / "none", None):
        with pytest.raises(DataError, match=r"pets:PATH to be a folder, got .*get pets.tar"):
            class_folders("pets", path, download="get pets.tar")


def test_images_with_labels_by_their_names(tmp_path: Path) -> None:
    write(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "labels.txt").write_text("about")
    found = labelled_images("pets", tmp_path, {"b.png": 0, "a.png": 1}, ["cat", "dog"])
    assert [(s.id, s.label) for s in found.samples] == [("a.png", 1), ("b.png", 0)]
    with pytest.raises(DataError, match=r"b.png of pets to be an image with a label, got an image without a label"):
        labelled_images("pets", tmp_path, {"a.png": 1}, ["cat", "dog"])
    with pytest.raises(DataError, match=r"c.png of pets .* got a label without an image"):
        labelled_images("pets", tmp_path, {"a.png": 1, "b.png": 1, "c.png": 1}, ["cat", "dog"])


def test_rows_of_several_parts_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    grey = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    np.save(tmp_path / "grey.npy", grey)
    colour = np.stack([grey[:1], grey[:1] + 1, grey[:1] + 2], axis=3)
    np.save(tmp_path / "colour.npy", colour)
    parts = [
        Rows(tmp_path / "grey.npy", read_array(tmp_path / "grey.npy"), [1, 0], "b", groups=("grey",)),
        Rows(tmp_path / "colour.npy", read_array(tmp_path / "colour.npy"), [1], "a", [7], groups=("colour",)),
    ]
    found = rows("boxes", parts, ["round", "square"], mirror=True, groups=("kind",))
    assert [(s.id, s.label, s.groups) for s in found.samples] == [
        ("a-00000", 1, ("colour",)),
        ("b-00000", 1, ("grey",)),
        ("b-00001", 0, ("grey",)),
    ]
    assert found.samples[0].where == f"row 7 of {tmp_path / 'colour.npy'}"
    np.testing.assert_array_equal(found.read(found.samples[0]), colour[0])
    np.testing.assert_array_equal(found.read(found.samples[2]), np.dstack([grey[1]] * 3))


@pytest.mark.parametrize(
    ("pixels", "labels", "pattern"),
    [
        (np.zeros((2, 3, 4, 4), np.uint8), [0, 1], r"uint8 \(n, h, w, 3\) or \(n, h, w\), got uint8 \(2, 3, 4, 4\)"),
        (np.zeros((2, 4, 4)), [0, 1], r"got float64 \(2, 4, 4\)"),
        (np.zeros((2, 4, 4), np.uint8), [0], r"whole numbers for 2 images, got int64 \(1,\)"),
        (np.zeros((2, 4, 4), np.uint8), [0.0, 1.0], r"whole numbers for 2 images, got float64"),
        (np.zeros((2, 4, 4), np.uint8), [0, 2], "from 0 to 1, got 2"),
        (np.zeros((2, 4, 4), np.uint8), [0, -1], "from 0 to 1, got -1"),
    ],
)
def test_arrays_that_are_no_images_or_no_labels_are_refused(
    tmp_path: Path, pixels: np.ndarray, labels: list[int], pattern: str
) -> None:
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(DataError, match=rf"{pattern} \(.*a.npy\)"):
        rows("boxes", [Rows(tmp_path / "a.npy", pixels, labels)], ["round", "square"], mirror=True)


def test_an_array_that_is_not_there_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.npy to be in this folder, got no file \(.*: get it"):
        read_array(tmp_path / "a.npy", "get it")
    np.save(tmp_path / "a.npy", np.zeros(10))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(DataError, match="an npy file to be whole and readable"):
        read_array(tmp_path / "a.npy")


def test_imagenets_classes_are_in_the_order_of_their_ids() -> None:
    classes = imagenet_classes()
    assert list(classes.index) == sorted(classes.index)
    assert list(classes.index.values()) == list(range(1000)) == [classes.index[w] for w in sorted(classes.index)]
    assert classes.names[classes.index["n01440764"]].startswith("tench")
