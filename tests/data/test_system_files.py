"""Tests of what is passed over in folders and archives: it is never a class or an image, and it is counted."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

import copies
import pytest

from benchsuite import load_plugins
from benchsuite.data.archives import members, passed_over
from benchsuite.data.system_files import SYSTEM, system_kind
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.doctor.folder_survey import survey
from benchsuite.doctor.inspection import other_files
from benchsuite.progress import Progress

HIDDEN = (".ipynb_checkpoints", "._x.jpg")
JPEG = copies.made_up(1)[copies.name(1)][1]
SOUND = tuple(f"{c}/{c}{i}.jpg" for c in "ab" for i in range(2))


def test_the_first_part_that_is_passed_over_is_told() -> None:
    for name in SYSTEM:
        assert system_kind(name) == system_kind(f"a/{name.upper()}/.b.jpg") == system_kind(name.lower()) == name
    assert {system_kind(name) for name in HIDDEN} == {"hidden"}
    for path in ("a/b.jpg", "./a.jpg", "../a.jpg", "eaDir/a", "Thumbs.db.jpg", ""):
        assert system_kind(path) == ""


@pytest.mark.parametrize("name", [*SYSTEM, *HIDDEN])
@pytest.mark.parametrize("where", ["", "a/", "a/n/"])
def test_they_are_no_members_of_an_archive_at_any_depth_and_counted(tmp_path: Path, name: str, where: str) -> None:
    files = dict.fromkeys((*SOUND, f"{where}{name}/c/x.jpg"), JPEG)
    copies.tar(tmp_path / "x.tar", files)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    for file in (str(tmp_path / "x.tar"), str(tmp_path / "x.zip")):
        assert tuple(m.name for m in members(file, lambda _: True)) == SOUND
        assert passed_over(file) == Counter([system_kind(name)])


@pytest.mark.parametrize("name", [*SYSTEM, *HIDDEN])
@pytest.mark.parametrize("where", ["", "a/"])
def test_they_are_no_classes_beside_or_in_class_folders_and_counted(tmp_path: Path, name: str, where: str) -> None:
    for file in (*SOUND, f"{where}{name}/c/x.jpg"):
        copies.write(tmp_path / file, JPEG)
    _, split = load_plugins().open_dataset(f"folder:{tmp_path}", "test")
    assert split.classes == ("a", "b")
    assert tuple(s.id for s in split.samples) == SOUND
    assert other_files(split.samples) == Counter([system_kind(name)])
    seen = survey(tmp_path)
    assert (seen.folders, seen.nested, len(seen.images)) == ({"a": 2, "b": 2}, [], 4)
    assert seen.others == Counter([system_kind(name)])


@pytest.mark.parametrize("layout", ["folders", "official"])
def test_a_check_counts_them_in_every_copy(tmp_path: Path, layout: str) -> None:
    pictures = copies.made_up(4)
    path = copies.LAYOUTS[layout](tmp_path / "root", pictures)
    if layout == "folders":
        copies.write(next(path.glob("**/n*")) / "@eaDir" / "thumb.jpg", JPEG)
    else:
        files = {f"{name}.JPEG": content for name, (_, content) in pictures.items()}
        copies.tar(path / "ILSVRC2012_img_val.tar", files | {"@eaDir/thumb.jpg": JPEG})
    found = checkup(CheckRequest(f"imagenet:{path}"), load_plugins(), Progress())
    assert found.n == 4
    assert any("1 @eaDir" in f.text for f in found.findings)
