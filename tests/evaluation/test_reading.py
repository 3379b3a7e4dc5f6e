"""Tests of reading: every image once, in order, by chunks, and on into the next chunk where a loader streams."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchsuite import (
    BenchsuiteError,
    Crop,
    DataError,
    Loader,
    PluginError,
    Sample,
    Split,
    View,
    decodes,
    file_content,
)
from benchsuite.builtin.loaders.torch import TORCH
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.input_pipeline import Piece, cutter
from benchsuite.evaluation.reading import pieces, read, read_once_each
from benchsuite.evaluation.timing import Seconds

VIEWS = (View(4, Crop(2)), View(4, Crop(4)))
COUNT = 20
SAMPLES = tuple(Sample(f"{i:02}", 0, f"file {i}", "") for i in range(COUNT))


def image(sample: Sample) -> Any:
    return np.full((4, 5, 3), int(sample.id), np.uint8)


def split_of(read_one: Any = image) -> Split:
    return Split("toy", SAMPLES, ("a",), True, read_one)


def chunks(size: int, cached: tuple[int, ...] = (), views: tuple[View, ...] = VIEWS) -> list[ChunkInProgress]:
    """The samples in chunks; those of these numbers are in the cache."""
    exist: Any = dict.fromkeys(views, (None, None))
    return [
        ChunkInProgress(SAMPLES[at : at + size], "key", dict.fromkeys(views, ""), exist if i in cached else {})
        for i, at in enumerate(range(0, COUNT, size))
    ]


def events(made: list[ChunkInProgress], loader: Loader = TORCH, split: Split | None = None, **options: Any) -> Any:
    workers, ahead = options.get("workers", 0), options.get("ahead", True)
    source = options.get("source", iter(made))
    return read(loader, split or split_of(), source, nullcontext(), workers, Seconds(), ahead=ahead)


@settings(max_examples=40)
@given(
    st.integers(1, COUNT),
    st.sets(st.integers(0, 4)),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_the_pieces_of_each_chunk_come_in_order_and_then_the_chunk(
    size: int, cached: set[int], workers: int, ahead: bool, streams: bool, chance: Any
) -> None:
    """However many chunks, workers and chunks of the cache there are, and whichever image is ready first."""
    naps = {s.id: chance.choice([0, 0, 0.001]) for s in SAMPLES}

    def late(sample: Sample) -> Any:
        time.sleep(naps[sample.id])
        return image(sample)

    made, loader = chunks(size, tuple(cached)), dataclasses.replace(TORCH, streams=streams)
    wanted: list[Any] = []
    for i, chunk in enumerate(made):
        if i not in cached:
            wanted += [(i, j, v) for j in range(len(chunk.samples)) for v in range(len(VIEWS))]
        wanted.append(i)
    found: list[Any] = []
    for event in events(made, loader, split_of(late), workers=workers, ahead=ahead):
        if isinstance(event, Piece):
            number = made.index(event.chunk)
            found.append((number, event.sample, event.view))
            assert (event.pixels == number * size + event.sample).all()
            assert not event.chunk.read
        else:
            assert event.read
            found.append(made.index(event))
    assert found == wanted


@pytest.mark.parametrize(("ahead", "streams", "begun"), [(True, True, 2), (True, False, 1), (False, True, 1)])
def test_the_next_chunk_is_read_before_the_last_image_of_one_is_taken(ahead: bool, streams: bool, begun: int) -> None:
    taken: list[int] = []

    def source() -> Iterator[ChunkInProgress]:
        for i, chunk in enumerate(chunks(10)):
            taken.append(i)
            yield chunk

    loader = dataclasses.replace(TORCH, streams=streams)
    stream = events([], loader, workers=2, ahead=ahead, source=source())
    for event in stream:
        if isinstance(event, Piece) and event.sample == 8:
            break
    assert len(taken) == begun
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("benchsuite-images")]


def test_chunks_of_one_stream_are_read_by_the_same_threads() -> None:
    calls: list[Any] = []

    def images(split: Split, samples: Any, then: Any, workers: int) -> Any:
        calls.append(workers)
        assert TORCH.images is not None
        return TORCH.images(split, samples, then, workers)

    assert len(list(events(chunks(3), dataclasses.replace(TORCH, images=images), workers=2))) == 2 * COUNT + 7
    assert len(calls) == 1


def broken_at(number: int) -> Split:
    def read_one(sample: Sample) -> Any:
        if sample.id == f"{number:02}":
            raise DataError(f"broken {sample.where}")
        return image(sample)

    return split_of(read_one)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("number", [10, 13, 19])
def test_a_damaged_image_of_the_next_chunk_comes_after_the_chunk_before_it(workers: int, number: int) -> None:
    made = chunks(10)
    found: list[Any] = []
    with pytest.raises(DataError, match=f"broken file {number}$"):
        found.extend(events(made, split=broken_at(number), workers=workers))
    assert [e for e in found if not isinstance(e, Piece)] == made[:1]
    assert [p.sample for p in found if isinstance(p, Piece) and p.chunk is made[1]] == sorted(2 * [*range(number - 10)])


def test_an_error_of_the_cache_that_is_looked_up_ahead_ends_the_stream() -> None:
    def source() -> Iterator[ChunkInProgress]:
        yield chunks(10)[0]
        raise BenchsuiteError("the disk is full")

    with pytest.raises(BenchsuiteError, match="disk is full"):
        list(events([], source=source(), workers=2))


def of(make: Any, *, streams: bool = True) -> Loader:
    """A loader that reads what ``make`` makes of the samples."""

    def images(split: Split, samples: Any, then: Any, workers: int) -> Any:
        return (then(split.read(sample), 0.0) for sample in make(samples))

    return Loader("strange", images, exact=True, note="", streams=streams)


def swapped(samples: Any) -> Iterator[Sample]:
    waiting = iter(samples)
    for first in waiting:
        yield from reversed([first, *([second] if (second := next(waiting, None)) else [])])


def doubled(samples: Any) -> Iterator[Sample]:
    """The third sample comes twice, and the fourth not at all."""
    for i, sample in enumerate(samples):
        if i != 3:
            yield from [sample] * (2 if i == 2 else 1)


def more(samples: Any) -> Iterator[Sample]:
    yield from samples
    yield SAMPLES[0]


def fewer(samples: Any) -> Iterator[Sample]:
    yield from [*samples][:-1]


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (swapped, "loader strange to give 00 next, got 01: no number"),
        (doubled, r"read each of 10 images once, got 9 distinct of 10: no number"),
        (more, r"loader to give 10 images, got more: no number"),
        (fewer, r"loader to give 10 images, got only 9: no number"),
    ],
)
def test_a_loader_that_does_not_give_each_image_once_in_order_is_refused(make: Any, words: str, streams: bool) -> None:
    made = chunks(10)
    with pytest.raises(BenchsuiteError, match=words):
        list(events(made, of(make, streams=streams)))
    if make in (swapped, doubled):
        assert not made[0].read, "no number of this chunk may be kept"


def test_pieces_of_samples_are_those_of_a_chunk() -> None:
    found = list(pieces(TORCH, split_of(), SAMPLES[:3], VIEWS))
    assert [(p.sample, p.view) for p in found] == [(i, v) for i in range(3) for v in range(2)]
    assert [p.pixels.shape for p in found[:2]] == [(2, 2, 3), (4, 4, 3)]


FILES = tuple(Sample(f"{i}", 0, f"file {i}") for i in range(4))


@decodes(lambda sample: sample.id.encode())
def read_grey(sample: Sample) -> Any:
    return np.full((9, 9, 3), int(sample.id), np.uint8)


def read_by(order: Sequence[int], by_itself: Sequence[int]) -> list[int]:
    """The values of the images that a loader gives which decodes the files ``by_itself`` and lets others be read."""

    def images(split: Split, samples: Sequence[Sample], then: Any, workers: int) -> Iterator[Any]:
        content = file_content(split)
        assert content is not None
        for i in order:
            data = content(samples[i])
            own = np.full((9, 9, 3), int(data), np.uint8) if i in by_itself else split.read(samples[i])
            yield then(own, 0.0)

    split = Split("grey", FILES, ("a", "b"), mirror=True, read=read_grey)
    loader = Loader("own", images, exact=False, note="")
    found = read_once_each(loader, split, FILES, cutter((View(9, Crop(9)),), nullcontext()), 0)
    return [int(one.pixels[0][0, 0, 0]) for one in found]


@pytest.mark.parametrize("by_itself", [(), (0, 1, 2, 3), (1, 3)])
def test_a_loader_may_decode_files_by_itself_and_each_is_counted_once(by_itself: Sequence[int]) -> None:
    assert read_by(range(4), by_itself) == [0, 1, 2, 3]
    for order in ([0, 1, 1, 3], [0, 1, 2], [0, 1, 2, 3, 3]):
        with pytest.raises(
            BenchsuiteError, match=r"the loader own to read each of 4 images once, got [34] distinct of"
        ):
            read_by(order, by_itself)


def test_a_read_that_changes_what_it_decodes_has_no_files() -> None:
    split = Split("grey", FILES, ("a", "b"), mirror=True, read=read_grey)
    assert file_content(split) is not None
    assert file_content(dataclasses.replace(split, read=lambda sample: read_grey(sample)[1:])) is None


@pytest.mark.parametrize(
    ("made", "got"),
    [
        (lambda: np.zeros((4, 5, 3), np.float32), r"float32 \(4, 5, 3\)"),
        (lambda: np.zeros((4, 5), np.uint8), r"uint8 \(4, 5\)"),
        (lambda: np.zeros((4, 5, 4), np.uint8), r"uint8 \(4, 5, 4\)"),
        (lambda: Image.new("L", (5, 4)), "mode L"),
        (lambda: [[1]], "list"),
    ],
)
def test_what_is_no_rgb_image_is_refused_with_the_name_of_the_image(made: Any, got: str) -> None:
    split = split_of(lambda sample: made())
    with pytest.raises(DataError, match=rf"^Expected the image 00 to be uint8 .*, got {got} \(file 0\)$"):
        list(read_once_each(TORCH, split, SAMPLES, lambda image, seconds: image, 0))


def test_a_file_that_cannot_be_opened_is_refused_with_the_name_of_the_image() -> None:
    def missing(sample: Sample) -> Any:
        raise FileNotFoundError(2, "No such file", "x.png")

    with pytest.raises(DataError, match=r"^Cannot read the image 00: .*No such file.* \(file 0\)$"):
        list(read_once_each(TORCH, split_of(missing), SAMPLES, lambda image, seconds: image, 0))


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (lambda split, samples, then, workers: [then(split.read(s), 0.0) for s in samples], "to be an Iterator, got a"),
        (lambda split, samples, then, workers: None, "to be an Iterator, got None"),
        (lambda split, samples, then: iter(()), "to be without an error, got TypeError"),
        (lambda split, samples, then, workers: (split.read(s) for s in samples), "yields to be what then"),
    ],
)
def test_a_loader_that_breaks_its_contract_is_named(images: Any, said: str) -> None:
    with pytest.raises(PluginError, match=f"images of the loader odd .*{said}"):
        list(read_once_each(Loader("odd", images, exact=True, note="n"), split_of(), SAMPLES, lambda i, s: i, 0))
