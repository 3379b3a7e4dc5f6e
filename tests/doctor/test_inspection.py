"""Tests of the inspection of single samples: oddities of a file are found, and a broken file does not stop it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchsuite import Sample
from benchsuite.builtin.datasets import folder
from benchsuite.doctor.folder_survey import header_errors, survey
from benchsuite.doctor.inspection import every, examine, examine_all, groups, other_files, same_bytes

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Class folders with one of each oddity."""
    picture = Image.fromarray(NOISE)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    picture.save(tmp_path / "a" / "plain.jpg")
    picture.convert("CMYK").save(tmp_path / "a" / "cmyk.jpg")
    picture.convert("L").save(tmp_path / "a" / "grey.jpg")
    picture.save(tmp_path / "a" / "really.JPEG", format="PNG")
    picture.save(tmp_path / "b" / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "b" / "turned.jpg", exif=exif)
    whole = (tmp_path / "a" / "plain.jpg").read_bytes()
    (tmp_path / "b" / "short.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b" / "tail.jpg").write_bytes(whole + b"tail")
    (tmp_path / "b" / "copy.jpg").write_bytes(whole)
    return tmp_path


def looked(root: Path, *, decode: bool) -> dict[str, Any]:
    split = folder.open_folder(str(root), "test")
    chosen = {s.id for s in split.samples} if decode else set()
    seen = examine_all(split, chosen, lambda title, total: None, lambda k: None)
    return {s.id: e for s, e in zip(split.samples, seen, strict=True)}


@pytest.mark.parametrize("decode", [False, True])
def test_every_oddity_is_seen(root: Path, decode: bool) -> None:
    found = looked(root, decode=decode)
    assert {name: e.mode for name, e in found.items() if e.mode not in ("RGB", "")} == {
        "a/cmyk.jpg": "CMYK",
        "a/grey.jpg": "L",
    }
    assert [name for name, e in found.items() if e.misnamed] == ["a/really.JPEG"]
    assert [name for name, e in found.items() if e.turned] == ["b/turned.jpg"]
    assert [name for name, e in found.items() if e.error] == ["b/short.jpg"]
    assert "short.jpg" in found["b/short.jpg"].error
    assert {(e.width, e.height) for e in found.values() if not e.error} == {(60, 40)}


def test_without_decoding_only_files_with_an_odd_end_are_decoded(root: Path) -> None:
    found = looked(root, decode=False)
    assert [name for name, e in found.items() if e.pixels] == ["b/tail.jpg"]
    assert all(e.pixels for e in looked(root, decode=True).values() if not e.error)


def test_progress_tells_of_every_header_and_of_every_decoded_image(root: Path) -> None:
    split = folder.open_folder(str(root), "test")
    steps: list[int] = []
    for chosen, titles, total in (
        ({"a/cmyk.jpg"}, ["reading the headers of 9 images", "decoding 3 images"], 12),
        ({s.id for s in split.samples}, ["decoding 9 images"], 9),
    ):
        told: list[str] = []
        steps.clear()
        examine_all(split, chosen, lambda title, n, told=told: told.append(title), steps.append)
        assert (told, sum(steps)) == (titles, total)


def test_equal_pixels_have_equal_digests_whatever_the_files(root: Path) -> None:
    found = looked(root, decode=True)
    assert found["a/really.JPEG"].pixels == found["b/plain.png"].pixels
    assert found["a/plain.jpg"].pixels == found["b/copy.jpg"].pixels == found["b/tail.jpg"].pixels
    assert len({e.pixels for e in found.values() if e.pixels}) == 4
    Image.fromarray(NOISE.reshape(60, 40, 3)).save(root / "b" / "plain.png")
    assert looked(root, decode=True)["b/plain.png"].pixels != found["b/plain.png"].pixels


def test_copies_are_found_by_their_bytes_and_nothing_else(root: Path) -> None:
    split = folder.open_folder(str(root), "test")
    whole = (root / "a" / "plain.jpg").read_bytes()
    (root / "a" / "same size.jpg").write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    split = folder.open_folder(str(root), "test")
    steps: list[int] = []
    found = same_bytes(split.samples, steps.append)
    assert [[s.id for s in g] for g in found] == [["a/plain.jpg", "b/copy.jpg"], ["a/really.JPEG", "b/plain.png"]]
    assert sum(steps) == len(split.samples)


def test_rows_are_compared_by_their_stamps() -> None:
    samples = [Sample(str(i), 0, f"row {i}", stamp) for i, stamp in enumerate(["x@1", "y@1", "x@2", "", ""])]
    (group,) = same_bytes(samples, lambda k: None)
    assert [s.id for s in group] == ["0", "2"]


def test_whatever_a_data_set_raises_is_an_error_of_that_image(root: Path) -> None:
    split = folder.open_folder(str(root), "test")
    broken = dataclasses.replace(split, read=lambda sample: 1 / 0)
    found = examine(broken, split.samples[0])
    assert found.error == f"ZeroDivisionError: division by zero ({split.samples[0].where})"


def test_groups_keep_the_order_and_share_no_empty_key() -> None:
    samples = [Sample(str(i), 0, "") for i in range(6)]
    found = groups(samples, ["b", "a", "b", "", "", "a"])
    assert [[s.id for s in g] for g in found] == [["0", "2"], ["1", "5"]]


def test_all_items_are_worked_on_in_order_and_an_error_ends_it() -> None:
    steps: list[int] = []
    assert every(range(1000), lambda i: i * i, steps.append, 3) == [i * i for i in range(1000)]
    assert sum(steps) == 1000
    with pytest.raises(ZeroDivisionError):
        every(range(1000), lambda i: 1 // (i - 500), steps.append, 3)


def test_what_lies_beside_the_images_is_counted_by_kind(root: Path) -> None:
    for name in ("._plain.jpg", "labels.txt", "b.txt", "Makefile"):
        (root / "a" / name).write_text("x")
    split = folder.open_folder(str(root), "test")
    assert other_files(split.samples) == {"hidden": 1, ".txt": 2, "no suffix": 1}
    assert other_files([dataclasses.replace(split.samples[0], where="row 1 of digits")]) == {}


def test_a_folder_that_is_no_data_set_is_surveyed(root: Path) -> None:
    (root / "b" / "none.jpg").write_bytes(b"")
    (root / "b" / "text.png").write_text("no image")
    (root / "b" / "more").mkdir()
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / "notes.txt").write_text("x")
    found = survey(root)
    assert found.folders == {"a": 4, "b": 7, "empty": 0}
    assert (len(found.images), found.nested, found.where) == (11, ["b/more"], "")
    assert found.others == {".txt": 1, "hidden": 1}
    steps: list[int] = []
    errors = header_errors(found.images, steps.append)
    assert [Path(line.rpartition("(")[2].rstrip(")")).name for line in errors] == ["none.jpg", "text.png"]
    assert sum(steps) == 11


@pytest.mark.parametrize(
    ("place", "part", "where"),
    [
        ("val", "test", "val"),
        ("train", "train", "train"),
        ("ILSVRC/Data/CLS-LOC/val", "test", "ILSVRC/Data/CLS-LOC/val"),
        ("validation", "test", "validation"),
        ("", "test", ""),
    ],
)
def test_the_class_folders_are_looked_for_below(tmp_path: Path, place: str, part: str, where: str) -> None:
    for name in ("n01440764", "n01443537"):
        (tmp_path / place / name).mkdir(parents=True)
        (tmp_path / place / name / "a.jpg").write_bytes(b"x")
    found = survey(tmp_path, part)
    assert (found.where, found.folders) == (where, {"n01440764": 1, "n01443537": 1})


def test_a_single_folder_of_images_is_a_class_and_no_wrapper(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(b"x")
    assert survey(tmp_path).folders == {"cat": 1}
