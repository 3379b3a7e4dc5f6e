"""Tests of batching: every piece once, equal shapes in a batch, batch sizes and memory bounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import Crop, Perturbation, View
from benchsuite.evaluation.input_pipeline import HELD_BYTES, Piece, batches
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
