"""Tests of inference over batches: every batch, in order, at most one ahead, also across chunks."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import BenchsuiteError, Crop, DataError, Sample, View
from benchsuite.evaluation import inference
from benchsuite.evaluation.inference import ChunkInProgress, scored
from benchsuite.evaluation.input_pipeline import Piece
from benchsuite.evaluation.timing import Seconds

VIEWS = (View(4, Crop(4)), View(4, Crop(4), flip=True))


def batch(*values: int) -> list[Piece]:
    return [Piece(v, v % 2, np.full((4, 4, 3), v, np.uint8)) for v in values]


def plain(pixels: Any, flips: Any, view: View) -> Any:
    """The value of an image, and whether it is mirrored."""
    return np.stack([pixels[:, 0, 0, 0], flips], axis=1).astype(np.float32), 3


class Ahead:
    """A network to which a batch is submitted, and whose scores are fetched later."""

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


def forward(predict: Any) -> tuple[Any, Any]:
    """A network as ``scored`` takes it: what computes, and what only begins, if it has that."""
    return predict, getattr(predict, "start", None)


def portion(samples: int = 9) -> ChunkInProgress:
    """A chunk of this many samples, without any stored logits."""
    return ChunkInProgress(
        [Sample(str(i), 0, str(i), "") for i in range(samples)], "key", {v: str(i) for i, v in enumerate(VIEWS)}, {}
    )


@given(st.lists(st.lists(st.integers(0, 255), max_size=4), max_size=6), st.booleans())
def test_every_batch_and_end_comes_once_in_order_with_its_own_scores(drawn: list[list[int]], ahead: bool) -> None:
    asked = [(portion(), batch(*values)) for values in drawn]
    found = list(scored(*(forward(Ahead()) if ahead else forward(plain)), iter(asked), nullcontext(), Seconds()))
    assert [(p, b) for p, b, _, _ in found] == asked
    for values, (_, _, logits, places) in zip(drawn, found, strict=True):
        assert logits.tolist() == [[v, v % 2] for v in values]
        assert places == (3 if values else 0)


def told(network: Ahead, asked: Any) -> list[str]:
    """What happens in which order; an empty batch is the end of a portion."""
    for _, made, _, _ in scored(*forward(network), asked, nullcontext(), Seconds()):
        network.told.append(f"got {made[0].sample}" if made else "end")
    return network.told


def test_the_next_batch_begins_before_the_scores_of_one_are_waited_for() -> None:
    one = portion()
    asked = [(one, batch(1)), (one, batch(2)), (one, batch(3)), (one, [])]
    ends = ["finish 2", "got 2", "finish 3", "got 3", "end"]
    assert told(Ahead(), asked) == ["begin 1", "begin 2", "finish 1", "got 1", "begin 3", *ends]


def test_the_next_chunk_begins_before_the_last_scores_of_one_are_waited_for() -> None:
    one, two = portion(), portion()
    found = told(Ahead(), [(one, batch(1)), (one, []), (two, batch(2)), (two, [])])
    assert found == ["begin 1", "begin 2", "finish 1", "got 1", "end", "finish 2", "got 2", "end"]


def test_chunks_that_are_there_are_handed_over_one_by_one() -> None:
    """They would fill the memory if they waited for a chunk that is being computed."""
    network = Ahead()

    def asked() -> Any:
        for i in (1, 2, 3, 4):
            network.told.append(f"asked {i}")
            yield portion(), batch(1) if i == 2 else []

    assert told(network, asked())[:7] == ["asked 1", "end", "asked 2", "begin 1", "asked 3", "asked 4", "finish 1"]
    assert network.told[7:] == ["got 1", "end", "end"]


def test_a_network_that_cannot_begin_hands_over_at_once() -> None:
    asked: list[int] = []

    def batches() -> Any:
        for i in (1, 2):
            asked.append(i)
            yield portion(), batch(i)

    for i, _ in enumerate(scored(*forward(plain), batches(), nullcontext(), Seconds()), 1):
        assert len(asked) == i


def test_what_has_begun_is_handed_over_before_an_error_of_the_next_images() -> None:
    def asked() -> Any:
        yield portion(), batch(1)
        yield portion(), []
        raise DataError("broken")

    network = Ahead()
    with pytest.raises(DataError, match="broken"):
        told(network, asked())
    assert network.told == ["begin 1", "finish 1", "got 1", "end"]


def test_what_has_begun_is_handed_over_before_an_error_of_the_next_batch() -> None:
    class Full(Ahead):
        def start(self, pixels: Any, flips: Any, view: View) -> Any:
            if pixels[0, 0, 0, 0] == 2:
                raise BenchsuiteError("no memory for one image")
            return super().start(pixels, flips, view)

    network, one, two = Full(), portion(), portion()
    with pytest.raises(BenchsuiteError, match="no memory"):
        told(network, [(one, batch(1)), (one, []), (two, batch(2)), (two, [])])
    assert network.told == ["begin 1", "finish 1", "got 1", "end"]


def test_logits_of_one_image_are_not_taken_for_those_of_all() -> None:
    with pytest.raises(
        BenchsuiteError, match="logits to be one row for each of the 3 images of a batch, got 1: no number"
    ):
        portion().put(batch(1, 2, 3), np.zeros((1, 5), np.float32), 1)


def test_the_network_computes_in_its_turn_and_its_time_is_counted() -> None:
    turn, seconds, held = Lock(), Seconds(), list[bool]()

    def watched(pixels: Any, flips: Any, view: View) -> Any:
        held.append(turn.locked())
        return plain(pixels, flips, view)

    for _ in scored(*forward(watched), [(portion(), batch(1)), (portion(), batch(2))], turn, seconds):
        assert not turn.locked()
    assert held == [True, True]
    assert seconds.forward > 0


class Clocked:
    """A network on a clock that only work moves: it copies pixels for 3 seconds, submits for 1 and computes for 7."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.pinning = 0.0
        monkeypatch.setattr(inference, "time", SimpleNamespace(perf_counter=lambda: self.now))
        stack = np.stack

        def slow(arrays: Any) -> Any:
            self.now += 2
            return stack(arrays)

        monkeypatch.setattr(np, "stack", slow)

    def start(self, pixels: Any, flips: Any, view: View) -> Any:
        self.pinning += 3
        self.now += 3 + 1

        def finish() -> Any:
            self.now += 7
            return pixels[:, 0, 0, :1].astype(np.float32), 1

        return finish

    def __call__(self, pixels: Any, flips: Any, view: View) -> Any:
        return self.start(pixels, flips, view)()


@pytest.mark.parametrize("ahead", [False, True])
def test_making_and_copying_a_batch_is_no_time_of_the_network(monkeypatch: pytest.MonkeyPatch, ahead: bool) -> None:
    network, seconds = Clocked(monkeypatch), Seconds()
    asked = [(portion(), batch(1)), (portion(), batch(2)), (portion(), [])]
    start = network.start if ahead else None
    batches = scored(network, start, asked, nullcontext(), seconds, lambda: network.pinning)
    assert len(list(batches)) == 3
    assert (seconds.prepare, seconds.forward) == (2 * (2 + 3), 2 * (1 + 7))


def test_an_error_of_the_network_leaves_the_turn_free() -> None:
    def broken(pixels: Any, flips: Any, view: View) -> Any:
        raise KeyError("broken")

    turn = Lock()
    with pytest.raises(KeyError):
        list(scored(*forward(broken), [(portion(), batch(1))], turn, Seconds()))
    assert not turn.locked()
