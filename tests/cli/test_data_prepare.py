"""Tests of the command ``benchsuite data prepare``."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest
from npz_loader import BoxPlugin
from PIL import Image
from toys import ToyPlugin

from benchsuite import load_plugins
from benchsuite.cli import main
from benchsuite.storage.files import cache_dir

PREPARE = ["data", "prepare"]


@pytest.fixture(autouse=True)
def boxes_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the toys and the boxes in addition to the built-in plugins."""
    catalog = load_plugins(entry_points=False, extra=[ToyPlugin(), BoxPlugin()])
    for command in ("_data_prepare", "run"):
        monkeypatch.setattr(f"benchsuite.cli.{command}.load_plugins", lambda: catalog)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures in two class folders."""
    for i in range(4):
        folder = tmp_path / "data" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + i, 30), (i, 0, 0)).save(folder / f"{i}.png")
    return tmp_path / "data"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line on stderr of a command that fails."""
    assert main([*PREPARE, *words]) == 2
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    assert out == ""
    assert line.startswith("benchsuite: ")
    return line


def test_json_is_one_object_on_stdout_and_progress_is_elsewhere(
    capsys: pytest.CaptureFixture[str], pictures: Path
) -> None:
    for cached in (False, True):
        assert main([*PREPARE, f"folder:{pictures}", "--loader", "box", "--json"]) == 0
        out, err = capsys.readouterr()
        told = json.loads(out)
        assert (told["images"], told["loader"], told["exact"], told["view"]) == (4, "box", True, None)
        assert (told["cached"], Path(told["file"]).stat().st_size) == (cached, told["bytes"])
        assert told["seconds"] >= 0
        assert ("writing 4 images" in err, "checking 4 images" in err) == (not cached, not cached)


def test_the_file_and_how_to_use_it_are_printed(capsys: pytest.CaptureFixture[str], pictures: Path) -> None:
    data, out = f"folder:{pictures}", pictures.parent / "x.box"
    short = ["--short-side", "8", "--interpolation", "bicubic"]
    assert main([*PREPARE, data, "--loader", "box", *short, "--out", str(out), "--workers", "0"]) == 0
    text = capsys.readouterr().out
    assert f"{out}: 4 images of short side 8, 0.0 MiB, written" in text
    assert f"benchsuite run ARCHITECTURE --data {data} --loader box" in text


def test_a_run_uses_what_was_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "toy", "--data", "toy", "--loader", "box", "--device", "cpu", "--json"]
    assert main(run) == 2
    hint = capsys.readouterr().err
    assert "(make it with: benchsuite data prepare toy --loader box)" in hint
    assert main([*PREPARE, "toy", "--loader", "box"]) == 0
    capsys.readouterr()
    assert main(run) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert (row["loader"], row["top1_errors"]) == ("box", 2)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--loader", "torch"], "Expected --loader to be one that reads a prepared file (box, box:greyish, ffcv"),
        (["--loader", "bxo"], "Unknown loader 'bxo': did you mean 'box'?"),
        (["--loader", "box", "--short-side", "0"], "Expected --short-side to be at least 1, got 0"),
        (["--loader", "box", "--interpolation", "box"], "Expected --interpolation to be given with --short-side"),
        (["--loader", "box:greyish", "--short-side", "8"], "used with an exact loader, got box:greyish"),
        (["--loader", "box", "--workers", "-1"], "Expected --workers to be 0 or more, got -1"),
        (["--loader", "box", "--out", "."], "Expected --out to be a new file, got a folder"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], pictures: Path, words: list[str], line: str
) -> None:
    assert line in said(capsys, f"folder:{pictures}", *words)


def test_a_data_set_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Expected imagenet:PATH" in said(capsys, "imagenet", "--loader", "box")
    assert "a path that does not exist" in said(capsys, "imagenet:/no/such", "--loader", "box")


def huge(path: Path, side: int) -> None:
    """A complete PNG of black pixels with one bit each: half a megabyte at most, for any decoded size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + (side + 7) // 8)
    data = b"".join([packer.compress(row * 100) for _ in range(side // 100)] + [packer.flush()])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def test_an_image_of_20000_pixels_a_side_is_refused_by_name(capsys: pytest.CaptureFixture[str], pictures: Path) -> None:
    huge(pictures / "b" / "9.png", 20_000)
    assert (pictures / "b" / "9.png").stat().st_size < 2**19
    rule = "an image to be of at most 89478485 pixels (a larger one may be a decompression bomb), got one of 400000000"
    assert f"{rule} ({pictures / 'b' / '9.png'})" in said(capsys, f"folder:{pictures}", "--loader", "box")
    assert main(["run", "toy", "--data", f"folder:{pictures}", "--weights", "random", "--device", "cpu"]) == 2
    assert f"{rule} ({pictures / 'b' / '9.png'})" in capsys.readouterr().err


def test_a_narrow_image_that_a_resize_would_make_huge_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], pictures: Path
) -> None:
    Image.new("RGB", (1, 60_000)).save(pictures / "b" / "9.png")
    short = ["--short-side", "256"]
    rule = "an image to be of at most 89478485 pixels after its resize, got 1 x 60000 resized to 256 x 15360000"
    assert f"{rule} ({pictures / 'b' / '9.png'})" in said(capsys, f"folder:{pictures}", "--loader", "box", *short)
    run = ["run", "toy", "--data", f"folder:{pictures}", "--weights", "random", "--device", "cpu"]
    assert main([*PREPARE, f"folder:{pictures}", "--loader", "box"]) == 0
    for command in (run, [*run, "--loader", "box"]):
        assert main([*command, "-p", "multiscale:scales=256"]) == 2
        assert f"{rule} ({pictures / 'b' / '9.png'})\n" in capsys.readouterr().err


def test_an_interruption_says_that_nothing_of_the_file_is_kept(
    capsys: pytest.CaptureFixture[str], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchsuite.data.prepared_writer._verify", interrupted)
    assert main([*PREPARE, f"folder:{pictures}", "--loader", "box"]) == 130
    assert "benchsuite: interrupted; the incomplete file is not kept\n" in capsys.readouterr().err
    assert not list(cache_dir().rglob("*box*"))


def test_both_tasks_of_data_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["data", "prepare", "--help"])
    assert stopped.value.code == 0
    assert "--short-side" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["data"])
    assert stopped.value.code == 2
