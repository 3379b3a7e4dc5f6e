"""Tests of where the values of a Parquet column lie: each is read from its place without its row group."""

from __future__ import annotations

import itertools
import struct

import copies
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import Block, Cell, Span, read_bytes
from benchsuite.builtin.datasets import imagenet
from benchsuite.data import archives, pages, places

SIZES = (0, 1, 59, 60, 61, 300, 65_530, 70_000, 200_000)
VALUE = st.tuples(st.sampled_from(SIZES), st.integers(0, 3), st.booleans())
NUMBERS = itertools.count()


def made(size, seed, even):
    """Bytes of noise, which no compression shortens, or of a short text again and again."""
    return (b"text%d " % seed * size)[:size] if even else np.random.default_rng(seed).bytes(size)


@given(
    values=st.lists(st.none() | VALUE, min_size=1, max_size=9),
    compression=st.sampled_from(["none", "snappy", "zstd", "gzip"]),
    dictionary=st.booleans(),
    version=st.sampled_from(["1.0", "2.0"]),
    required=st.booleans(),
    page=st.sampled_from([1000, 2**20]),
    group=st.integers(1, 5),
)
def test_every_value_is_read_from_its_place_whatever_the_form_of_the_file(
    tmp_path_factory, values, compression, dictionary, version, required, page, group
):
    contents = [made(*v) if v else b"" if required else None for v in values]
    file = tmp_path_factory.getbasetemp() / f"{next(NUMBERS)}.parquet"
    table = pa.table(
        [pa.array(contents, pa.binary())], schema=pa.schema([pa.field("image", pa.binary(), not required)])
    )
    options = {"compression": compression, "use_dictionary": dictionary, "data_page_version": version}
    pq.write_table(table, file, row_group_size=group, data_page_size=page, write_batch_size=2, **options)
    found = [m.place for m in archives.members(str(file), lambda _: True)]
    assert [read_bytes(p) for p in found] == [c or b"" for c in contents]
    direct = {"none": Span, "snappy": Block}.get(compression, Cell)
    # version 2.0 leaves a page of noise as it is
    assert all(isinstance(p, direct | Span if version == "2.0" else direct) for p in found if p.size)
    file.unlink()


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_an_image_is_read_without_its_row_group(tmp_path, monkeypatch, compression):
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    root = copies.parquet(tmp_path / "set", copies.made_up(30), compression=compression)
    usual = imagenet.open_imagenet(str(copies.folders(tmp_path / "folders", copies.made_up(30))), "test")
    split = imagenet.open_imagenet(str(root), "test")
    monkeypatch.delattr(places, "_row_group")
    for a, b in zip(usual.samples, split.samples, strict=True):
        np.testing.assert_array_equal(usual.read(a), split.read(b))


def number(value):
    """A number of seven bits a byte."""
    return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])


def page(stream, total, count):
    """A dictionary page of plain values."""

    def field(step, value):
        return bytes([step << 4 | 5]) + number(2 * value)

    own = field(1, count) + field(1, 0) + b"\0"
    return field(1, 2) + field(1, total) + field(1, len(stream)) + bytes([4 << 4 | 12]) + own + b"\0" + stream


def test_a_value_whose_part_refers_to_an_earlier_one_is_left_to_its_row_group():
    noise = np.random.default_rng(0).bytes(pages.PART - 4)
    again = noise[:40]
    last = b"the end"
    text = b"".join(struct.pack("<I", len(v)) + v for v in (noise, again, last))
    literal = bytes([61 << 2]) + struct.pack("<H", pages.PART - 1) + text[: pages.PART]
    link = bytes([3 << 2]) + text[pages.PART : pages.PART + 4]
    link += bytes([39 << 2 | 3]) + struct.pack("<I", pages.PART)  # forty bytes from 64 KiB before
    tail = bytes([(len(last) + 3) << 2]) + text[-len(last) - 4 :]
    stream = number(len(text)) + literal + link + tail
    assert pa.decompress(stream, len(text), codec="snappy").to_pybytes() == text
    values = [pa.py_buffer(v) for v in (noise, again, last)]
    found = pages.places("file", page(stream, len(text), 3), 100, "SNAPPY", True, values)
    assert isinstance(found[0], Block)
    assert found[1:] == [None, None]


def test_two_values_of_one_length_and_end_are_told_apart(tmp_path):
    end = bytes(100)
    contents = [b"first" + end, b"other" + end, b"first" + end]
    pq.write_table(pa.table({"image": contents}), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    found = archives.members(str(tmp_path / "a.parquet"), lambda _: True)
    assert [read_bytes(m.place) for m in found] == contents


@given(st.binary(max_size=200))
def test_bytes_that_are_no_pages_have_no_places(raw):
    assert pages.places("file", raw, 0, "SNAPPY", True, [pa.py_buffer(b"value")]) == [None]
