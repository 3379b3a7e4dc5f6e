"""Tests of reading from object stores: a tar, a zip and a Parquet file on a server on this machine."""

import functools
import http.server
import re
import threading

import copies
import numpy as np
import pytest

from benchsuite import DataError
from benchsuite.builtin.datasets import imagenet
from benchsuite.storage import keys

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves files and parts of them, as object stores do."""

    def send_head(self):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        with open(self.translate_path(self.path), "rb") as file:
            content = file.read()
        first, last = (int(asked[1]), int(asked[2] or len(content) - 1)) if asked else (0, len(content) - 1)
        part = content[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def address(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    handler = functools.partial(Ranges, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


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
