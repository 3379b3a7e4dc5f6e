"""Tests of reading from object stores: a tar, a zip and a Parquet file on a server on this machine."""

import functools
import re
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import copies
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from range_server import Ranges, serving

from benchsuite import DataError, read_bytes
from benchsuite.builtin.datasets import imagenet
from benchsuite.data import places
from benchsuite.specs.dataset import Cell
from benchsuite.storage import keys

fsspec = pytest.importorskip("fsspec")
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


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_a_parquet_file_on_a_server_is_fetched_once_for_its_list_and_not_by_row_groups(tmp_path, address, compression):
    chance, wnid = np.random.default_rng(0), "n01440764"
    rows = [{"bytes": b"\xff\xd8\xff" + chance.bytes(2**18), "path": f"{i}_{wnid}.JPEG"} for i in range(120)]
    table = pa.table({"image": rows, "label": [0] * len(rows)})
    pq.write_table(table, tmp_path / "validation.parquet", row_group_size=40, compression=compression)
    before, size = Ranges.sent, (tmp_path / "validation.parquet").stat().st_size
    split = imagenet.open_imagenet(f"{address}/validation.parquet", "test")
    assert Ranges.sent - before < 1.1 * size
    before = Ranges.sent
    assert [len(read_bytes(s.place)) for s in split.samples[:3]] == [2**18 + 3] * 3
    assert compression == "zstd" or Ranges.sent - before < size / 2


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The address of a bucket on an S3 server on this machine."""
    pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    server = pytest.importorskip("moto.server", reason="the S3 server of these tests is moto[server]")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    own = {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**own, "ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    fsspec.filesystem("s3").mkdir("images")
    yield "s3://images"
    fsspec.filesystem("s3").clear_instance_cache()
    running.stop()


def test_archives_in_a_bucket_are_the_data_sets_on_the_disk(tmp_path, bucket):
    pictures = copies.made_up(9)
    files = [copies.class_tar(tmp_path / "tar", pictures), copies.kaggle_zip(tmp_path / "zip", pictures)]
    files += sorted(copies.parquet(tmp_path / "parquet", pictures, shards=1).glob("data/*"))
    for file in files:
        fsspec.filesystem("s3").put_file(str(file), f"{bucket}/{file.name}")
        usual = imagenet.open_imagenet(str(file), "test")
        split = imagenet.open_imagenet(f"{bucket}/{file.name}", "test")
        assert keys.samples_digest(split.samples) == keys.samples_digest(usual.samples)
        assert split.samples[0].stamp.endswith('"'), "the stamp has the tag of the object"
        for a, b in zip(usual.samples, split.samples, strict=True):
            np.testing.assert_array_equal(usual.read(a), split.read(b))
    with pytest.raises(DataError, match=r"whole and readable, got .* \(s3://images/none.tar\)") as caught:
        imagenet.open_imagenet(f"{bucket}/none.tar", "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["nothing://bucket/val.tar", "memory://bucket/none.tar"])
def test_a_url_that_does_not_open_is_named_in_a_line(url):
    with pytest.raises(DataError, match=re.escape(url)) as caught:
        imagenet.open_imagenet(url, "test")
    assert "\n" not in str(caught.value)


@pytest.fixture
def decoded(tmp_path, monkeypatch):
    """Row groups of 60 bytes, not kept yet, of one file; and the groups that are decoded, in order."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(places, "_GROUPS", OrderedDict())
    seen = []

    def decode(cell):
        seen.append(cell.group)
        return pa.array([bytes(60)])

    monkeypatch.setattr(places, "_decoded", decode)
    return seen, lambda group: Cell(str(tmp_path / "file"), group, 0, "image", 60)


def test_row_groups_are_decoded_in_parallel_and_each_once(decoded, monkeypatch):
    seen, cell = decoded
    both, plain = threading.Barrier(2, timeout=20), places._decoded
    monkeypatch.setattr(places, "_decoded", lambda one: (both.wait(), plain(one))[1])
    with ThreadPoolExecutor(6) as threads:
        assert set(threads.map(places.read_bytes, [cell(i % 2) for i in range(6)])) == {bytes(60)}
    assert sorted(seen) == [0, 1]
    assert places._DECODING == {}


@pytest.mark.parametrize(("free", "kept"), [(0, 1), (10_000, 5)])
def test_row_groups_are_kept_as_long_as_memory_is_free(decoded, monkeypatch, free, kept):
    seen, cell = decoded
    monkeypatch.setattr(places, "_GROUPS_BYTES", 100)
    monkeypatch.setattr(places, "free_memory", lambda: free)
    for group in [0, 1, 2, 3, 4] * 2:
        places.read_bytes(cell(group))
    assert len(places._GROUPS) == kept
    assert len(seen) == (10 if kept == 1 else 5)
