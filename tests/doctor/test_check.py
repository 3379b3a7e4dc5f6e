"""Tests of ``benchsuite data check``: its output, its exit status, and its findings on real images."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import digit_files
import numpy as np
import pytest
from PIL import Image
from toys import ToyPlugin

from benchsuite import Census, Dataset, Sample, Split, WeightsError, hookimpl, load_plugins
from benchsuite.builtin.datasets import _real
from benchsuite.cli import main
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.progress import Progress


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    status = main(["data", "check", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def levels(found: dict[str, Any]) -> dict[str, str]:
    worst = ("ok", "skipped", "note", "failed")
    return {
        c: max((f["level"] for f in found["findings"] if f["check"] == c), key=worst.index)
        for c in {f["check"] for f in found["findings"]}
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes of four pictures of noise."""
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for i in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            pixels = random.integers(0, 256, (300, 240 + i, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.jpg")
    return tmp_path


def test_the_digits_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = check(capsys, "digits")
    assert (status, found["opened"], found["fine"]) == (0, True, True)
    assert (found["n"], found["classes"], found["decoded"]) == (360, 10, 360)
    assert levels(found)["counts"] == "ok"
    assert len(found["digest"]) == len(found["pixels_digest"]) == 64
    status, train = check(capsys, "digits", "--split", "train")
    assert (status, train["n"]) == (0, 1437)
    assert train["digest"] != found["digest"]


def test_a_sound_folder_is_fine_and_each_disease_is_found(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = check(capsys, f"folder:{tree}", "--full")
    assert (status, set(levels(found).values())) == (0, {"ok", "skipped"})
    shutil.copy(tree / "cat" / "0.jpg", tree / "dog" / "copy.jpg")
    whole = (tree / "dog" / "1.jpg").read_bytes()
    (tree / "dog" / "1.jpg").write_bytes(whole[:-3000])
    Image.open(tree / "cat" / "1.jpg").convert("CMYK").save(tree / "cat" / "1.jpg")
    Image.new("RGB", (30, 500)).save(tree / "cat" / "thin.jpg")
    (tree / "cat" / "._0.jpg").write_bytes(b"x")
    for how in ((), ("--full",)):
        status, found = check(capsys, f"folder:{tree}", *how)
        assert status == 1
        assert levels(found) == {
            "changes": "ok" if how else "note",
            "counts": "ok",
            "folders": "note",
            "images": "failed",
            "sizes": "note",
            "colours": "note",
            "duplicates": "note",
            "class order": "skipped",
        }
        (broken,) = (f["examples"] for f in found["findings"] if (f["check"], f["level"]) == ("images", "failed"))
        assert len(broken) == 1
        assert "dog/1.jpg" in broken[0]
        assert found["verdict"] == "Not fine: images failed. Fix this before a long run."


def test_the_numbered_folders_of_imagenet_v2_are_in_order_as_such_and_not_as_any_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("0", "2", "10"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (5, 5), (int(name), 0, 0)).save(tmp_path / name / "a.png")
    _, found = check(capsys, f"imagenet-v2:{tmp_path}")
    assert levels(found)["class order"] == "skipped"
    status, found = check(capsys, f"folder:{tmp_path}")
    assert (status, levels(found)["class order"]) == (1, "failed")


def test_in_words_it_says_what_is_wrong_and_what_to_do(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "dog" / "1.jpg").write_bytes((tree / "dog" / "1.jpg").read_bytes()[:-3000])
    assert main(["data", "check", f"folder:{tree}", "--all"]) == 1
    assert "digest" in capsys.readouterr().out
    assert main(["data", "check", f"folder:{tree}"]) == 1
    out = capsys.readouterr().out
    assert "Not fine: images failed." in " ".join(out.split("\n\n")[0].split())
    assert "FAILED" in out
    assert "checked and fine: counts" in out
    assert "1 image cannot be read" in out
    assert "- images: Replace these files from the archive" in out
    assert " ok " not in out


def test_weights_that_cannot_be_had_are_said_before_any_image_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoWeights(ToyPlugin):
        @hookimpl
        def benchsuite_architectures(self) -> Any:
            for a in super().benchsuite_architectures():
                gone = tuple(dataclasses.replace(w, load=lambda: 1 / 0) for w in a.weights)
                yield dataclasses.replace(a, weights=gone)

    catalog = load_plugins(entry_points=False, extra=[NoWeights(), Painted(flipped=False)])
    monkeypatch.setattr("benchsuite.doctor.inspection.examine_all", lambda *how: pytest.fail("images were looked at"))
    with pytest.raises(WeightsError, match="Cannot get the weights identity of toy"):
        checkup(CheckRequest("painted", model="toy", weights="identity", device="cpu"), catalog, Progress())


def test_a_large_group_of_copies_is_cut_in_print_and_whole_in_json(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(60):
        shutil.copy(tree / "cat" / "0.jpg", tree / "cat" / f"copy number {i}.jpg")
    monkeypatch.setenv("COLUMNS", "1000")
    for words, most in (([], 150), (["--all"], 450)):
        main(["data", "check", f"folder:{tree}", *words])
        (line,) = (t for t in capsys.readouterr().out.splitlines() if t.startswith("duplicates: "))
        assert line.endswith("…")
        assert most - 50 < len(line) < most
    _, found = check(capsys, f"folder:{tree}")
    (group,) = next(f["examples"] for f in found["findings"] if f["check"] == "duplicates" and f["level"] == "note")
    assert group.count(" = ") == 60


def test_validation_images_are_held_against_the_reassessed_labels_that_timm_ships(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lists of images 2 to 5 of the published order: 970 and 795, 230 and 231, 809, and 516 and 850."""
    random = np.random.default_rng(0)
    for n in range(2, 6):
        pixels = random.integers(0, 256, (240, 240, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"ILSVRC2012_val_{n:08d}.JPEG")
    known = _real.by_id()
    labels = [known[f"ILSVRC2012_val_{n:08d}"][0] for n in range(2, 6)]
    for shift, level in ((0, "ok"), (1, "failed")):
        lines = [f"ILSVRC2012_val_{n:08d}.JPEG {label + 2 * shift}\n" for n, label in enumerate(labels, 2)]
        (tmp_path / "val.txt").write_text("".join(lines))
        status, found = check(capsys, f"imagenet:{tmp_path}")
        assert (status, levels(found)["counts"], levels(found)["labels"]) == (1, "failed", level)
    assert main(["data", "check", f"imagenet:{tmp_path}", "--all"]) == 1
    assert "and 995 more, listed by --json" in " ".join(capsys.readouterr().out.split())


def test_what_cannot_be_opened_is_surveyed_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("n01440764", "n01443537", "tench"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (5, 5)).save(tmp_path / name / "a.png")
    assert main(["data", "check", f"imagenet:{tmp_path}", "--json"]) == 2
    streams = capsys.readouterr()
    found = json.loads(streams.out)
    assert (found["opened"], found["verdict"]) == (False, "The data set cannot be opened.")
    assert any(f["examples"] == ["tench"] for f in found["findings"])
    assert "got tench, which is not a WordNet id" in streams.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["imagenet:/no/such/folder"], "got a path that does not exist (/no/such/folder"),
        (["imagenet"], "without a path"),
        (["imagenot:/data"], "did you mean 'imagenet'?"),
        (["digits", "--split", "tset"], "Unknown --split 'tset': did you mean 'test'?"),
        (["digits", "--model", "resnet5"], "Unknown architecture 'resnet5'"),
        (["digits", "--weights", "random"], "Expected --weights to be used with --model"),
        (["digits", "--images", "10"], "Expected --images to be used with --model, got no model"),
        (["digits", "--device", "cpu"], "Expected --device to be used with --model, got no model"),
        (["digits", "--split", "train", "--model", "resnet18"], "Expected --model to be used with --split test"),
        (["digits", "--model", "resnet18", "--weights", "none.pth"], "Expected --weights to be a name or a file"),
        (["digits", "--model", "resnet18", "--weights", "IMAGENET1K_V1"], "Expected the number of classes of digits"),
        (["digits", "--model", "resnet18", "--images", "0"], "Expected --images to be at least 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["data", "check", *words])
    except SystemExit as stop:
        status = int(stop.code or 0)
    assert status == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in streams.err.splitlines()[-1]


def test_a_whole_copy_of_generated_files_fails_only_in_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digit_files.write_mnist(tmp_path, "t10k", 50)
    status, found = check(capsys, f"mnist:{tmp_path}")
    assert (status, levels(found)["counts"], levels(found)["sizes"]) == (1, "failed", "ok")
    assert "50 of 10,000 images" in found["findings"][0]["text"]


COLOURS = np.eye(3, dtype=np.uint8) * 255


class Painted:
    """A data set of plain red and green images with the given labels."""

    __name__ = "painted"

    def __init__(self, flipped: bool) -> None:
        self.flipped = flipped

    @hookimpl
    def benchsuite_datasets(self) -> list[Dataset]:
        labels = [(i + self.flipped) % 2 for i in range(60)]
        samples = tuple(Sample(f"{i:02d}", label, "memory", str(i)) for i, label in enumerate(labels))

        def read(sample: Sample) -> Any:
            return np.tile(COLOURS[int(sample.id) % 2], (5, 5, 1))

        split = Split("painted", samples, ("red", "green"), mirror=True, read=read)
        census = (Census("test", 60, 2, 30, (5, 5)),)
        how = {"note": "-", "source": "-", "path": "none", "census": census}
        return [Dataset("painted", lambda path, part: split, mirror=True, **how)]


@pytest.mark.parametrize("flipped", [False, True])
def test_a_network_sees_whether_the_classes_are_in_order(flipped: bool) -> None:
    catalog = load_plugins(entry_points=False, extra=[ToyPlugin(), Painted(flipped)])
    request = CheckRequest("painted", model="toy", weights="identity", device="cpu")
    found = checkup(request, catalog, Progress())
    (order,) = (f for f in found.findings if f.check == "class order")
    assert order.level == ("failed" if flipped else "ok")
    assert f"{0 if flipped else 60} of 60 images" in order.text
    assert found.exit_status == flipped


def test_real_images_are_looked_at_whole(imagenet500: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = check(capsys, f"imagenet:{imagenet500}")
    assert (status, found["n"], found["classes"], found["decoded"]) == (1, 500, 500, 500)
    assert levels(found) == {
        "counts": "failed",
        "folders": "ok",
        "images": "ok",
        "sizes": "note",
        "colours": "note",
        "duplicates": "ok",
        "class order": "skipped",
    }
    grey = 0
    for path in imagenet500.rglob("*.JPEG"):
        with Image.open(path) as image:
            grey += image.mode == "L"
    assert any(f["text"].startswith(f"{grey} images in mode L") for f in found["findings"])


def test_a_real_class_that_lies_in_the_folder_of_another_is_found(
    imagenet500: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in sorted((imagenet500 / "val").iterdir())[:3]:
        shutil.copytree(folder, tmp_path / "val" / folder.name)
    first, second, _ = sorted((tmp_path / "val").iterdir())
    image = next(first.iterdir())
    shutil.copy(image, second / f"{first.name}_1.JPEG")
    _, found = check(capsys, f"imagenet:{tmp_path}")
    assert levels(found)["folders"] == "failed"
    assert "2 images in 1 group with the same bytes" in next(
        f["text"] for f in found["findings"] if f["check"] == "duplicates"
    )


def test_an_interruption_promises_nothing_that_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchsuite.doctor.check.checkup", interrupted)
    assert main(["data", "check", "digits"]) == 130
    said = "benchsuite: interrupted; a check keeps no partial result: the same command starts from the beginning\n"
    assert capsys.readouterr().err == said


def test_a_deep_image_among_many_is_found_without_full(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.doctor.check.DECODED", 1)
    Image.fromarray(np.arange(60_000, dtype=np.uint16).reshape(300, 200)).save(tree / "dog" / "zz.png")
    status, found = check(capsys, f"folder:{tree}")
    (broken,) = (f["examples"] for f in found["findings"] if f["check"] == "images")
    assert status == 1
    assert "of 8 bits a band" in broken[0]
