"""Tests of inference over batches: every batch, in order, and on a device the next before the last is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from threading import Event, Lock
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import BenchsuiteError, Crop, DataError, Sample, View
from benchsuite.evaluation import inference
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.inference import WAITING, scored
from benchsuite.evaluation.input_pipeline import Batch, Piece
from benchsuite.evaluator import OpenNetwork
from benchsuite.storage.logit_cache import ChunkStore

VIEWS = (View(4, Crop(4)), View(4, Crop(4), flip=True))


def portion(cached: bool = False) -> ChunkInProgress:
    """A chunk of 256 samples; ``cached`` if the logits of all views exist."""
    samples = [Sample(str(i), 0, str(i), "") for i in range(256)]
    exist: Any = dict.fromkeys(VIEWS, (None, None)) if cached else {}
    return ChunkInProgress(samples, "key", {v: str(i) for i, v in enumerate(VIEWS)}, exist)


def batch(*values: int, of: ChunkInProgress | None = None) -> Batch:
    chunk = of or portion()
    return Batch([Piece(v, v % 2, np.full((4, 4, 3), v, np.uint8), chunk) for v in values])


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


def opened(predict: Any, **fields: Any) -> OpenNetwork:
    """The network as ``scored`` takes it."""
    start = getattr(predict, "start", None)
    return OpenNetwork(predict, VIEWS, ChunkStore(Path("unused")), "digest", start, **fields)


def run(predict: Any, events: Any, turn: Any = None) -> list[Any]:
    return list(scored(opened(predict), events, turn or nullcontext()))


def device_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("benchsuite-device")]


@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=4) | st.none(), max_size=9), st.booleans())
def test_every_batch_comes_once_in_order_with_its_own_scores(drawn: list[Any], ahead: bool) -> None:
    asked = [portion() if values is None else batch(*values) for values in drawn]
    found = run(Ahead() if ahead else plain, iter(asked))
    made = [one for one in found if one is not None]
    assert [b for b, _, _ in made] == [b for b in asked if isinstance(b, Batch)]
    assert len(found) == len(asked)
    for values, (_, logits, places) in zip([v for v in drawn if v is not None], made, strict=True):
        assert logits.tolist() == [[v, v % 2] for v in values]
        assert places == 3
    assert not device_threads()


def test_the_next_batch_begins_before_the_scores_of_one_are_waited_for_also_across_chunks() -> None:
    network = Ahead()
    run(network, [batch(1), batch(2), portion(), batch(3), portion()])
    assert network.told == ["begin 1", "begin 2", "finish 1", "begin 3", "finish 2", "finish 3"]


def test_no_more_batches_are_made_than_may_wait() -> None:
    taken, most = 0, 0

    def asked() -> Iterator[Batch]:
        nonlocal taken
        for i in range(12):
            taken += 1
            yield batch(i)

    class Slow(Ahead):
        def start(self, pixels: Any, flips: Any, view: View) -> Any:
            time.sleep(0.005)
            return super().start(pixels, flips, view)

    for done, _ in enumerate(scored(opened(Slow()), asked(), nullcontext())):
        most = max(most, taken - done)
    assert 2 < most <= WAITING + 3  # they, the one that is submitted, and the one that is computed, and the next


def test_a_chunk_from_the_cache_waits_for_what_is_being_computed() -> None:
    """Many of them would fill the memory if they waited for a chunk that is being computed."""
    network = Ahead()

    def asked() -> Any:
        yield batch(1)
        yield portion()
        yield portion(cached=True)
        network.told.append("asked for more")
        yield portion(cached=True)

    run(network, asked())
    assert network.told == ["begin 1", "finish 1", "asked for more"]


def test_a_network_that_cannot_begin_hands_over_at_once() -> None:
    asked: list[int] = []

    def batches() -> Any:
        for i in (1, 2):
            asked.append(i)
            yield batch(i)

    for i, _ in enumerate(scored(opened(plain), batches(), nullcontext()), 1):
        assert len(asked) == i


def until_error(network: Any, events: Any, error: type[BaseException], match: str) -> list[int]:
    """The first value of each batch that is handed over before the error."""
    found: list[Any] = []
    with pytest.raises(error, match=match):
        found.extend(scored(opened(network), events, nullcontext()))
    assert not device_threads()
    return [int(one[1][0, 0]) for one in found if one is not None]


def test_what_has_begun_is_handed_over_before_an_error_of_the_next_images() -> None:
    def asked() -> Any:
        yield from (batch(1), batch(2), portion(), batch(3))
        raise DataError("broken")

    assert until_error(Ahead(), asked(), DataError, "broken") == [1, 2, 3]


class Full(Ahead):
    """Cannot begin the batch that starts with 3."""

    error: BaseException = BenchsuiteError("no memory for one image")

    def start(self, pixels: Any, flips: Any, view: View) -> Any:
        if pixels[0, 0, 0, 0] == 3:
            raise self.error
        return super().start(pixels, flips, view)


def test_what_has_begun_is_handed_over_before_an_error_of_the_next_batch() -> None:
    network = Full()
    asked = [*map(batch, (1, 2, 3, 4, 5, 6, 7, 8)), portion()]
    assert until_error(network, asked, BenchsuiteError, "no memory") == [1, 2]
    assert network.told == ["begin 1", "begin 2", "finish 1", "finish 2"], "nothing begins after it"


def test_scores_that_cannot_be_fetched_are_an_error_and_those_behind_are_kept() -> None:
    class Lost(Ahead):
        def start(self, pixels: Any, flips: Any, view: View) -> Any:
            def broken() -> Any:
                raise RuntimeError("device lost")

            return broken if pixels[0, 0, 0, 0] == 2 else super().start(pixels, flips, view)

    assert until_error(Lost(), map(batch, (1, 2)), RuntimeError, "device lost") == [1]


def test_an_interrupt_ends_the_devices_thread() -> None:
    network = Full()
    network.error = KeyboardInterrupt("stop")
    assert until_error(network, map(batch, (1, 2, 3, 4)), KeyboardInterrupt, "stop")[:1] == [1]


def test_who_stops_early_leaves_no_thread_and_begins_nothing_more() -> None:
    network = Ahead()
    stream = scored(opened(network), map(batch, range(100)), nullcontext())
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert not device_threads()
    assert len(network.told) < 20


def test_a_batch_is_made_in_the_buffer_that_the_network_gives() -> None:
    room = [np.empty((2, 4, 4, 3), np.uint8) for _ in range(3)]
    seen: list[Any] = []

    class Buffered(Ahead):
        def start(self, pixels: Any, flips: Any, view: View) -> Any:
            seen.append(pixels)
            return super().start(pixels.copy(), flips, view)

    given_out = iter(room)
    network = opened(Buffered(), buffer=lambda shape: next(given_out).reshape(shape))
    found = list(scored(network, [batch(1, 2), batch(3, 4), batch(5, 6)], nullcontext()))
    assert [one[1][:, 0].tolist() for one in found if one is not None] == [[1, 2], [3, 4], [5, 6]]
    assert all(a is b or a.base is b for a, b in zip(seen, room, strict=True))


def test_logits_of_one_image_are_not_taken_for_those_of_all() -> None:
    with pytest.raises(
        BenchsuiteError, match="logits to be one row for each of the 3 images of a batch, got 1: no number"
    ):
        batch(1, 2, 3).put(np.zeros((1, 5), np.float32), 1)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), min_size=1, max_size=12, unique=True))
def test_the_scores_of_a_batch_of_several_chunks_go_where_they_belong(drawn: list[tuple[int, int, bool]]) -> None:
    chunks, drawn = [portion() for _ in range(3)], sorted(drawn)
    pixels = np.zeros((4, 4, 3), np.uint8)
    mixed = Batch([Piece(sample, int(view), pixels, chunks[c]) for c, sample, view in drawn])
    scores = np.arange(2.0 * len(drawn), dtype=np.float32).reshape(-1, 2)
    mixed.put(scores, np.arange(len(drawn)))
    for row, (c, sample, view) in enumerate(drawn):
        logits, places = chunks[c]._logits, chunks[c]._places
        assert logits is not None
        assert logits[sample, int(view)].tolist() == scores[row].tolist()
        assert places[sample, int(view)] == row
    assert mixed.samples == [chunks[c].samples[sample] for c, sample, _ in drawn]
    assert mixed.flips().tolist() == [view for *_, view in drawn]


def test_the_network_computes_in_its_turn_and_its_time_is_counted() -> None:
    turn, held = Lock(), list[bool]()

    def watched(pixels: Any, flips: Any, view: View) -> Any:
        held.append(turn.locked())
        return plain(pixels, flips, view)

    network = opened(watched)
    for _ in scored(network, [batch(1), batch(2)], turn):
        assert not turn.locked()
    assert held == [True, True]
    assert network.seconds.forward > 0


class Clocked:
    """A network on a clock that only work moves: it copies pixels for 3 seconds, submits for 1 and computes for 7.

    A batch takes 2 seconds to make.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pins: int) -> None:
        self.now = self.pinning = 0.0
        self.pins = pins
        monkeypatch.setattr(inference, "time", SimpleNamespace(perf_counter=lambda: self.now))
        stack = np.stack

        def slow(arrays: Any, out: Any = None) -> Any:
            self.now += 2
            return stack(arrays, out=out)

        monkeypatch.setattr(np, "stack", slow)

    def begin(self, pixels: Any, flips: Any, view: View) -> Any:
        self.pinning += self.pins
        self.now += self.pins + 1

        def finish() -> Any:
            self.now += 7
            return pixels[:, 0, 0, :1].astype(np.float32), 1

        return finish

    def __call__(self, pixels: Any, flips: Any, view: View) -> Any:
        return self.begin(pixels, flips, view)()


@pytest.mark.parametrize("ahead", [False, True])
def test_making_and_copying_a_batch_is_no_time_of_the_network(monkeypatch: pytest.MonkeyPatch, ahead: bool) -> None:
    clock = Clocked(monkeypatch, pins=3 if ahead else 0)
    network = opened(clock, pinning=lambda: clock.pinning)
    network.start = clock.begin if ahead else None
    found = list(scored(network, [batch(1), batch(2), portion()], nullcontext()))
    assert sum(one is not None for one in found) == 2
    assert (network.seconds.prepare, network.seconds.forward) == (2 * (2 + clock.pins), 2 * (1 + 7))
    assert network.seconds.wait == 0


def test_the_time_in_which_a_device_has_no_batch_is_that_of_waiting() -> None:
    def late() -> Iterator[Batch]:
        for i in range(3):
            time.sleep(0.05)
            yield batch(i)

    network = opened(Ahead())
    list(scored(network, late(), nullcontext()))
    assert 0.15 <= network.seconds.wait < 5


def test_an_error_of_the_network_leaves_the_turn_free() -> None:
    def broken(pixels: Any, flips: Any, view: View) -> Any:
        raise KeyError("broken")

    turn = Lock()
    with pytest.raises(KeyError):
        run(broken, [batch(1)], turn)
    assert not turn.locked()


def test_batches_are_made_while_the_device_computes_and_its_scores_are_waited_for() -> None:
    """The thread that reads is free meanwhile: it takes the next batches."""
    both = Event()

    class Waits(Ahead):
        def start(self, pixels: Any, flips: Any, view: View) -> Any:
            def finish() -> Any:
                assert both.wait(10), "nothing was read while the scores were waited for"
                return plain(pixels, flips, view)

            return finish

    def asked() -> Iterator[Batch]:
        yield batch(1)
        yield batch(2)
        both.set()
        yield batch(3)

    assert len(run(Waits(), asked())) == 3
