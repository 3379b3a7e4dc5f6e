"""Batches through a network: every one, in order, one of them ahead at most."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Lock
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import Crop, View
from benchsuite.batches import Piece
from benchsuite.flow import scored
from benchsuite.pieces import Seconds

VIEWS = (View(4, Crop(4)), View(4, Crop(4), flip=True))


def batch(*values: int) -> list[Piece]:
    return [Piece(v, v % 2, np.full((4, 4, 3), v, np.uint8)) for v in values]


def plain(pixels: Any, flips: Any, view: View) -> Any:
    """The value of an image, and whether it is mirrored."""
    return np.stack([pixels[:, 0, 0, 0], flips], axis=1).astype(np.float32), 3


class Ahead:
    """A network that begins with a batch and is asked for its scores later."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, pixels: Any, flips: Any, view: View) -> Any:
        raise AssertionError("start is what is used")

    def start(self, pixels: Any, flips: Any, view: View) -> Any:
        name = int(pixels[0, 0, 0, 0])
        self.told.append(f"begin {name}")

        def finish() -> Any:
            self.told.append(f"finish {name}")
            return plain(pixels, flips, view)

        return finish


@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=4), max_size=6), st.booleans())
def test_every_batch_comes_once_in_order_with_its_own_scores(drawn: list[list[int]], ahead: bool) -> None:
    made = [batch(*values) for values in drawn]
    found = list(scored(Ahead() if ahead else plain, iter(made), VIEWS, nullcontext(), Seconds()))
    assert [b for b, _, _ in found] == made
    for values, (_, logits, places) in zip(drawn, found, strict=True):
        assert logits.tolist() == [[v, v % 2] for v in values]
        assert places == 3


def test_the_next_batch_begins_before_the_scores_of_one_are_waited_for() -> None:
    network = Ahead()
    for made, _, _ in scored(network, [batch(1), batch(2), batch(3)], VIEWS, nullcontext(), Seconds()):
        network.told.append(f"got {made[0].sample}")
    ends = ["finish 2", "got 2", "finish 3", "got 3"]
    assert network.told == ["begin 1", "begin 2", "finish 1", "got 1", "begin 3", *ends]


def test_the_network_computes_in_its_turn_and_its_time_is_counted() -> None:
    turn, seconds, held = Lock(), Seconds(), list[bool]()

    def watched(pixels: Any, flips: Any, view: View) -> Any:
        held.append(turn.locked())
        return plain(pixels, flips, view)

    for _ in scored(watched, [batch(1), batch(2)], VIEWS, turn, seconds):
        assert not turn.locked()
    assert held == [True, True]
    assert seconds.forward > 0


def test_an_error_of_the_network_leaves_the_turn_free() -> None:
    def broken(pixels: Any, flips: Any, view: View) -> Any:
        raise KeyError("broken")

    turn = Lock()
    with pytest.raises(KeyError):
        list(scored(broken, [batch(1)], VIEWS, turn, Seconds()))
    assert not turn.locked()
