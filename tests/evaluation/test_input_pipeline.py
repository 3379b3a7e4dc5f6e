"""Tests of batching: every piece once, equal shapes in a batch, batch sizes and memory bounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import Crop, DataError, Perturbation, Sample, View
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.input_pipeline import HELD_BYTES, Batch, Piece, batched, batches
from benchsuite.specs.view import Border

VIEWS = (
    View(8, Crop(4)),
    View(8, Crop(4), flip=True),
    View(8, Crop(6)),
    View(8, dense=True, nominal=4),
    View(12, dense=True, nominal=4),
    View(8, dense=True, nominal=4, spatial="prob"),
)

BORDERS: list[tuple[int, Border]] = [(1, "reflect"), (1, "reflect"), (2, "reflect"), (1, "zero")]


def piece(sample: int, view: int, long: int = 8) -> Piece:
    """A piece of the shape that a view gives; dense views are ``long`` wide."""
    seen = VIEWS[view]
    height, width = (seen.crop.size,) * 2 if seen.crop else (seen.resize, max(long, seen.resize))
    return Piece(sample, view, np.zeros((height, width, 3), dtype=np.uint8))


PIECES = st.lists(st.tuples(st.integers(0, len(VIEWS) - 1), st.integers(4, 14)), max_size=60).map(
    lambda drawn: [piece(i, view, long) for i, (view, long) in enumerate(drawn)]
)


def kind(one: Piece) -> tuple[object, ...]:
    view = VIEWS[one.view]
    return (one.pixels.shape, view.dense, view.nominal, view.spatial)


@given(PIECES, st.integers(1, 9), st.sampled_from([HELD_BYTES, 2000, 500, 1]))
def test_every_piece_comes_once_with_pieces_of_its_own_kind(pieces: list[Piece], size: int, held: int) -> None:
    made = list(batches(pieces, VIEWS, size, held))
    assert sorted(p.sample for batch in made for p in batch) == list(range(len(pieces)))
    for batch in made:
        assert batch
        assert len({kind(p) for p in batch}) == 1
        assert [p.sample for p in batch] == sorted(p.sample for p in batch)


@given(PIECES, st.integers(1, 9))
def test_a_batch_holds_no_more_pixels_than_size_crops_unless_one_piece_does(pieces: list[Piece], size: int) -> None:
    for batch in batches(pieces, VIEWS, size):
        height, width = batch[0].pixels.shape[:2]
        assert len(batch) == 1 or len(batch) * height * width <= size * 4 * 4


@given(PIECES, st.integers(1, 9))
def test_only_the_last_batch_of_a_kind_is_smaller_than_it_may_be(pieces: list[Piece], size: int) -> None:
    left: dict[tuple[object, ...], int] = {}
    for one in pieces:
        left[kind(one)] = left.get(kind(one), 0) + 1
    for batch in batches(pieces, VIEWS, size):
        height, width = batch[0].pixels.shape[:2]
        left[kind(batch[0])] -= len(batch)
        full = max(1, size * 16 // (height * width))
        assert len(batch) == full or (len(batch) < full and left[kind(batch[0])] == 0)


@given(PIECES, st.integers(100, 3000))
def test_no_more_bytes_wait_than_may_be_held(pieces: list[Piece], held: int) -> None:
    waiting = 0

    def counted() -> Iterator[Piece]:
        nonlocal waiting
        for one in pieces:
            assert waiting <= held
            waiting += one.pixels.nbytes
            yield one

    for batch in batches(counted(), VIEWS, 10_000, held):
        waiting -= sum(p.pixels.nbytes for p in batch)
    assert waiting == 0


def test_when_too_much_waits_the_fullest_group_goes_first() -> None:
    pieces = [piece(0, 0), piece(1, 3), piece(2, 0), piece(3, 0)]
    made = list(batches(pieces, VIEWS, 10_000, held=8 * 8 * 3 + 3 * 4 * 4 * 3 - 1))
    assert [[p.sample for p in batch] for batch in made] == [[1], [0, 2, 3]]


def test_views_of_one_shape_share_a_batch_across_samples_and_mirrors() -> None:
    pieces = [piece(sample, view) for sample in range(3) for view in (0, 1)]
    made = list(batches(pieces, VIEWS[:2], 4))
    assert [[(p.sample, p.view) for p in batch] for batch in made] == [
        [(0, 0), (0, 1), (1, 0), (1, 1)],
        [(2, 0), (2, 1)],
    ]


def test_whole_images_without_a_score_map_share_batches_too() -> None:
    views = (View((6, 6)),)
    pieces = [Piece(i, 0, np.zeros((6, 6, 3), dtype=np.uint8)) for i in range(5)]
    assert [len(batch) for batch in batches(pieces, views, 2)] == [2, 2, 1]


def test_crops_that_are_cut_on_the_device_share_a_batch_if_their_borders_are_equal() -> None:
    whole = Perturbation("p", "package.module:change", on="image")
    edged = [View(8, Crop(6), perturbation=whole, pad=pad, border=border) for pad, border in BORDERS]
    pieces = [Piece(0, i, np.zeros((8, 8, 3), dtype=np.uint8)) for i in range(len(edged))]
    assert [[p.view for p in batch] for batch in batches(pieces, tuple(edged), 8)] == [[0, 1], [2], [3]]


@given(PIECES, st.integers(1, 9), st.sampled_from([HELD_BYTES, 700]))
def test_the_same_pieces_make_the_same_batches(pieces: list[Piece], size: int, held: int) -> None:
    there = [[p.sample for p in batch] for batch in batches(pieces, VIEWS, size, held)]
    again = [[p.sample for p in batch] for batch in batches(iter(pieces), VIEWS, size, held)]
    assert there == again


def test_no_pieces_make_no_batches() -> None:
    assert list(batches([], VIEWS, 8)) == []


Event = Piece | ChunkInProgress


def chunks(drawn: list[list[tuple[int, int]] | None]) -> list[list[Event]]:
    """The events of chunks: the pieces of (view, width), one for each sample; None for a chunk from the cache."""
    made: list[list[Event]] = []
    for pairs in drawn:
        samples = [Sample(str(i), 0, "") for i in range(len(pairs or "12"))]
        cached = {} if pairs is not None else dict.fromkeys(VIEWS)
        chunk = ChunkInProgress(samples, "", dict.fromkeys(VIEWS, ""), cached)  # type: ignore[arg-type]
        own = [piece(i, view, long) for i, (view, long) in enumerate(pairs or ())]
        made.append([*(Piece(p.sample, p.view, p.pixels, chunk) for p in own), chunk])
    return made


def told(events: list[list[Event]]) -> Iterator[Event]:
    """The events in order. A chunk has been read when the last of them comes."""
    for *pieces, chunk in events:
        yield from pieces
        chunk.read = True  # type: ignore[union-attr]
        yield chunk


CHUNKS = st.lists(
    st.none() | st.lists(st.tuples(st.integers(0, len(VIEWS) - 1), st.integers(4, 14)), min_size=1, max_size=12),
    max_size=7,
)


@given(CHUNKS, st.integers(1, 9), st.sampled_from([HELD_BYTES, 2000, 1]))
def test_within_chunks_the_batches_are_those_of_each_chunk_alone(
    drawn: list[list[tuple[int, int]] | None], size: int, held: int
) -> None:
    events = chunks(drawn)
    found = list(batched(told(events), size, held))
    wanted: list[object] = []
    for *own, chunk in events:
        wanted += [*batches(own, VIEWS, size, held), chunk]  # type: ignore[list-item]
    assert [one.pieces if isinstance(one, Batch) else one for one in found] == wanted


@given(CHUNKS, st.integers(1, 9), st.integers(1, 4), st.sampled_from([HELD_BYTES, 2000, 1]))
def test_across_chunks_every_piece_comes_once_and_waits_no_longer_than_it_may(
    drawn: list[list[tuple[int, int]] | None], size: int, span: int, held: int
) -> None:
    events = chunks(drawn)
    ends, left = [event for *_, event in events], {id(p): i for i, (*own, _) in enumerate(events) for p in own}
    for one in batched(told(events), size, held, span):
        if not isinstance(one, Batch):
            now = ends.index(one)
            oldest = min(left.values(), default=now + 1)
            assert oldest > now - span, "more chunks wait than may"
            assert drawn[now] is not None or oldest > now, "a chunk from the cache comes after all before it"
            assert all(i > now or VIEWS[p.view].dense for p, i in waiting(events, left)), "only score maps wait"
            continue
        assert len({kind(p) for p in one.pieces}) == 1
        places = [left.pop(id(p)) for p in one.pieces]
        assert places == sorted(places)
    assert not left


def waiting(events: list[list[Event]], left: dict[int, int]) -> Iterator[tuple[Piece, int]]:
    for *own, _ in events:
        yield from ((p, left[id(p)]) for p in own if isinstance(p, Piece) and id(p) in left)


def test_score_maps_of_several_chunks_share_a_batch() -> None:
    events = chunks([[(3, 9), (0, 0)], [(3, 9), (3, 8)], [(3, 9)]])
    found = list(batched(told(events), 64, span=8))
    sizes = [len(one) if isinstance(one, Batch) else "end" for one in found]
    assert sizes == [1, "end", "end", "end", 3, 1]


@given(CHUNKS, st.integers(1, 4), st.integers(0, 12))
def test_when_reading_fails_what_waits_of_whole_chunks_comes_before_the_error(
    drawn: list[list[tuple[int, int]] | None], span: int, more: int
) -> None:
    events = chunks([*drawn, [(3, 9)] * (more + 1)])
    whole = {id(p) for *own, _ in events[:-1] for p in own}

    def failing() -> Iterator[Event]:
        yield from told(events[:-1])
        yield from events[-1][:-2]
        raise DataError("broken")

    found: list[object] = []
    with pytest.raises(DataError, match="broken"):
        found.extend(batched(failing(), 64, span=span))
    assert whole <= {id(p) for one in found if isinstance(one, Batch) for p in one.pieces}
