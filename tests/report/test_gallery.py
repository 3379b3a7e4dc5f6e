"""Tests of the images of a report: from the data set of the runs, small thumbnails, a limit on their total size."""

from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finished_reports import pictures_of, toy_report
from PIL import Image
from toy_evaluation import CATALOG
from toys import CLASSES, ToyPlugin, open_toy

from benchsuite import BadParameter, DataError, Dataset, hookimpl, load_plugins
from benchsuite.report import gallery
from benchsuite.report.gallery import opened, pictures, thumbnail
from benchsuite.report.plots.figures import every_pair


def test_the_toy_image_that_ten_crops_fix_is_shown_with_its_answers(tmp_path: Path) -> None:
    report, found = pictures_of(tmp_path)
    assert report.classes[report.entries[0].data] == CLASSES
    assert [pair.name for pair in report.pairs] == sorted(found)
    (picture,) = found[report.pairs[0].name]
    assert (picture.image.id, picture.image.fixed) == ("c", True)
    assert report.class_name(report.entries[0], picture.image.before[0][0]) == "green"
    assert report.class_name(report.entries[0], picture.image.after[0][0]) == "red"
    decoded = Image.open(io.BytesIO(base64.b64decode(picture.thumbnail.uri.partition(",")[2])))
    assert decoded.size == (15, 5), "the toy image c is 5 high and 15 wide"
    left, middle = (decoded.convert("RGB").getpixel(at) for at in ((2, 2), (7, 2)))
    assert left[0] > 200 > 60 > left[1]
    assert middle[1] > 200 > 60 > middle[0]


class OtherToys(ToyPlugin):
    """The toys with a data set that has changed since the runs, or is missing."""

    def __init__(self, change: Any) -> None:
        self.change = change

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        return (Dataset("toy", self.change, mirror=True, note="Changed.", source="None: a toy.", path="optional"),)


def changed(path: str | None, split: str) -> Any:
    whole = open_toy(path, split)
    first, *rest = whole.samples
    return dataclasses.replace(whole, samples=(dataclasses.replace(first, stamp="2"), *rest))


def gone(path: str | None, split: str) -> Any:
    if path == "here":
        return open_toy(None, split)
    raise DataError("Expected toy:PATH to be a folder, got nothing")


@pytest.mark.parametrize(("change", "said"), [(changed, "now holds other images"), (gone, "got nothing")])
def test_a_data_set_that_is_not_that_of_the_runs_is_not_shown(tmp_path: Path, change: Any, said: str) -> None:
    report = toy_report(tmp_path)
    catalog = load_plugins(entry_points=False, extra=[OtherToys(change)])
    splits, notes = opened(list(report.groups()), (), catalog)
    assert splits == {}
    assert len(notes) == 1
    assert said in notes[0]
    assert pictures(report.pairs, splits) == ({}, [])


def test_a_data_set_that_has_moved_is_told_by_the_user(tmp_path: Path) -> None:
    report = toy_report(tmp_path)
    catalog = load_plugins(entry_points=False, extra=[OtherToys(gone)])
    splits, notes = opened(list(report.groups()), ("toy:here",), catalog)
    assert list(splits) == [report.entries[0].data]
    assert notes == []
    with pytest.raises(BadParameter, match=r"--data.*toy, 5 images"):
        opened(list(report.groups()), ("digits",), catalog)


def test_a_limited_run_is_recognised_in_the_whole_data_set(tmp_path: Path) -> None:
    report = toy_report(tmp_path, limit=3)
    splits, notes = opened(list(report.groups()), (), CATALOG)
    assert notes == []
    assert set(splits) == {entry.data for entry in report.entries}


def test_without_every_only_what_the_user_names_is_opened(tmp_path: Path) -> None:
    report = toy_report(tmp_path)
    assert opened(list(report.groups()), (), CATALOG, every=False) == ({}, [])


def test_thumbnails_are_small_jpegs_and_tiny_images_keep_their_pixels() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    made = thumbnail(photo)
    assert (made.width, made.height, made.tiny) == (128, 85, False)
    assert len(made.uri) < 16_000
    digit = np.zeros((8, 8, 3), dtype=np.uint8)
    digit[2:6, 3] = 255
    small = thumbnail(Image.fromarray(digit).convert("L"))
    assert (small.width, small.height, small.tiny) == (8, 8, True)
    back = np.asarray(Image.open(io.BytesIO(base64.b64decode(small.uri.partition(",")[2]))).convert("L"), dtype=int)
    assert np.abs(back - digit[..., 0]).max() < 40


def test_pictures_end_at_their_limit_and_say_so(tmp_path: Path) -> None:
    report, found = pictures_of(tmp_path)
    splits, _ = opened(list(report.groups()), (), CATALOG)
    first = report.pairs[0].name
    one = len(found[first][0].thumbnail.uri)
    limited, notes = pictures(every_pair(report), splits, most=one)
    assert list(limited) == [first]
    assert len(notes) == 1
    assert "1 of 2 comparisons" in notes[0]


def test_a_pair_shows_as_many_of_the_fixed_as_of_the_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, _ = pictures_of(tmp_path)
    pair = report.pairs[0]
    (image,) = pair.changed
    many = [dataclasses.replace(image, fixed=number % 3 == 0) for number in range(90)]
    splits, _ = opened(list(report.groups()), (), CATALOG)
    found, _ = pictures([dataclasses.replace(pair, changed=tuple(many))], splits)
    kinds = [picture.image.fixed for picture in found[pair.name]]
    assert kinds == [True] * gallery.SHOWN + [False] * gallery.SHOWN
