"""Each remedy that a check prints is applied, and the check is made again: the finding is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import copies
import numpy as np
import pytest
from PIL import Image

from benchsuite import load_plugins
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.progress import Progress


def picture(path: Path, seed: int, kind: type = np.uint8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (240, 230, 3)).astype(kind)
    Image.fromarray(pixels if kind is np.uint8 else pixels[..., 0]).save(path)


def fill(root: Path, *classes: str) -> None:
    for n, name in enumerate(classes):
        for i in range(2):
            picture(root / name / f"{name}{i}.png", 10 * n + i)


def empty(root: Path) -> None:
    fill(root, "a", "b")
    (root / "c").mkdir()


def nested(root: Path) -> None:
    fill(root, "n01440764", "n01443537")
    picture(root / "n01440764" / "images" / "x.png", 99)


def lift(root: Path) -> None:
    (root / "n01440764/images/x.png").rename(root / "n01440764/x.png")
    (root / "n01440764/images").rmdir()


def damaged(root: Path) -> None:
    fill(root, "a", "b")
    (root / "a/a0.png").write_bytes(b"")


def cut(root: Path) -> None:
    fill(root, "a", "b")
    (root / "a/a0.png").write_bytes((root / "a/a0.png").read_bytes()[:-3000])


def deep(root: Path) -> None:
    fill(root, "a", "b")
    picture(root / "a" / "a0.png", 1, np.uint16)


def pad(root: Path) -> None:
    (root / "2").rename(root / "02")


DAMAGES: list[tuple[str, Callable[[Path], None], str, Callable[[Path], object]]] = [
    ("empty", empty, "remove the folders that are not classes", lambda root: (root / "c").rmdir()),
    ("empty, filled", empty, "Put the missing images into", lambda root: picture(root / "c" / "x.png", 7)),
    ("nested", nested, "Move the images of the inner folders up", lift),
    ("no image", damaged, "Replace the files", lambda root: picture(root / "a/a0.png", 0)),
    ("cut short", cut, "Replace these files", lambda root: picture(root / "a/a0.png", 0)),
    ("16 bits", deep, "Replace these files", lambda root: picture(root / "a/a0.png", 0)),
    ("numbers", lambda root: fill(root, "2", "10"), "Add leading zeros", pad),
    ("one class", lambda root: fill(root, "a"), "a folder for each class", lambda root: fill(root, "a", "b")),
]


@pytest.mark.parametrize(("what", "damage", "advice", "remedy"), DAMAGES, ids=[row[0] for row in DAMAGES])
def test_a_remedy_that_is_followed_makes_the_set_fine(
    tmp_path: Path, what: str, damage: Callable[[Path], None], advice: str, remedy: Callable[[Path], object]
) -> None:
    damage(tmp_path)
    before = checkup(CheckRequest(f"folder:{tmp_path}"), load_plugins(), Progress())
    assert before.exit_status
    assert any(advice in f.advice for f in before.findings if f.level == "failed"), what
    remedy(tmp_path)
    after = checkup(CheckRequest(f"folder:{tmp_path}"), load_plugins(), Progress())
    assert after.exit_status == 0, [f.text for f in after.findings if f.level == "failed"]


@pytest.mark.parametrize("layout", ["parquet", "official"])
def test_an_archive_that_is_no_class_folder_opens_as_imagenet_as_the_advice_says(tmp_path: Path, layout: str) -> None:
    path = copies.LAYOUTS[layout](tmp_path / "root", copies.made_up(4))
    before = checkup(CheckRequest(f"folder:{path}"), load_plugins(), Progress())
    assert before.failure
    assert any("--data imagenet:FILE" in f.advice for f in before.findings)
    file = next(f for f in sorted(path.rglob("*")) if f.suffix in (".tar", ".parquet"))
    assert checkup(CheckRequest(f"imagenet:{file}"), load_plugins(), Progress()).n > 0
