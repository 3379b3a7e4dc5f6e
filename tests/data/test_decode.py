"""Tests of the decoder: Pillow's pixels bit for bit, or a one-line error that names the file."""

import os
import re
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reference.decode import decode as plain

from benchsuite import SUFFIXES, DataError, check_headers, decode
from benchsuite.data.decode import _MAGIC, FORMATS

RNG = np.random.default_rng(0)
SMOOTH = np.add.outer(np.arange(48), np.arange(64))
NOISY = ((SMOOTH[:, :, None] * np.array([3, 2, 1])) + RNG.integers(0, 40, (48, 64, 3))).astype(np.uint8)


def picture(mode="RGB"):
    """A picture of 64 x 48 pixels with something in every channel."""
    if mode == "I;16":
        return Image.fromarray((RNG.integers(0, 65536, (48, 64))).astype(np.uint16))
    if mode == "RGBA":
        return Image.fromarray(np.dstack([NOISY, RNG.integers(0, 256, (48, 64), dtype=np.uint8)]), "RGBA")
    return Image.fromarray(NOISY).convert(mode)


def same(path):
    found = decode(path)
    assert found.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(found), plain(path))
    return np.asarray(found)


def oriented(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(path, exif=exif)


CASES = {
    "rgb.jpg": lambda p: picture().save(p),
    "progressive.jpg": lambda p: picture().save(p, progressive=True),
    "cmyk.jpg": lambda p: picture("CMYK").save(p),
    "grey.jpg": lambda p: picture("L").save(p),
    "rotated.jpg": oriented,
    "one-pixel.jpg": lambda p: Image.new("RGB", (1, 1), (10, 200, 30)).save(p),
    "rgb.png": lambda p: picture().save(p),
    "rgba.png": lambda p: picture("RGBA").save(p),
    "grey-alpha.png": lambda p: picture("LA").save(p),
    "one-bit.png": lambda p: picture("1").save(p),
    "palette.png": lambda p: picture("P").save(p),
    "palette-clear-colour.png": lambda p: picture("P").save(p, transparency=3),
    "palette-alphas.png": lambda p: picture("P").save(p, transparency=bytes(range(256))),
    "rgb-clear-colour.png": lambda p: picture().save(p, transparency=(1, 2, 3)),
    "png-named.JPEG": lambda p: picture().save(p, "PNG"),
    "rgb.bmp": lambda p: picture().save(p),
    "grey.bmp": lambda p: picture("L").save(p),
    "animated.gif": lambda p: picture().save(p, save_all=True, append_images=[picture("L")]),
    "rgb.tif": lambda p: picture().save(p),
    "cmyk.tiff": lambda p: picture("CMYK").save(p, compression="tiff_lzw"),
    "lab.tif": lambda p: Image.fromarray(NOISY, "LAB").save(p),
    "rgb.ppm": lambda p: picture().save(p),
    "grey.pgm": lambda p: picture("L").save(p),
    "lossless.webp": lambda p: picture("RGBA").save(p, lossless=True),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_image_equals_plain_pillow(tmp_path, name):
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        CASES[name](path)
    check_headers([path])
    same(path)
    same(os.fspath(path))


@pytest.mark.parametrize(("mode", "suffix"), [("I;16", ".png"), ("I;16", ".tif"), ("F", ".tif"), ("I", ".tif")])
def test_an_image_of_more_than_eight_bits_is_refused_in_place_of_a_white_one(tmp_path, mode, suffix):
    path = tmp_path / f"deep{suffix}"
    picture(mode).save(path)
    with Image.open(path) as image:
        assert image.mode == mode
    with pytest.raises(DataError, match=f"of 8 bits a band, got mode {mode}, which Pillow would cut .*{suffix}"):
        decode(path)


def test_every_suffix_has_a_case():
    assert {Path(name).suffix for name in CASES} >= set(SUFFIXES) - {".jpeg"}


def test_exif_rotation_is_ignored(tmp_path):
    oriented(tmp_path / "x.jpg")
    assert decode(tmp_path / "x.jpg").size == (64, 48)


def chunk(data):
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def test_damaged_metadata_change_no_pixel_and_warn_nobody(tmp_path):
    exif, animation = tmp_path / "exif.jpg", tmp_path / "animation.png"
    picture().save(exif, exif=b"Exif\0\0II*\0\x08\0\0\0\x02\0\x1a\x01\x05\0\x01\0\0\0\xff\xff\0\0")
    picture().save(animation)
    content = animation.read_bytes()
    animation.write_bytes(content[:33] + chunk(b"acTL" + bytes(8)) + content[33:])
    for path, words in ((exif, "Truncated File Read"), (animation, "Invalid APNG")):
        with pytest.warns(UserWarning, match=words), Image.open(path) as image:
            image.load()
        same(path)


def test_pixels_can_be_written_and_outlive_the_file(tmp_path):
    for name in ("rgb.bmp", "rgb.ppm", "rgb.tif", "rgb.jpg", "rgb.png"):
        path = tmp_path / name
        picture().save(path)
        found = decode(path)
        before = np.array(found)
        found.putpixel((0, 0), (1, 2, 3))
        assert found.getpixel((0, 0)) == (1, 2, 3)
        found.putpixel((0, 0), tuple(map(int, before[0, 0])))
        path.write_bytes(b"\0" * path.stat().st_size)
        np.testing.assert_array_equal(np.array(found), before)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"got no file ({tmp_path / 'x.jpg'})")):
        decode(tmp_path / "x.jpg")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"just a text, no image at all", "none of JPEG, PNG"),
        (b"", "none of JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n", "none of JPEG, PNG"),
        (b"\xff\xd8\xff", "none of JPEG, PNG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", ""),
    ],
)
def test_what_is_no_image_is_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"whole and readable, got .*{reason}.*") as caught:
        decode(path)
    assert str(caught.value).endswith(f"({path})")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.bmp", "x.gif", "x.tif", "x.ppm", "x.webp"])
def test_half_a_file_is_refused_by_name(tmp_path, name):
    path = tmp_path / name
    picture().save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=f"whole and readable, got .*{re.escape(str(path))}"):
        decode(path)


def test_a_folder_named_like_an_image_is_refused(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    for read in (decode, lambda p: check_headers([p])):
        with pytest.raises(DataError, match=r"got a folder \(.*x.jpg\)"):
            read(tmp_path / "x.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "x.jpg"
    picture().save(path)
    path.chmod(0)
    for read in (decode, lambda p: check_headers([p])):
        with pytest.raises(DataError, match=r"got a file without read permission \(.*x.jpg\)"):
            read(path)


def png_header(width, height):
    header = chunk(b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT" + zlib.compress(b""))


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_bomb_is_refused_before_its_pixels_are_made(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    pattern = f"of at most {Image.MAX_IMAGE_PIXELS} pixels .*, got one of {side * side} .*bomb.png"
    with pytest.raises(DataError, match=pattern):
        decode(path)


def test_the_limit_is_pillows_own(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    Image.new("RGB", (4, 4)).save(path)
    for limit, fits in ((15, False), (7, False), (16, True), (None, True)):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        if fits:
            assert decode(path).size == (4, 4)
        else:
            with pytest.raises(DataError, match=f"at most {limit} pixels"):
                decode(path)


def test_memory_that_runs_out_is_said_of_the_file(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    picture("L").save(path)

    def convert(*_):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", convert)
    with pytest.raises(DataError, match=r"does not fit into memory \(.*x.png\)"):
        decode(path)


def test_many_threads_decode_without_a_warning_and_leave_the_filters_in_order(tmp_path):
    path = tmp_path / "x.png"
    picture("P").save(path, transparency=bytes(range(256)))
    expected = plain(path)
    decode(path)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(decode, [path] * 200):
            np.testing.assert_array_equal(np.asarray(found), expected)
    assert warnings.filters == before


def test_filters_that_were_reset_come_back(tmp_path):
    path = tmp_path / "x.png"
    picture("P").save(path, transparency=bytes(range(256)))
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.resetwarnings()
            warnings.simplefilter("error")
            decode(path)


def test_real_images_equal_plain_pillow(imagenet500):
    paths = sorted(imagenet500.glob("val/*/*.JPEG"))
    assert len(paths) == 500
    check_headers(paths)
    with ThreadPoolExecutor(2) as pool:
        for path, found in zip(paths, pool.map(decode, paths), strict=True):
            np.testing.assert_array_equal(np.asarray(found), plain(path))


def test_small_real_images_equal_plain_pillow(cifar10_jpeg):
    for path in sorted(cifar10_jpeg.glob("test/*/*.jpg"))[::20]:
        same(path)


def test_the_first_bad_header_is_named_in_the_order_given(tmp_path):
    good, text, empty = tmp_path / "good.jpg", tmp_path / "text.jpg", tmp_path / "empty.jpg"
    picture().save(good)
    text.write_text("hello")
    empty.touch()
    check_headers([good] * 200)
    with pytest.raises(DataError, match=r"begins with b'hello' \(.*text.jpg\)"):
        check_headers([good] * 150 + [text] + [good] * 150 + [empty])
    with pytest.raises(DataError, match=r"got an empty file \(.*empty.jpg\)"):
        check_headers([good] * 150 + [empty, text])
    with pytest.raises(DataError, match=r"got no file \(.*gone.jpg\)"):
        check_headers([tmp_path / "gone.jpg"])


SIGNS = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF87a", b"GIF89a"]
SIGNS += [b"RIFF\0\0\0\nWEBPVP8 ", b"RIFF1234WEBPVP8L", b"RIFF1234WEBPVP8X", *(b"P%c" % c for c in b"0123456fy")]
SIGNS += [b"II*\0", b"MM\0*", b"MM*\0", b"II\0*", b"MM\0+", b"II+\0"]


@settings(max_examples=600, derandomize=True, deadline=None)
@given(st.sampled_from(SIGNS), st.binary(max_size=16), st.integers(0, 16), st.integers(0, 255))
def test_headers_are_judged_as_pillow_judges_them(sign, rest, place, value):
    Image.init()
    head = bytearray((sign + rest)[:16])
    if place < len(head):
        head[place] = value
    head = bytes(head)
    accepted = len(head) > 1 and any(Image.OPEN[name][1](head) for name in FORMATS)
    assert bool(_MAGIC.match(head)) == bool(accepted)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    picture().save(folder / "a.jpg", quality=80)
    picture().save(folder / "b.jpg", progressive=True, optimize=True)
    picture("CMYK").save(folder / "c.jpg")
    picture().save(folder / "a.png")
    picture("P").save(folder / "b.png", transparency=bytes(range(256)))
    return folder, {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.sampled_from(["a.jpg", "b.jpg", "c.jpg", "a.png", "b.png"]),
    st.floats(0, 1),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), max_size=6),
)
def test_damaged_files_give_pillows_pixels_or_one_line(originals, name, kept, flips):
    folder, contents = originals
    data = bytearray(contents[name][: round(kept * len(contents[name]))])
    for place, bit in flips:
        if data:
            data[int(place * len(data))] ^= 1 << bit
    path = folder / f"damaged-{name}"
    path.write_bytes(data)
    found, expected = outcome(decode, path), outcome(plain, path)
    if isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert isinstance(found, DataError)
        assert str(path) in str(found)
        assert "\n" not in str(found)


def outcome(read, path):
    """The pixels that a function reads, or the error that it raises."""
    try:
        return np.asarray(read(path))
    except Exception as error:
        return error
