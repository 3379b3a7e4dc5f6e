"""Tests that committed runs contain no path of a machine, and that their counts match their predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from finished_runs import saved, scores
from finished_trainings import correct, learned

from benchsuite.report import committed_runs
from benchsuite.storage import run_folder


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("imagenet:/data/imagenet", "imagenet:PATH"),
        ("benchsuite run a --data cifar10:/home/me/c10 --limit 5", "benchsuite run a --data cifar10:PATH --limit 5"),
        ("~/weights/a.pth", "PATH"),
        ("/root/.cache/x", "PATH"),
        (r"C:\Users\me\a.pth", "PATH"),
        ("folder:C:\\data\\x", "folder:PATH"),
        ('"/tmp/a/b", and /tmp/c/d', '"PATH", and PATH'),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("256/224 and decode / wait / forward", "256/224 and decode / wait / forward"),
        ("He et al. 2015 (arXiv:1512.03385), sec. 3.4", "He et al. 2015 (arXiv:1512.03385), sec. 3.4"),
        ("n02100735/n02100735_1.JPEG", "n02100735/n02100735_1.JPEG"),
        ("crop 224 / 0.875; and/or", "crop 224 / 0.875; and/or"),
        ("plugins/pnn.py/main", "plugins/pnn.py/main"),
        ("imagenet:imagenet-500", "imagenet:imagenet-500"),
    ],
)
def test_paths_of_a_machine_become_a_word_and_nothing_else_does(text: str, clean: str) -> None:
    assert committed_runs.portable({"a": [text, {"b": text}], "c": 1, "d": None}) == {
        "a": [clean, {"b": clean}],
        "c": 1,
        "d": None,
    }


def test_the_path_that_a_run_was_told_is_taken_out_everywhere_even_a_relative_one_with_blanks() -> None:
    manifest = {
        "asked": {"data": "imagenet:my images/val"},
        "command": "benchsuite run a --data imagenet:my images/val",
    }
    assert committed_runs.portable(manifest) == {
        "asked": {"data": "imagenet:PATH"},
        "command": "benchsuite run a --data imagenet:PATH",
    }


def told(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}, indent=2, ensure_ascii=False) + "\n")


def test_manifests_and_ladders_of_committed_folders_are_cleaned_and_a_users_own_are_not(tmp_path: Path) -> None:
    one = saved(tmp_path / "digits", "resnet50-1crop-x-aaa", scores(20, 10, 1))
    own = saved(tmp_path, "resnet50-1crop-x-bbb", scores(20, 10, 1))
    course = learned(tmp_path / "pnn", "pnn-a", correct(2, 20))
    for folder in (one, own):
        told(folder, command="benchsuite run a --data imagenet:/data/imagenet")
    ladder = tmp_path / "digits" / "ladder.json"
    ladder.write_text(json.dumps({"rungs": [{"path": "/home/me/results/runs/a"}]}))
    found = list(committed_runs.files_with_paths(tmp_path))
    assert [k.path for k in found] == [one / "manifest.json", course / "manifest.json", ladder]
    assert found[1].paths == ["/home/me/cifar"]
    for kept in found:
        committed_runs.write(kept)
    assert list(committed_runs.files_with_paths(tmp_path)) == []
    assert json.loads(ladder.read_text()) == {"rungs": [{"path": "PATH"}]}
    assert "/data/imagenet" in (own / "manifest.json").read_text()
    assert run_folder.read_manifest(one) is not None


def test_counts_that_the_predictions_deny_are_told(tmp_path: Path) -> None:
    folder = saved(tmp_path / "digits", "resnet50-1crop-x-aaa", scores(20, 10, 1))
    assert list(committed_runs.faults(tmp_path)) == []
    counts = json.loads((folder / "manifest.json").read_text())["counts"]
    told(folder, counts={**counts, "top1_errors": counts["top1_errors"] + 1})
    (said,) = committed_runs.faults(tmp_path)
    assert f"'top1_errors': {counts['top1_errors']}" in said
    told(folder, counts=counts)
    other = saved(
        tmp_path / "else", "resnet50-1crop-x-aaa", scores(20, 10, 1), ids=["same"] * 2 + list("abcdefghijklmnopqr")
    )
    (said,) = committed_runs.faults(tmp_path)
    assert "some twice" in said
    (other / "predictions.parquet").unlink()
    (said,) = committed_runs.faults(tmp_path)
    assert "no predictions.parquet" in said
