"""Tests of what may be added, what is refused with what advice, and how a check is noted."""

from __future__ import annotations

import shutil
from pathlib import Path

import copies
import pytest
from PIL import Image

from benchsuite import BadParameter, DataError, UnknownName, load_plugins
from benchsuite.doctor.admission import admit
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.progress import Progress
from benchsuite.storage.data_places import config_file, known_places

CATALOG = load_plugins(entry_points=False)


def fill(root: Path, *classes: str) -> Path:
    for n, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        Image.new("RGB", (30, 30), (40 * n, 0, 0)).save(root / name / f"{n}.png")
    return root


def add(name: str, path: object) -> None:
    admit(name, str(path), CATALOG, Progress())


def test_a_data_set_is_opened_counted_and_written_down(tmp_path: Path) -> None:
    root = fill(tmp_path, "a", "b")
    place, before = admit("folder", str(root), CATALOG, Progress())
    assert before is None
    assert known_places() == {"folder": place}
    assert (place.path, place.images, place.checked, place.fine) == (str(root), 2, "", None)


def test_an_archive_with_labels_elsewhere_is_added_with_full_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copies.LAYOUTS["official"](tmp_path / "root", copies.made_up(4))
    monkeypatch.chdir(path)
    (archive,) = path.glob("*.tar")
    admit("imagenet", archive.name, CATALOG, Progress())
    assert known_places()["imagenet"].path == str(archive)


def nested(root: Path) -> None:
    fill(root / "deep" / "er", "a", "b")


def empty(root: Path) -> None:
    fill(root, "a", "b")
    (root / "c").mkdir()


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (nested, "The class folders are in deep/er: append this to PATH"),
        (empty, "Put the missing images into the empty folders, or remove the folders that are not classes"),
        (lambda root: fill(root, "a"), "Put the images into a folder for each class, and let PATH hold these folders"),
    ],
)
def test_a_wrong_folder_is_refused_with_what_the_check_advises(tmp_path: Path, make: object, advice: str) -> None:
    make(tmp_path / "root")  # type: ignore[operator]
    with pytest.raises(DataError) as refused:
        add("folder", tmp_path / "root")
    assert str(refused.value).endswith(advice)
    assert "\n" not in str(refused.value)
    assert known_places() == {}
    found = checkup(CheckRequest(f"folder:{tmp_path / 'root'}"), CATALOG, Progress())
    assert advice in [f.advice for f in found.findings]


def test_a_copy_of_imagenet_that_is_added_as_another_set_is_recognised(tmp_path: Path) -> None:
    path = copies.LAYOUTS["official"](tmp_path / "root", copies.made_up(4))
    with pytest.raises(DataError, match=rf"\. Give it as --data imagenet:{path}"):
        add("folder", path)


def test_what_cannot_be_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'imagenet'"):
        add("imagnet", tmp_path)
    with pytest.raises(BadParameter, match="got digits, which is embedded"):
        add("digits", tmp_path)
    for path in ("", "/a\udcff", "~/a\0b"):
        with pytest.raises(BadParameter, match="Expected PATH to be a text, and UTF-8"):
            add("imagenet", path)
    with pytest.raises(DataError, match="got a path that does not exist"):
        add("imagenet", tmp_path / "none")
    assert not config_file().exists()


def test_a_check_is_noted_for_the_place_that_was_added_and_for_no_other(tmp_path: Path) -> None:
    root, other = fill(tmp_path / "root", "a", "b"), fill(tmp_path / "other", "a", "b", "c")
    add("folder", root)
    checkup(CheckRequest(f"folder:{other}"), CATALOG, Progress())
    assert known_places()["folder"].checked == ""
    checkup(CheckRequest("folder"), CATALOG, Progress())
    first = known_places()["folder"]
    assert (first.checked[:2], first.fine, first.full) == ("20", True, False)
    Image.new("RGB", (30, 30), (9, 9, 9)).save(root / "a" / "new.png")
    checkup(CheckRequest(f"folder:{root}", full=True), CATALOG, Progress())
    second = known_places()["folder"]
    assert (second.images, second.fine, second.full) == (3, True, True)
    assert second.digest != first.digest
    add("folder", root)
    assert known_places()["folder"] == second
    (root / "b" / "1.png").unlink()
    assert checkup(CheckRequest("folder"), CATALOG, Progress()).failure
    third = known_places()["folder"]
    assert (third.images, third.fine, third.full) == (3, False, False)
    shutil.rmtree(root / "b")
    fill(root, "c", "d")
    add("folder", root)
    assert known_places()["folder"].checked == ""


def test_a_check_of_the_training_images_is_not_noted(tmp_path: Path) -> None:
    fill(tmp_path / "test", "a", "b")
    fill(tmp_path / "train", "a", "b")
    add("folder", tmp_path)
    checkup(CheckRequest("folder", split="train"), CATALOG, Progress())
    assert known_places()["folder"].checked == ""


def test_a_check_whose_outcome_cannot_be_noted_goes_on_and_says_so(tmp_path: Path) -> None:
    notes: list[str] = []

    class Noted(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    config_file().write_bytes(b"{")
    found = checkup(CheckRequest(f"folder:{fill(tmp_path, 'a', 'b')}"), CATALOG, Noted())
    assert found.exit_status == 0
    assert any("not noted: Expected the file of known data sets" in note for note in notes)
