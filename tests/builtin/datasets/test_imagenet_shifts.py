"""Tests of ImageNet-V2, -A, -R and ReaL: indices from folder names, predictions among 200 classes, lists of labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchsuite import DataError, Split, load_plugins
from benchsuite.builtin.datasets import _real, _synsets, imagenet, imagenet_shifts
from benchsuite.testing import check_dataset

IDS = _synsets.wnids()
SUBSET = sorted(_synsets.subset("a"))
DATASETS = load_plugins(entry_points=False).datasets


def write(path: Path, colour: int = 0, size: tuple[int, int] = (6, 5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour % 256, 10, 20)).save(path)


def fails(opened: Callable[..., Split], path: Any, pattern: str, split: str = "test") -> None:
    with pytest.raises(DataError, match=pattern) as caught:
        opened(str(path), split)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def subset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 class folders, with the text file of the published archives."""
    root = tmp_path_factory.mktemp("imagenet-a")
    for i, name in enumerate(SUBSET):
        write(root / name / "0.1_same name in each.png", i)
    (root / "README.txt").write_text("about")
    return root


def test_the_folders_of_v2_are_numbers_and_not_text(tmp_path: Path) -> None:
    for name in ("0", "2", "10", "100", "999"):
        write(tmp_path / name / "a.png")
    found = imagenet_shifts.open_v2(str(tmp_path), "test")
    assert {s.id: s.label for s in found.samples} == {
        "0/a.png": 0,
        "10/a.png": 10,
        "100/a.png": 100,
        "2/a.png": 2,
        "999/a.png": 999,
    }
    assert found.name == "imagenet-v2"
    assert found.classes == _synsets.names(IDS)
    assert found.among == ()
    check_dataset(DATASETS["imagenet-v2"], str(tmp_path))


@pytest.mark.parametrize("which", ["matched-frequency", "threshold0.7", "top-images"])
def test_the_name_of_a_v2_split_says_which_of_the_three_it_is(tmp_path: Path, which: str) -> None:
    write(tmp_path / f"imagenetv2-{which}-format-val" / "7" / "a.png")
    (found,) = {imagenet_shifts.open_v2(str(p), "test").name for p in (tmp_path, next(tmp_path.iterdir()))}
    assert found == f"imagenet-v2-{which}"


@pytest.mark.parametrize(
    ("folders", "pattern"),
    [
        (["1", "1000"], "named by a number from 0 to 999, without zeros before it, got 1000"),
        (["1", "007"], "without zeros before it, got 007"),
        (["1", "n01440764"], "without zeros before it, got n01440764"),
        (["tench"], "the class folders 0 to 999, or with one folder that holds them, got none"),
        (["a/1", "b/1"], "got a and b"),
    ],
)
def test_other_folders_than_those_of_v2_are_refused(tmp_path: Path, folders: list[str], pattern: str) -> None:
    for name in folders:
        write(tmp_path / name / "a.png")
    fails(imagenet_shifts.open_v2, tmp_path, pattern)


def test_answers_are_chosen_among_the_200_classes_of_the_folders(subset: Path) -> None:
    found = DATASETS["imagenet-a"].open(str(subset), "test")
    assert found.name == "imagenet-a"
    assert found.among == tuple(IDS.index(name) for name in SUBSET)
    assert len(found.among) == 200
    assert [s.label for s in found.samples] == list(found.among)
    assert len(found.classes) == 1000
    check_dataset(DATASETS["imagenet-a"], str(subset))


def test_the_renditions_have_200_classes_of_their_own(subset: Path, tmp_path: Path) -> None:
    own = sorted(_synsets.subset("r"))
    assert len(own) == 200
    for name in own:
        write(tmp_path / name / "art_0.jpg")
    found = DATASETS["imagenet-r"].open(str(tmp_path), "test")
    assert (found.name, found.among) == ("imagenet-r", tuple(IDS.index(name) for name in own))
    both = len(set(own) & set(SUBSET))
    pattern = (
        f"each class folder of imagenet-{{}} to be one of its 200 classes, got n.* and {200 - both - 1} other folders"
    )
    fails(imagenet_shifts.open_r, subset, pattern.format("r"))
    fails(imagenet_shifts.open_a, tmp_path, pattern.format("a"))


def test_fewer_folders_than_200_are_refused_for_they_are_an_easier_question(tmp_path: Path, subset: Path) -> None:
    for name in SUBSET[:199]:
        (tmp_path / name).symlink_to(subset / name)
    fails(imagenet_shifts.open_a, tmp_path, "all 200 class folders, among which answers are chosen, got 199")
    write(tmp_path / "n00000000" / "a.png")
    fails(imagenet_shifts.open_r, tmp_path, "got n00000000, which is not one of the 1000 classes")


@pytest.mark.parametrize("name", ["imagenet-v2", "imagenet-a", "imagenet-r", "imagenet-real"])
def test_none_of_them_has_training_images(subset: Path, name: str) -> None:
    fails(DATASETS[name].open, subset, f"Expected the split of {name} to be test", split="train")


def test_a_run_on_a_subset_leaves_the_other_logits_out_and_says_so(
    subset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchsuite.cli import main

    words = ["run", "resnet18", "--weights", "random", "-p", "1crop:resize=32,crop=32", "--limit", "4"]
    words += ["--data", f"imagenet-a:{subset}", "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert row["among"] == 200
    from benchsuite.storage.run_folder import read_columns

    allowed = {IDS.index(name) for name in SUBSET}
    assert set(read_columns(Path(row["path"]))["top5"].ravel().tolist()) <= allowed
    assert main(words) == 0
    assert "answers are chosen among 200 classes" in " ".join(capsys.readouterr().out.split())  # lines end anywhere


def test_a_softmax_over_all_classes_inside_the_network_is_refused_on_a_subset(
    subset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchsuite.cli import main

    words = ["run", "resnet18", "--weights", "random", "-p", "fullconv:spatial=prob", "--data", f"imagenet-a:{subset}"]
    assert main(words) == 2
    assert "to be mean, gap or avgmax on imagenet-a, got prob" in capsys.readouterr().err


# ReaL


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    """Three validation images in class folders, and real.json next to them."""
    for number, name in ((1, IDS[0]), (2, IDS[0]), (50_000, IDS[999])):
        write(tmp_path / "val" / name / f"ILSVRC2012_val_{number:08d}.png", number)
    lists: list[list[int]] = [[]] * 50_000
    lists[0], lists[49_999] = [0, 7], [998]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    return tmp_path


def test_each_validation_image_has_the_list_of_its_number(validation: Path, tmp_path: Path) -> None:
    found = imagenet.open_real(str(validation), "test")
    assert [(s.id[-5:], s.label, s.real) for s in found.samples] == [
        ("00001", 0, (0, 7)),
        ("00002", 0, ()),
        ("50000", 999, (998,)),
    ]
    plain = imagenet.open_imagenet(str(validation), "test")
    assert [(s.id, s.label, s.stamp) for s in found.samples] == [(s.id, s.label, s.stamp) for s in plain.samples]
    assert found.name == "imagenet-real"
    check_dataset(DATASETS["imagenet-real"], str(validation))
    (validation / "real.json").rename(tmp_path / "elsewhere.json")
    again = imagenet.open_real(f"{validation},real={tmp_path / 'elsewhere.json'}", "test")
    assert again.samples == found.samples


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("[[1]]", "a list of 50000 lists, got 1"),
        ("{}", "a list of 50000 lists, got dict"),
        ("[[1], ", "a readable JSON file"),
        (json.dumps([[1]] * 49_999 + [[1000]]), "list 50000 of real.json .* 0 to 999, got .1000."),
        (json.dumps([[1]] * 49_999 + [3]), "list 50000 of real.json"),
        (json.dumps([[True]] * 50_000), "list 1 of real.json"),
    ],
)
def test_a_real_json_that_is_not_the_official_one_is_refused(validation: Path, content: str, pattern: str) -> None:
    (validation / "real.json").write_text(content)
    fails(imagenet.open_real, validation, pattern)


def test_images_that_real_json_does_not_know_are_refused(validation: Path) -> None:
    write(validation / "val" / IDS[4] / "tench.png")
    fails(
        imagenet.open_real,
        validation,
        "ILSVRC2012_val_00000001 to 00050000, the names that real.json refers to, got tench",
    )


def test_without_real_json_the_copy_that_timm_ships_counts(validation: Path) -> None:
    (validation / "real.json").unlink()
    found = {s.id: s.real for s in imagenet.open_real(str(validation), "test").samples}
    known = _real.by_id()
    assert len(known) == 50_000
    assert found == {name: known[name] for name in found}
    assert found["ILSVRC2012_val_00000001"] == ()
    assert found["ILSVRC2012_val_00000002"] == (970, 795)
    fails(imagenet.open_real, f"{validation},real={validation / 'none.json'}", "reassessed-imagenet")


def test_a_run_counts_reassessed_labels_beside_the_others(validation: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchsuite.cli import main

    words = ["run", "resnet18", "--weights", "random", "-p", "1crop:resize=32,crop=32", "--device", "cpu", "--data"]
    assert main([*words, f"imagenet-real:{validation}", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert (row["n"], row["real_n"]) == (3, 2)
    from benchsuite.storage.run_folder import read_columns

    answers = read_columns(Path(row["path"]))["top5"][:, 0].tolist()
    assert row["real_errors"] == (answers[0] not in (0, 7)) + (answers[2] != 998)
    assert main([*words, f"imagenet-real:{validation}"]) == 0
    assert "ReaL" in capsys.readouterr().out
    told = f"real_error={row['real_error']:.3f}+-0.001"
    assert main([*words, f"imagenet-real:{validation}", "--expect", told]) == 0
    assert main([*words, f"imagenet:{validation}", "--expect", told]) == 1
    assert "real_error is missing" in capsys.readouterr().err
    lists = json.loads((validation / "real.json").read_text())
    lists[0] = [answers[0]]
    (validation / "real.json").write_text(json.dumps(lists))
    assert main([*words, f"imagenet-real:{validation}", "--json"]) == 0
    (other,) = json.loads(capsys.readouterr().out)["runs"]
    assert other["run_id"] != row["run_id"]
    assert other["real_errors"] == (answers[2] != 998)
