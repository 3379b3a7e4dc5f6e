"""Tests of ``benchsuite.check_data`` and ``benchsuite.prepare_data``."""

from __future__ import annotations

from pathlib import Path

import pytest
from npz_loader import BoxPlugin
from PIL import Image
from toys import ToyPlugin

import benchsuite
from benchsuite import BadParameter, DataError

CATALOG = benchsuite.load_plugins(entry_points=False, extra=[ToyPlugin(), BoxPlugin()])


def test_a_sound_data_set_is_fine() -> None:
    found = benchsuite.check_data("digits", progress=False)
    assert found.fine
    assert repr(found).splitlines()[0].startswith("digits, test split: ")
    assert len(found.table) == len(found.result.findings)
    assert set(found.table["level"]) <= {"ok", "note", "skipped"}


def test_a_broken_image_is_named_with_what_to_do(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (30, 30)).save(tmp_path / name / "0.png")
    (tmp_path / "dog" / "1.png").write_bytes(b"no picture")
    found = benchsuite.check_data(f"folder:{tmp_path}", progress=False)
    assert not found.fine
    failed = found.table[found.table["level"] == "failed"]
    assert any("1.png" in example for examples in failed["examples"] for example in examples)
    assert any("1.png" in line for line in repr(found).splitlines())
    assert found.advice()


def test_a_data_set_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DataError, match="a path that does not exist"):
        benchsuite.check_data("imagenet:/no/such", progress=False)


def test_a_prepared_file_is_written_once(tmp_path: Path) -> None:
    out = tmp_path / "toy.box"
    first = benchsuite.prepare_data("toy", "box", out=out, catalog=CATALOG, progress=False)
    again = benchsuite.prepare_data("toy", "box", out=str(out), catalog=CATALOG, progress=False)
    assert [made.record["cached"] for made in (first, again)] == [False, True]
    assert (first.file, first.record["bytes"]) == (out, out.stat().st_size)
    assert repr(first).startswith(f"{out}: 5 images at full size")


def test_an_option_that_would_have_no_effect_is_refused() -> None:
    with pytest.raises(BadParameter, match="Expected --interpolation to be given with --short-side, got box"):
        benchsuite.prepare_data("toy", "box", interpolation="box", catalog=CATALOG, progress=False)
