"""Tests of the survey of a folder that could not be opened."""

from __future__ import annotations

from collections import Counter

import pytest

from benchsuite.doctor.folder_survey import Survey, surveyed
from benchsuite.doctor.kinds import Finding


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


def test_a_folder_that_cannot_be_opened_is_described() -> None:
    folders = {"n01440764": 3, "n01443537": 2, "tench": 1, "n01484850": 0}
    survey = Survey(folders, [f"{i}.jpg" for i in range(6)], Counter({".txt": 1}), ["tench/more"])
    broken = ["Expected an image, got an empty file (a.jpg)"]
    found = surveyed(survey, broken, "Expected a class folder to be named")
    assert [(f.check, f.level) for f in found[:2]] == [("opening", "failed"), ("folders", "ok")]
    assert found[1].text == "6 images in 4 folders, 3 named by WordNet ids"
    texts = {f.text: f.examples for f in found[2:]}
    assert texts["1 folder not named by WordNet ids, unlike the others"] == ("tench",)
    assert texts["1 folder without an image"] == ("n01484850",)
    assert texts["1 folder inside the class folders"] == ("tench/more",)
    assert "1 file with the suffix of an image, but empty, not an image or not readable" in texts
    assert only(surveyed(Survey(), [], "nothing")[1:]).level == "failed"


def test_folders_that_lie_deeper_are_pointed_to() -> None:
    classes = {"n01440764": 1, "n01443537": 1}
    for where, told in (("", False), ("val", False), ("ILSVRC/Data/CLS-LOC/val", True)):
        _, folders = surveyed(Survey(classes, ["a.jpg", "b.jpg"], where=where), [], "Expected")
        assert folders.text == f"2 images in 2 folders{where and f' of {where}'}, 2 named by WordNet ids"
        assert bool(folders.advice) is told
        assert (where in folders.advice) is (told or not where)


@pytest.mark.parametrize("suffix", [".tar", ".zip", ".parquet"])
def test_an_archive_alone_is_opened_as_it_is_and_no_folder_is_to_be_filled(suffix: str) -> None:
    _, folders, _ = surveyed(Survey({"data": 0}, others=Counter({suffix: 1, ".gz": 1})), [], "Expected")
    assert folders.level == "failed"
    assert "--data imagenet:FILE" in folders.advice


def test_a_compressed_archive_is_to_be_decompressed() -> None:
    _, folders, _ = surveyed(Survey(others=Counter({".gz": 1})), [], "Expected")
    assert folders.advice.startswith("Decompress the archive")


def test_folders_of_several_data_sets_are_no_class_folders_with_folders_inside() -> None:
    found = Survey({"v2-a": 3, "v2-b": 3}, ["x.jpg"] * 6, nested=["v2-a/0", "v2-a/1", "v2-b/0"])
    _, _, inside = surveyed(found, [], "Expected")
    assert (inside.examples, inside.advice) == (("v2-a", "v2-b"), "Use one of these folders as PATH")
    assert "3 folders inside 2 folders" in inside.text


def test_images_beside_no_class_folder_are_told_by_their_place() -> None:
    _, folders = surveyed(Survey(images=["a.jpg"], where="val"), [], "Expected")
    assert folders.text == "1 image in val, but no class folders"
