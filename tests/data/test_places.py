"""Tests of reading from object stores: a tar, a zip and a Parquet file on a server on this machine."""

import functools
import re

import copies
import numpy as np
import pytest
from range_server import serving

from benchsuite import DataError
from benchsuite.builtin.datasets import imagenet
from benchsuite.storage import keys

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@pytest.fixture
def address(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    with serving(tmp_path) as url:
        yield url


@pytest.mark.parametrize(
    ("layout", "file"),
    [
        ("class tar", "val.tar"),
        ("kaggle zip", "imagenet-object-localization-challenge.zip"),
        ("parquet", "data/validation-00000-of-00001.parquet"),
    ],
)
def test_an_archive_on_a_server_is_the_data_set_on_the_disk(tmp_path, address, layout, file):
    pictures = copies.made_up(9)
    make = functools.partial(copies.parquet, shards=1) if layout == "parquet" else copies.LAYOUTS[layout]
    make(tmp_path / "root", pictures)
    usual = imagenet.open_imagenet(str(tmp_path / "root" / file), "test")
    for _ in range(2):  # the second list comes from the cache
        split = imagenet.open_imagenet(f"{address}/root/{file}", "test")
        assert keys.samples_digest(split.samples) == keys.samples_digest(usual.samples)
    for a, b in zip(usual.samples, split.samples, strict=True):
        np.testing.assert_array_equal(usual.read(a), split.read(b))


@pytest.mark.parametrize("url", ["nothing://bucket/val.tar", "memory://bucket/none.tar"])
def test_a_url_that_does_not_open_is_named_in_a_line(url):
    with pytest.raises(DataError, match=re.escape(url)) as caught:
        imagenet.open_imagenet(url, "test")
    assert "\n" not in str(caught.value)
