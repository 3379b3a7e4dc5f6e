"""Tests of logits on disk: complete chunks are read back, and anything else counts as missing."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from cached_files import files
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import StorageError
from benchsuite.storage.files import writing
from benchsuite.storage.keys import digest
from benchsuite.storage.logit_cache import CHUNK, ChunkStore, chunked

VIEW, CHUNK_KEY = digest("a view"), digest("a chunk")
LOGITS = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
PLACES = np.arange(1, 8)


@pytest.fixture
def store(tmp_path: Path) -> ChunkStore:
    """A store with one chunk in it."""
    made = ChunkStore(tmp_path / "logits")
    made.write(VIEW, CHUNK_KEY, LOGITS, PLACES)
    return made


def test_a_chunk_is_read_back_to_the_last_bit(store: ChunkStore) -> None:
    found = store.read(VIEW, CHUNK_KEY)
    assert found is not None
    logits, places = found
    assert (logits.dtype, places.dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(logits, LOGITS)
    np.testing.assert_array_equal(places, PLACES)


def test_odd_numbers_and_odd_layouts_survive(store: ChunkStore) -> None:
    odd = np.array([[np.nan, np.inf, -np.inf, -0.0, 1e-45]] * 3, dtype=np.float32)
    store.write(VIEW, digest("odd"), np.asfortranarray(odd)[::-1], [1, 2, 3])
    found = store.read(VIEW, digest("odd"))
    assert found is not None
    assert found[0].tobytes() == odd[::-1].tobytes()
    assert found[1].tolist() == [1, 2, 3]


def test_another_view_or_chunk_is_not_there(store: ChunkStore) -> None:
    assert store.read(digest("another view"), CHUNK_KEY) is None
    assert store.read(VIEW, digest("another chunk")) is None
    assert ChunkStore(store.root / "elsewhere").read(VIEW, CHUNK_KEY) is None


@given(st.data())
def test_one_flipped_bit_anywhere_makes_a_chunk_unread(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = ChunkStore(Path(folder))
        made.write(VIEW, CHUNK_KEY, LOGITS, PLACES)
        path = made.path(VIEW, CHUNK_KEY)
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        assert made.read(VIEW, CHUNK_KEY) is None


def test_views_computed_together_are_read_together_or_not_at_all(
    store: ChunkStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may exist that cannot be read, or be written after the check for it."""
    both = [digest("one"), digest("two")]
    for key in both:
        store.write(key, CHUNK_KEY, LOGITS, PLACES, group=both)
    assert len(store.read_all(both, CHUNK_KEY)) == 2
    real = Path.read_bytes

    def failing(self: Path) -> bytes:
        if self == store.path(both[1], CHUNK_KEY):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", failing)
    assert store.read_all(both, CHUNK_KEY) == {}


@pytest.mark.parametrize("kept", [0, 1, 31, 32, 33, 100, -1])
def test_a_truncated_chunk_is_unread(store: ChunkStore, kept: int) -> None:
    path = store.path(VIEW, CHUNK_KEY)
    path.write_bytes(path.read_bytes()[:kept])
    assert store.read(VIEW, CHUNK_KEY) is None


def test_a_chunk_written_again_replaces_the_damaged_one(store: ChunkStore) -> None:
    store.path(VIEW, CHUNK_KEY).write_bytes(b"damaged")
    store.write(VIEW, CHUNK_KEY, LOGITS, PLACES)
    assert store.read(VIEW, CHUNK_KEY) is not None
    assert len(files(store.root)) == 1


def test_the_same_chunk_is_the_same_file(store: ChunkStore) -> None:
    before = store.path(VIEW, CHUNK_KEY).read_bytes()
    store.write(VIEW, CHUNK_KEY, LOGITS.astype(np.float64), PLACES.astype(np.int16))
    assert store.path(VIEW, CHUNK_KEY).read_bytes() == before


def crash_while_writing(path: Path, crash: type[BaseException]) -> None:
    with writing(path) as part:
        part.write_bytes(b"half")
        raise crash


@pytest.mark.parametrize("crash", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_crash_while_writing_leaves_nothing(tmp_path: Path, crash: type[BaseException]) -> None:
    with pytest.raises(crash):
        crash_while_writing(tmp_path / "new" / "file", crash)
    assert files(tmp_path) == []


def test_a_crash_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        crash_while_writing(path, RuntimeError)
    assert path.read_bytes() == b"old"
    assert files(tmp_path) == [path]


def test_a_full_disk_is_one_line_that_names_the_place(store: ChunkStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    key = digest("one too many")
    with pytest.raises(StorageError) as caught:
        store.write(VIEW, key, LOGITS, PLACES)
    assert str(caught.value) == f"Cannot write {store.path(VIEW, key)}: No space left on device"
    assert files(store.root) == [store.path(VIEW, CHUNK_KEY)]


def test_a_folder_that_cannot_be_made_is_one_line_that_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be")
    store = ChunkStore(tmp_path / "taken")
    with pytest.raises(StorageError, match=r"^Cannot write .*taken.*logits: (Not a directory|File exists)$"):
        store.write(VIEW, CHUNK_KEY, LOGITS, PLACES)
    assert store.read(VIEW, CHUNK_KEY) is None


def test_readers_see_a_whole_chunk_while_others_write_it(store: ChunkStore) -> None:
    stop = threading.Event()
    logits = np.random.default_rng(1).normal(size=(CHUNK, 100)).astype(np.float32)
    places = np.ones(CHUNK, dtype=np.int64)
    store.write(VIEW, CHUNK_KEY, logits, places)

    def write() -> None:
        while not stop.is_set():
            store.write(VIEW, CHUNK_KEY, logits, places)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        read = [store.read(VIEW, CHUNK_KEY) for _ in range(100)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert all(found is not None and np.array_equal(found[0], logits) for found in read)
    assert len(files(store.root)) == 1


@given(st.lists(st.integers()).map(tuple), st.integers(1, 7))
def test_chunks_are_consecutive_and_whole(items: tuple[int, ...], size: int) -> None:
    parts = list(chunked(items, size))
    assert tuple(i for part in parts for i in part) == items
    assert all(len(part) == size for part in parts[:-1])
    assert all(parts)
