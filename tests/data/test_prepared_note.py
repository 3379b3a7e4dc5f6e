"""Tests of the note next to a prepared file: its checksums, and what makes it invalid."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from prepared_pictures import make, use

from benchsuite import DataError
from benchsuite.data.prepared_note import checksum
from benchsuite.storage.files import cache_dir


def test_a_file_made_by_another_decoder_is_refused(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(pictures)
    monkeypatch.setattr("benchsuite.data.prepared_reader.decoder", lambda: "Pillow 99")
    with pytest.raises(DataError, match="made with Pillow 99, got one made with Pillow"):
        use(pictures)


def test_a_damaged_note_is_as_none(pictures: Path) -> None:
    make(pictures)
    (note,) = (cache_dir() / "prepared").glob("*.json")
    for text in ("", "[]", "{", '{"version": 0}'):
        note.write_text(text)
        with pytest.raises(DataError, match="got no file"):
            use(pictures)
    make(pictures)
    use(pictures)


@pytest.mark.parametrize("shape", [(1, 1, 3), (32, 32, 3), (33, 47, 3), (40, 101, 3), (150, 211, 3)])
def test_a_checksum_sees_any_bit_and_the_shape(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    right = checksum(pixels)
    assert checksum(pixels.copy()) == checksum(np.asfortranarray(pixels)) == right
    assert checksum(pixels.reshape(shape[1], shape[0], 3)) != right or shape[0] == shape[1]
    bits = range(8 * pixels.size) if pixels.size < 100 else random.Random(0).sample(range(8 * pixels.size), 300)
    flat = pixels.reshape(-1)
    for bit in (*bits, 0, 8 * pixels.size - 1):
        flat[bit // 8] ^= 1 << bit % 8
        assert checksum(pixels) != right
        flat[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("block", [512, 4096, 65536])
def test_a_checksum_sees_blocks_that_are_lost_or_change_places(block: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    right, blocks = checksum(pixels), pixels.reshape(-1, block)
    blocks[[1, 4]] = blocks[[4, 1]]
    assert checksum(pixels) != right
    blocks[[1, 4]] = blocks[[4, 1]]
    assert checksum(pixels) == right
    blocks[2] = 0
    assert checksum(pixels) != right
