"""Tests of ImageNet-C, ImageNet-Sketch, Tiny ImageNet and ObjectNet, from made-up folders."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import benchsuite
from benchsuite import DataError, imagenet_classes, load_plugins
from benchsuite.builtin.variants import _corruptions
from benchsuite.evaluation.scoring import possible
from benchsuite.storage.run_folder import read_columns
from benchsuite.testing import check_dataset

DATASETS = load_plugins(entry_points=False).datasets
CLASSES = imagenet_classes()
IDS = list(CLASSES.index)
WORDS = ["run", "resnet18", "--weights", "random", "-p", "1crop:resize=32,crop=32", "--device", "cpu", "--data"]


def write(path: Path, colour: int = 0, size: tuple[int, int] = (6, 5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour % 256, 10, 20)).save(path)


def opened(name: str, path: Path, split: Any = "test") -> benchsuite.Split:
    return DATASETS[name].open(str(path), split)


def fails(name: str, path: Path, pattern: str, split: Any = "test") -> None:
    with pytest.raises(DataError, match=pattern) as caught:
        opened(name, path, split)
    assert "\n" not in str(caught.value)


def corrupted(root: Path, corruptions: tuple[str, ...], severities: str = "12345") -> Path:
    """Two images of each corruption and severity."""
    for i, corruption in enumerate(corruptions):
        for severity in severities:
            for label in (0, 7):
                write(root / corruption / severity / IDS[label] / "ILSVRC2012_val_00000001.png", 9 * i + label)
    return root


def test_imagenet_c_is_one_set_with_the_corruption_and_severity_of_each_image(tmp_path: Path) -> None:
    found = opened("imagenet-c", corrupted(tmp_path, ("fog", "snow"), "13"))
    assert found.groups == ("corruption", "severity")
    assert [(s.id, s.label, s.groups) for s in found.samples][:3] == [
        (f"fog/1/{IDS[0]}/ILSVRC2012_val_00000001.png", 0, ("fog", "1")),
        (f"fog/1/{IDS[7]}/ILSVRC2012_val_00000001.png", 7, ("fog", "1")),
        (f"fog/3/{IDS[0]}/ILSVRC2012_val_00000001.png", 0, ("fog", "3")),
    ]
    check_dataset(DATASETS["imagenet-c"], str(tmp_path))


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        (f"mist/1/{IDS[0]}", "CORRUPTION/SEVERITY, such as gaussian_noise/1, got mist/1"),
        (f"fog/6/{IDS[0]}", "got fog/6"),
        (f"fog/{IDS[0]}", f"got {IDS[0]}|class folders, got none"),
        ("fog/1/cat", "named by a class of imagenet-c, got cat"),
    ],
)
def test_other_folders_than_corruptions_and_severities_are_refused(tmp_path: Path, folder: str, pattern: str) -> None:
    write(tmp_path / folder / "a.png")
    fails("imagenet-c", tmp_path, pattern)


def test_alexnets_errors_are_the_fifteen_of_the_published_row() -> None:
    assert len(_corruptions.ALEXNET) == 15
    assert sum(map(Fraction, _corruptions.ALEXNET.values())) == Fraction("11.834896")
    assert len(set(_corruptions.CORRUPTIONS)) == 19


def test_a_run_counts_errors_by_corruption_and_severity_and_relates_them_to_alexnets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchsuite.cli import main

    data = f"imagenet-c:{corrupted(tmp_path, tuple(_corruptions.ALEXNET))}"
    assert main([*WORDS, data, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    columns = read_columns(Path(row["path"]), ("group_corruption", "group_severity", "rank"))
    images = list(zip(*(columns[name].tolist() for name in columns), strict=True))
    assert len(images) == 150 == sum(group["n"] for group in row["groups"])
    for group in row["groups"]:
        own = [rank for c, s, rank in images if (c, s) == (group["corruption"], group["severity"])]
        assert (group["n"], group["top1_errors"], group["top5_errors"]) == (
            2,
            sum(r > 0 for r in own),
            sum(r > 4 for r in own),
        )
    ratios = [
        np.mean([rank > 0 for c, _, rank in images if c == name]) / float(error)
        for name, error in _corruptions.ALEXNET.items()
    ]
    assert row["relative_error"]["name"] == "mCE"
    assert row["relative_error"]["value"] == pytest.approx(100 * np.mean(ratios))
    assert main([*WORDS, data]) == 0
    shown = capsys.readouterr().out
    assert f"mCE {row['relative_error']['value']:.2f} %" in shown
    assert "errors by corruption and severity: --all" in shown
    assert main([*WORDS, data, "--all"]) == 0
    assert "severity 5" in capsys.readouterr().out
    assert main(["show", row["run_id"]]) == 0
    brief = capsys.readouterr().out
    assert f"mCE {row['relative_error']['value']:.2f} %" in brief
    assert "errors by corruption and severity: --all" in brief
    assert main(["show", row["run_id"], "--all"]) == 0
    assert "severity 5" in capsys.readouterr().out
    report = benchsuite.write_report(row["path"])
    assert "by corruption" in report.markdown
    assert "severity 5" in report.markdown


def test_limited_and_incomplete_sets_have_groups_but_only_a_complete_one_has_an_mce(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchsuite.cli import main

    data = f"imagenet-c:{corrupted(tmp_path, ('fog', 'snow'))}"
    assert main([*WORDS, data, "--limit", "10", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert [(g["corruption"], g["severity"], g["n"]) for g in row["groups"]] == [
        (c, s, 1) for c in ("fog", "snow") for s in "12345"
    ]
    assert row["relative_error"]["value"] is None
    assert set(row["relative_error"]["missing"]) == set(_corruptions.ALEXNET) - {"fog", "snow"}
    assert main([*WORDS, data, "--limit", "10"]) == 0
    assert "mCE needs 5 groups of each corruption, which gaussian_noise and 12 more lack" in capsys.readouterr().out


def test_sketches_of_one_name_in_several_classes_are_told_apart(tmp_path: Path) -> None:
    for label in (0, 5):
        write(tmp_path / IDS[label] / "sketch_0.png", label)
    found = opened("imagenet-sketch", tmp_path)
    assert [(s.id, s.label) for s in found.samples] == [(f"{IDS[0]}/sketch_0.png", 0), (f"{IDS[5]}/sketch_0.png", 5)]
    check_dataset(DATASETS["imagenet-sketch"], str(tmp_path))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Three classes, in an order that is not that of their ids."""
    ids = [IDS[9], IDS[2], IDS[5]]
    (tmp_path / "wnids.txt").write_text("\n".join(ids))
    lines = []
    for i, wnid in enumerate(ids):
        write(tmp_path / "val" / "images" / f"val_{i}.png", i)
        write(tmp_path / "train" / wnid / "images" / f"{wnid}_0.png", i)
        lines.append(f"val_{i}.png\t{wnid}\t0\t32\t44\t62\n")
    (tmp_path / "val" / "val_annotations.txt").write_text("".join(lines))
    return tmp_path


def test_tiny_imagenets_indices_are_the_lines_of_its_ids(tiny: Path) -> None:
    found = opened("tiny-imagenet", tiny)
    assert {s.id: s.label for s in found.samples} == {"val_0.png": 0, "val_1.png": 1, "val_2.png": 2}
    assert found.classes == tuple(CLASSES.names[i] for i in (9, 2, 5))
    trained = opened("tiny-imagenet", tiny, "train")
    assert [(s.id, s.label) for s in trained.samples] == [
        (f"{IDS[i]}/{IDS[i]}_0.png", n) for i, n in ((2, 1), (5, 2), (9, 0))
    ]
    check_dataset(DATASETS["tiny-imagenet"], str(tiny))
    for part in ("val", "train"):
        assert opened("tiny-imagenet", tiny / part).samples == found.samples


def test_its_validation_folder_is_never_a_set_of_the_one_class_images(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchsuite.cli import main

    for name, path, said in (
        ("folder", tiny / "val", "got the images of Tiny ImageNet, whose labels are in val_annotations.txt"),
        ("folder", tiny, "got the images of Tiny ImageNet, whose labels are in val_annotations.txt"),
        ("imagenet", tiny / "val", "got images, which is not a WordNet id"),
        ("imagenet", tiny, "got images, which is not a WordNet id"),
    ):
        assert main([*WORDS, f"{name}:{path}"]) == 2
        printed = capsys.readouterr()
        assert said in printed.err
        assert f"use tiny-imagenet:{tiny})" in printed.err
        assert printed.out == ""
    (tiny / "val" / "val_annotations.txt").unlink()
    assert main([*WORDS, f"folder:{tiny / 'val'}"]) == 2
    assert "with one every answer is right, got 1, images" in capsys.readouterr().err


def test_its_jpeg_files_are_the_published_ones(tiny: Path) -> None:
    for i in range(3):
        Image.new("RGB", (64, 64), (i, 0, 0)).save(tiny / "val" / "images" / f"val_{i}.JPEG")
        (tiny / "val" / "images" / f"val_{i}.png").unlink()
    notes = tiny / "val" / "val_annotations.txt"
    notes.write_text(notes.read_text().replace(".png", ".JPEG"))
    found = benchsuite.check_data(f"tiny-imagenet:{tiny}", every=True, progress=False)
    assert "stored as JPEG" not in repr(found)
    assert "all 64 x 64 pixels" in repr(found)


def test_for_networks_of_1000_classes_tiny_imagenets_answers_are_among_its_own(tiny: Path) -> None:
    found = opened("tiny-imagenet-1k", tiny)
    assert {s.id: s.label for s in found.samples} == {"val_0.png": 9, "val_1.png": 2, "val_2.png": 5}
    assert found.among == (2, 5, 9)
    assert len(found.classes) == 1000
    check_dataset(DATASETS["tiny-imagenet-1k"], str(tiny))


@pytest.mark.parametrize(
    ("file", "content", "pattern"),
    [
        ("wnids.txt", None, "wnids.txt to be a readable text file"),
        ("val/val_annotations.txt", "val_0.png\tn00000000\n", "with an id of wnids.txt, got val_0.png n00000000"),
        ("val/val_annotations.txt", "", "got an image without a label"),
        ("val/val_annotations.txt", f"val_9.png\t{IDS[9]}\n", "val_0.png of tiny-imagenet|a label without an image"),
    ],
)
def test_a_tiny_imagenet_that_does_not_fit_is_refused(tiny: Path, file: str, content: str | None, pattern: str) -> None:
    if content is None:
        (tiny / file).unlink()
    else:
        (tiny / file).write_text(content)
    fails("tiny-imagenet", tiny, pattern)


def objectnet(root: Path, first: int = 0) -> Path:
    """Three folders: of one class, of two classes, and of none. ``first`` is the lowest of ImageNet's own ids."""
    places = [(i * 7) % 1000 for i in range(1000)]  # the line of each index in the list of labels
    lines = [""] * 1000
    for index, place in enumerate(places):
        lines[place] = f"label {index}"
    texts: dict[str, Any] = {
        "folder_to_objectnet_label.json": {"mug": "Coffee mug", "chair": "Chair", "air_freshener": "Air freshener"},
        "objectnet_to_imagenet_1k.json": {"Coffee mug": "label 504", "Chair": "label 765; label 559"},
        "pytorch_to_imagenet_2012_id.json": {str(i): place + first for i, place in enumerate(places)},
    }
    (root / "mappings").mkdir()
    for name, value in texts.items():
        (root / "mappings" / name).write_text(json.dumps(value))
    (root / "mappings" / "imagenet_to_label_2012_v2").write_text("\n".join(lines))
    for i, folder in enumerate(texts["folder_to_objectnet_label.json"]):
        write(root / "images" / folder / f"{i}.png", i, size=(10, 9))
    return root


@pytest.mark.parametrize("first", [0, 1])
def test_objectnets_folders_become_classes_of_imagenet_by_its_own_mappings(tmp_path: Path, first: int) -> None:
    found = opened("objectnet", objectnet(tmp_path, first))
    assert {s.id: s.label for s in found.samples} == {"mug/0.png": 504, "chair/1.png": 559}
    assert (found.among, found.alike) == ((504, 559), ((559, 765),))
    check_dataset(DATASETS["objectnet"], str(tmp_path))


def test_the_border_of_objectnet_is_cut_off(tmp_path: Path) -> None:
    found = opened("objectnet", objectnet(tmp_path))
    image = Image.new("RGB", (10, 9), (255, 0, 0))
    image.paste((1, 2, 3), (2, 2, 8, 7))
    image.save(found.samples[0].where)
    found = opened("objectnet", tmp_path)
    pixels = np.asarray(found.read(found.samples[0]))
    assert pixels.shape == (5, 6, 3)
    assert (pixels == (1, 2, 3)).all()
    image.putalpha(0)
    image.save(found.samples[0].where)
    _, clear = load_plugins().open_dataset(f"objectnet:{tmp_path},alpha=white")
    pixels = np.asarray(clear.read(clear.samples[0]))
    assert pixels.shape == (5, 6, 3)
    assert (pixels == 255).all()


def test_the_best_of_an_objects_classes_stands_for_it_and_other_classes_are_no_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchsuite.cli import main

    assert main([*WORDS, f"objectnet:{objectnet(tmp_path)}", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert row["among"] == 2
    assert set(read_columns(Path(row["path"]))["top5"].ravel().tolist()) == {504, 559}
    split = opened("objectnet", tmp_path)
    logits = np.random.default_rng(0).normal(size=(50, 1000)).astype(np.float32)
    kept = possible(logits, split)
    assert kept[:, 0].tolist() == logits[:, 504].tolist()
    assert kept[:, 1].tolist() == [max(row[559], row[765]) for row in logits.tolist()]


@pytest.mark.parametrize(
    ("name", "change", "pattern"),
    [
        ("objectnet_to_imagenet_1k.json", {"Coffee mug": "no such label"}, "got Coffee mug: no such label"),
        ("objectnet_to_imagenet_1k.json", {"Spoon": "label 1"}, "got Spoon: label 1"),
        ("objectnet_to_imagenet_1k.json", {"Chair": "label 1", "Coffee mug": "label 1"}, "belong to no other one"),
        ("pytorch_to_imagenet_2012_id.json", {"0": 5}, "1000 that follow each other"),
        ("folder_to_objectnet_label.json", ["mug"], "an object of names, got list"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(tmp_path: Path, name: str, change: Any, pattern: str) -> None:
    objectnet(tmp_path)
    (tmp_path / "mappings" / name).write_text(json.dumps(change))
    fails("objectnet", tmp_path, pattern)
    (tmp_path / "mappings" / name).unlink()
    fails("objectnet", tmp_path, f"{name} to be a readable text file")


@pytest.mark.parametrize("name", ["imagenet-c", "imagenet-sketch", "objectnet"])
def test_none_of_them_has_training_images(tmp_path: Path, name: str) -> None:
    fails(name, tmp_path, f"Expected the split of {name} to be test", "train")


def test_a_set_of_class_folders_takes_less_than_forty_lines() -> None:
    assert (Path(_corruptions.__file__).parent / "imagenet_sketch.py").read_text().count("\n") < 40
