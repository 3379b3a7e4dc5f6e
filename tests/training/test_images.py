"""A split as one array: the pixels of the view of ``1crop``, read once and cached until the images change."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import toy_training
from PIL import Image

from benchsuite import DataError, Preprocess, Sample, Split, center
from benchsuite.evaluation.input_pipeline import cutter
from benchsuite.training import images
from benchsuite.training.images import cached_pixels, read

WIDE = Preprocess(20, 16, "bicubic", (0.5,) * 3, (0.5,) * 3)


def pictures(count: int = 7) -> Split:
    """A split of images of different sizes."""
    generator = np.random.default_rng(0)
    shapes = [(20 + 3 * i, 33 - i, 3) for i in range(count)]
    table = [generator.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    samples = tuple(Sample(f"p{i}", 0, f"row {i}", f"s{i}@now") for i in range(count))
    return Split("odd", samples, ("one", "two"), True, lambda s: Image.fromarray(table[int(s.id[1:])]))


def counting(split: Split) -> tuple[Split, list[str]]:
    """The split, and the ids that have been read from it so far."""
    seen: list[str] = []

    def look(sample: Sample) -> object:
        seen.append(sample.id)
        return split.read(sample)

    return dataclasses.replace(split, read=look), seen


def test_pixels_are_those_that_1crop_looks_at() -> None:
    split = pictures()
    pixels = read(split, split.samples, WIDE, 16)
    cut = cutter((center(WIDE),), nullcontext())
    assert pixels.dtype == np.uint8
    for sample, image in zip(split.samples, pixels, strict=True):
        assert np.array_equal(image, cut(split.read(sample), 0.0).pixels[0])


def test_at_another_size_the_shorter_side_is_resized_to_it() -> None:
    split = pictures(2)
    pixels = read(split, split.samples, WIDE, 24)
    picture = split.read(split.samples[1])
    assert picture.size == (32, 23)
    wide = picture.resize((int(24 * 32 / 23), 24), Image.Resampling.BICUBIC)
    left = round((wide.width - 24) / 2)
    assert np.array_equal(pixels[1], np.asarray(wide)[:, left : left + 24])


def test_many_images_are_read_in_order_by_threads() -> None:
    samples = tuple(Sample(f"{i:05}", 0, "", "") for i in range(1500))
    split = Split("ramp", samples, ("a", "b"), True, lambda s: np.full((8, 8, 3), int(s.id) % 251, np.uint8))
    pixels = read(split, samples, toy_training.PREPROCESS, 8)
    assert pixels[:, 0, 0, 0].tolist() == [i % 251 for i in range(1500)]


def test_the_second_time_nothing_is_read() -> None:
    split, seen = counting(pictures())
    first = cached_pixels(split, split.samples, WIDE, 16)
    assert len(seen) == 7
    assert np.array_equal(cached_pixels(split, split.samples, WIDE, 16), first)
    assert len(seen) == 7
    cached_pixels(split, split.samples, WIDE, 24)
    cached_pixels(split, split.samples, dataclasses.replace(WIDE, interpolation="bilinear"), 16)
    cached_pixels(split, split.samples[1:], WIDE, 16)
    assert len(seen) == 7 * 3 + 6


def test_a_picture_that_changed_and_a_damaged_cache_are_read_again(isolated: Path) -> None:
    split, seen = counting(pictures())
    first = cached_pixels(split, split.samples, WIDE, 16)
    (file,) = (isolated / "cache" / "pixels").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    assert np.array_equal(cached_pixels(split, split.samples, WIDE, 16), first)
    changed = tuple(dataclasses.replace(s, stamp="other") if s.id == "p3" else s for s in split.samples)
    cached_pixels(split, changed, WIDE, 16)
    assert len(seen) == 21


def test_a_broken_picture_is_named_and_nothing_is_kept(isolated: Path) -> None:
    def broken(sample: Sample) -> object:
        raise DataError(f"Expected an image to be whole, got nothing ({sample.id})")

    split = dataclasses.replace(pictures(), read=broken)
    with pytest.raises(DataError, match="p0"):
        cached_pixels(split, split.samples, WIDE, 16)
    assert not (isolated / "cache" / "pixels").exists()


def test_more_pixels_than_half_of_the_memory_are_refused_before_any_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    split, seen = counting(pictures())
    monkeypatch.setattr(images.os, "sysconf", lambda name: 64)
    with pytest.raises(DataError, match="half of the memory"):
        read(split, split.samples, WIDE, 16)
    assert seen == []
