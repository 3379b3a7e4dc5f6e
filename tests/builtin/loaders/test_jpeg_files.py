"""Tests of what decoders of many files get: whole, plain JPEG; anything else goes to the reference decoder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jpeg_folder import PLAIN, damaged, encoded, folder, kinds, picture
from PIL import Image

from benchsuite import BenchsuiteError, DataError, Sample, Split, TooLarge, load_plugins
from benchsuite.builtin.loaders._jpeg_files import BATCH, in_batches, plain_size

CATALOG = load_plugins(entry_points=False)
SMALL = encoded(picture(0, 8, 8))


def opened(root: Path) -> Split:
    return CATALOG.open_dataset(f"folder:{root}")[1]


class Reference:
    """A ``Decode`` by Pillow that keeps the sizes of its batches and the kinds of its items."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.files = 0

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        self.batches.append(len(items))
        self.files += sum(isinstance(item, bytes) for item in items)
        return [
            np.asarray(Image.open(io.BytesIO(item)).convert("RGB")) if isinstance(item, bytes) else item
            for item in items
        ]


def pixels_of(split: Split, samples: Sequence[Sample], decode: Any, workers: int = 0) -> list[Any]:
    return list(in_batches(split, samples, lambda pixels, _: pixels, workers, lambda: decode))


def test_the_size_is_that_of_plain_files_and_none_of_others() -> None:
    for name, content in kinds().items():
        size = Image.open(io.BytesIO(content)).size[::-1]
        assert plain_size(content) == (size if name in PLAIN else None), name


def test_a_file_without_an_end_has_no_size() -> None:
    for content in damaged().values():
        if not content.endswith(b"\xff\xd9"):
            assert plain_size(content) is None


@given(st.binary(max_size=80), st.integers(0, 10**6), st.integers(0, 300))
def test_no_bytes_make_it_fail(noise: bytes, at: int, cut: int) -> None:
    spoiled, place = bytearray(SMALL), at % len(SMALL)
    spoiled[place : place + len(noise)] = noise
    for content in (noise, b"\xff\xd8" + noise + b"\xff\xd9", bytes(spoiled), SMALL[:cut] + b"\xff\xd9"):
        size = plain_size(content)
        assert size is None or min(size) > 0


def test_more_pixels_than_the_limit_and_more_than_8_bits_are_not_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(picture(0, 10, 10))
    assert plain_size(content) == (10, 10)
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 99)
    assert plain_size(content) is None
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", None)
    assert plain_size(content) == (10, 10)
    frame = content.index(b"\xff\xc0")
    assert plain_size(content[: frame + 4] + b"\x0c" + content[frame + 5 :]) is None


@pytest.mark.parametrize("workers", [0, 2])
def test_every_image_comes_once_in_the_requested_order(tmp_path: Path, workers: int) -> None:
    split, decode = opened(folder(tmp_path, kinds())), Reference()
    asked = tuple(split.samples[i] for i in np.random.default_rng(0).permutation(len(split.samples)))
    for sample, pixels in zip(asked, pixels_of(split, asked, decode, workers), strict=True):
        np.testing.assert_array_equal(pixels, np.asarray(split.read(sample)))
    assert decode.files == len(PLAIN)
    assert pixels_of(split, (), decode, workers) == []


def test_a_batch_is_full_but_for_the_last(tmp_path: Path) -> None:
    split, decode = opened(folder(tmp_path, kinds())), Reference()
    asked = [split.samples[i % len(split.samples)] for i in range(2 * BATCH + 5)]
    assert len(pixels_of(split, asked, decode)) == len(asked)
    assert decode.batches == [BATCH, BATCH, 5]


@pytest.mark.parametrize("name", damaged())
@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_or_deep_image_is_one_line_with_its_name(tmp_path: Path, name: str, workers: int) -> None:
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture()), name: damaged()[name]}))

    with pytest.raises(DataError, match=rf"^Expected an image to be .*{name}: .*|.*{name}\)$") as caught:
        pixels_of(split, split.samples, Reference(), workers)
    assert "\n" not in str(caught.value)


def test_a_file_that_only_the_decoder_refuses_is_read_by_the_reference(tmp_path: Path) -> None:
    split, made, refused = opened(folder(tmp_path, kinds())), list[Reference](), kinds()["444.jpg"]

    class Picky(Reference):
        """Refuses one file, and everything after it, as a pipeline of DALI does."""

        broken = False

        def __call__(self, items: Sequence[Any]) -> list[Any]:
            assert not self.broken
            self.broken = any(isinstance(item, bytes) and item == refused for item in items)
            if self.broken:
                raise RuntimeError("Failed to decode sample #3")
            return super().__call__(items)

    def fresh() -> Picky:
        made.append(Picky())
        return made[-1]

    found = list(in_batches(split, split.samples, lambda pixels, _: pixels, 0, fresh))
    for sample, pixels in zip(split.samples, found, strict=True):
        np.testing.assert_array_equal(pixels, np.asarray(split.read(sample)))
    assert sum(one.files for one in made) == len(PLAIN) - 1


def test_an_array_that_cannot_be_decoded_is_named_and_a_mistake_of_the_decoder_is_not_hidden(tmp_path: Path) -> None:
    split = CATALOG.open_dataset("digits")[1]

    def broken(items: Sequence[Any]) -> list[Any]:
        raise RuntimeError("no\nmemory")

    with pytest.raises(DataError, match=r"^Expected an image to be one that is resized, got no \(.*\)$"):
        pixels_of(split, split.samples[:3], broken)

    def mixed_up(items: Sequence[Any]) -> list[Any]:
        raise BenchsuiteError("others than it was given")

    with pytest.raises(BenchsuiteError, match=r"^others than it was given$"):
        pixels_of(split, split.samples[:3], mixed_up)


def test_an_image_that_a_resize_would_make_too_large_is_named(tmp_path: Path) -> None:
    split = opened(folder(tmp_path, kinds()))

    def refuse(*words: Any) -> None:
        raise TooLarge("too large")

    for then, check in ((refuse, lambda *_: None), (lambda pixels, _: pixels, refuse)):
        with pytest.raises(DataError, match=rf"^too large \({split.samples[0].where}\)$"):
            list(in_batches(split, split.samples, then, 0, Reference, check))


def test_a_changed_read_is_never_passed_by(tmp_path: Path) -> None:
    """Such as that of ObjectNet, which cuts off a border: the file's own pixels would be others."""
    import dataclasses

    split, decode = opened(folder(tmp_path, kinds())), Reference()
    inside = dataclasses.replace(split, read=lambda sample: split.read(sample).crop((2, 2, 20, 20)))
    found = pixels_of(inside, inside.samples, decode)
    assert {pixels.shape for pixels in found} == {(18, 18, 3)}
    assert decode.files == 0


def test_a_file_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    split = opened(folder(tmp_path, kinds()))
    Path(split.samples[0].where).write_bytes(encoded(picture(77)))
    with pytest.raises(DataError, match=r"to be unchanged since the run began, got a changed file"):
        pixels_of(split, split.samples, Reference())
