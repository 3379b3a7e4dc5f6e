"""Tests of other conversions to RGB of 8 bits: each value is that of exact fractions, none is a guess."""

from __future__ import annotations

import io
import json
import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deep_images import png16
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchsuite import BadParameter, Conversion, DataError, decode, load_plugins
from benchsuite.cli import main

SCALE = Conversion("scale")
RNG = np.random.default_rng(0)
EVERY = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def file_of(picture: Image.Image, suffix: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, suffix, **options)
    return buffer.getvalue()


def rgb(content: bytes, conversion: Conversion) -> np.ndarray[Any, Any]:
    found = decode("x.png", content, conversion=conversion)
    assert found.mode == "RGB"
    return np.asarray(found)


def nearest(value: int) -> int:
    return round(Fraction(int(value) * 255, 65535))


TABLE = np.array([nearest(v) for v in range(65536)], dtype=np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        png16(EVERY),
        file_of(Image.fromarray(EVERY), "TIFF"),
        file_of(Image.fromarray(EVERY), "TIFF", compression="tiff_lzw"),
        b"P5 256 256 65535\n" + EVERY.astype(">u2").tobytes(),
    ],
    ids=["png", "tiff", "lzw", "pgm"],
)
def test_every_grey_of_16_bits_is_scaled_to_the_nearest_integer(content: bytes) -> None:
    assert np.array_equal(rgb(content, SCALE), np.repeat(TABLE[EVERY][..., None], 3, 2))
    with pytest.raises(DataError, match=r"of 8 bits a band, got mode I.*scale it by ,depth=scale.*\(x\.png\)"):
        decode("x.png", content)


@pytest.mark.parametrize("bands", [3, 4])
def test_colours_of_16_bits_lose_their_lower_bits_unless_they_are_scaled(bands: int) -> None:
    values = RNG.integers(0, 65536, (37, 21, bands))
    content = png16(values)
    assert np.array_equal(rgb(content, SCALE), TABLE[values[..., :3]])
    assert np.array_equal(rgb(content, Conversion()), values[..., :3] // 256)


def test_colours_of_a_tiff_of_16_bits_are_scaled_in_both_byte_orders() -> None:
    values = RNG.integers(0, 65536, (9, 5, 3))
    for order, mark in (("<", b"II"), (">", b"MM")):
        body = values.astype(f"{order}u2").tobytes()
        tags = ((256, 5), (257, 9), (258, 0), (259, 1), (262, 2), (273, 0), (277, 3), (278, 9), (279, len(body)))
        start = 8 + 2 + 12 * len(tags) + 4
        known = {258: (3, start), 273: (1, start + 6)}
        entries = b"".join(
            struct.pack(f"{order}HHI", tag, 4 if tag != 258 else 3, known.get(tag, (1, 0))[0])
            + struct.pack(f"{order}I", known[tag][1] if tag in known else value)
            for tag, value in tags
        )
        head = mark + struct.pack(f"{order}HIH", 42, 8, len(tags)) + entries + bytes(4)
        content = head + struct.pack(f"{order}HHH", 16, 16, 16) + body
        assert np.array_equal(rgb(content, SCALE), TABLE[values]), order


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20))
def test_floats_from_0_to_1_are_scaled_half_to_even(values: list[float]) -> None:
    content = file_of(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    assert rgb(content, SCALE)[0, :, 0].tolist() == [round(Fraction(v) * 255) for v in values]


@pytest.mark.parametrize("values", [[0.0, 1.5], [-0.1, 0.5], [0.5, float("nan")]])
def test_floats_of_another_scale_are_refused(values: list[float]) -> None:
    content = file_of(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    with pytest.raises(DataError, match=r"depth=scale to be .* floats from 0 to 1, got floats from"):
        rgb(content, SCALE)


def test_what_has_no_known_full_scale_is_refused() -> None:
    integers = file_of(Image.fromarray(np.array([[1, 70000]], dtype=np.int32)), "TIFF")
    for content, got in ((integers, "integers of unknown scale"), (png16(EVERY.reshape(128, 256, 2)), "16 bits as LA")):
        with pytest.raises(DataError, match=got):
            rgb(content, SCALE)


@pytest.mark.parametrize(("ground", "grey"), [("white", 255), ("black", 0)])
@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "RGB", "16 bits"])
def test_alpha_is_put_on_a_ground_to_the_nearest_integer(ground: Any, grey: int, kind: str) -> None:
    values = RNG.integers(0, 256, (16, 16, 4)).astype(np.uint8)
    picture, options = Image.fromarray(values), dict[str, Any]()
    if kind == "LA":
        picture = picture.convert("LA")
    elif kind == "P":
        picture, options = picture.convert("RGB").quantize(20), {"transparency": bytes(range(0, 240, 12))}
    elif kind == "RGB":
        picture = Image.fromarray(np.where(values[..., 3:] > 99, values[..., :3], np.uint8(7)).astype(np.uint8))
        options = {"transparency": (7, 7, 7)}
    content = png16(values.astype(int) * 257) if kind == "16 bits" else file_of(picture, "PNG", **options)
    whole = values if kind == "16 bits" else np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    assert len(np.unique(whole[..., 3])) > 1
    blended = [
        [[round(Fraction(int(c) * int(p[3]) + grey * (255 - int(p[3])), 255)) for c in p[:3]] for p in row]
        for row in whole
    ]
    assert np.array_equal(rgb(content, Conversion("scale", ground)), blended)
    assert np.array_equal(rgb(content, Conversion()), whole[..., :3]), "dropped by default"


def test_images_of_8_bits_are_the_same_with_any_conversion() -> None:
    pixels = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    for mode in ("RGB", "L", "CMYK", "1"):
        content = file_of(Image.fromarray(pixels).convert(mode), "TIFF")
        plain = np.asarray(decode("x", content))
        assert np.array_equal(rgb(content, Conversion("scale", "black")), plain), mode


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two classes of 16-bit grey images, two with 8 bits and one with a transparent half."""
    for n, name in enumerate(("a", "b")):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for i in range(2):
            values = np.random.default_rng(2 * n + i).integers(0, 65536, (40, 40), dtype=np.uint16)
            Image.fromarray(values).save(tmp_path / "scans" / name / f"{i}.png")
    half = np.dstack([np.full((40, 40, 3), 9, np.uint8), np.tile(np.uint8([0, 255]), (40, 20))])
    Image.fromarray(half).save(tmp_path / "scans" / "a" / "half.png")
    return tmp_path / "scans"


def test_an_option_of_the_data_set_makes_a_set_of_another_name_and_other_keys(scans: Path) -> None:
    catalog = load_plugins()
    plain, scaled, white = (
        catalog.open_dataset(f"folder:{scans}{options}")[1]
        for options in ("", ",depth=scale", ",alpha=white,depth=scale")
    )
    assert [s.name for s in (plain, scaled, white)] == [
        "folder:scans",
        "folder:scans,depth=scale",
        "folder:scans,depth=scale,alpha=white",
    ]
    assert plain.samples == scaled.samples == white.samples
    half = next(s for s in plain.samples if "half" in s.id)
    assert np.asarray(scaled.read(half))[0, 0, 0] == 9
    assert np.asarray(white.read(half))[0, 0, 0] == 255
    from benchsuite.storage.keys import chunk_key

    assert len({chunk_key(s.samples, s) for s in (plain, scaled, white)}) == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("folder:{},depth=8", "Expected depth of the data set to be one of refuse, scale, got '8'"),
        ("folder:{},alpha=red", "Expected alpha of the data set to be one of drop, white, black, got 'red'"),
        ("folder:{},depth=scale,depth=scale", "got two of it"),
        ("digits,depth=scale", "Expected depth=scale to be given to a data set of image files, got digits"),
    ],
)
def test_a_wrong_option_is_one_line(scans: Path, data: str, said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        load_plugins().open_dataset(data.format(scans))


def test_a_run_says_what_was_scaled_and_the_doctor_counts_it(
    scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    words = ["run", "resnet20", "--weights", "random", "--device", "cpu", "--results", str(tmp_path / "results")]
    data = f"folder:{scans},depth=scale,alpha=black"
    assert main([*words, "--data", data, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert row["dataset"] == "folder:scans,depth=scale,alpha=black"
    assert row["conversion"] == {"depth": "scale", "alpha": "black"}
    assert row["n"] == 5
    assert main([*words, "--data", data]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "images of more than 8 bits were scaled to 8; transparent images were put on black" in out
    assert main([*words, "--data", f"folder:{scans}"]) == 2
    assert "scale it by ,depth=scale" in capsys.readouterr().err
    assert main(["data", "check", f"folder:{scans}", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [f["text"] for f in found if f["check"] == "images"] == ["4 images cannot be read"]
    assert main(["data", "check", data, "--json"]) == 0
    texts = [f["text"] for f in json.loads(capsys.readouterr().out)["findings"] if f["check"] == "colours"]
    assert texts == [
        "1 image in mode RGBA, converted to RGB by Pillow",
        "4 images in mode I;16, scaled to 8 bits",
        "1 image with transparency, put on black",
    ]


def test_a_prepared_file_of_another_conversion_is_not_used(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchsuite.data.prepared_note import PreparedSpec, stem

    monkeypatch.setenv("BENCHSUITE_CACHE", os.fspath(tmp_path / "cache"))
    catalog = load_plugins()
    loader = catalog.find("loader", "ffcv")
    texts = (f"folder:{scans}", f"folder:{scans},depth=scale", f"folder:{scans},alpha=white")
    assert len({stem(PreparedSpec(loader, catalog.open_dataset(t)[1], t)) for t in texts}) == 3
