"""Tests of pixel uploads and score downloads with a fake CUDA: what waits for what, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchsuite.models import transfer as transfers
from benchsuite.models.transfer import DirectTransfer, OverlappedTransfer, transfer

CPU = torch.device("cpu")


def test_a_cpu_gets_the_pixels_and_gives_the_scores_at_once() -> None:
    way = transfer(CPU)
    assert isinstance(way, DirectTransfer)
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    there = way.up(pixels)
    assert there.dtype == torch.uint8
    scores, spent = way.down(there.float().mean((1, 2)))()
    np.testing.assert_array_equal(scores, pixels.mean((1, 2)))
    assert spent > 0


class Cuda:
    """Replaces the parts of ``torch.cuda`` that are used; ``told`` records the calls in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.current: Any = None
        self.full = False
        cuda = self

        class Stream:
            def __init__(self, device: Any = None, name: str = "side") -> None:
                self.name = name

            def wait_stream(self, other: Any) -> None:
                cuda.told.append(f"{self.name} waits for {other.name}")

        class Event:
            def __init__(self, enable_timing: bool, blocking: bool = False) -> None:
                assert enable_timing
                self.blocking = blocking
                self.number = sum(t.startswith("mark") for t in cuda.told)

            def record(self, stream: Any) -> None:
                cuda.told.append(f"mark {self.number} on {stream.name}")

            def synchronize(self) -> None:
                assert self.blocking, "a host that spins takes a core from the decoding threads"
                cuda.told.append(f"host waits for mark {self.number}")

            def elapsed_time(self, end: Any) -> float:
                return 1000.0 * (end.number - self.number)

        self.stream_type, self.event = Stream, Event
        self.main = Stream(name="main")

    def empty(self, *shape: Any, pin_memory: bool = False, **options: Any) -> Any:
        """``torch.empty``, which needs a GPU for pinned memory."""
        if pin_memory:
            self.told.append("allocated pinned")
            if self.full:
                raise RuntimeError("CUDA error: out of memory")
        return torch.zeros(*shape, **options)

    @contextmanager
    def device(self, device: Any) -> Iterator[None]:
        self.current = device
        yield
        self.current = None

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        self.told.append(f"on {stream.name}")
        yield
        self.told.append(f"off {stream.name}")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    made = Cuda()
    monkeypatch.setattr(torch.cuda, "Stream", made.stream_type)
    monkeypatch.setattr(torch.cuda, "Event", made.event)
    monkeypatch.setattr(torch.cuda, "stream", made.stream)
    monkeypatch.setattr(torch.cuda, "device", made.device)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: made.main)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: made.told.append("pinned") or self)
    monkeypatch.setattr(torch, "empty", made.empty)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, s: made.told.append(f"kept for {s.name}"))
    return made


def test_cuda_copies_on_a_side_stream_and_the_computation_waits_for_it(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    pixels = np.arange(6, dtype=np.uint8)
    there = way.up(pixels)
    assert cuda.told[:5] == ["pinned", "on side", "off side", "main waits for side", "kept for main"]
    np.testing.assert_array_equal(there.numpy(), pixels)


def test_pixels_that_were_made_on_the_side_stream_are_not_copied_and_the_computation_waits_for_them(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    with way.preparing():
        made = torch.arange(6, dtype=torch.uint8)
    assert way.up(made) is made
    assert cuda.told[:4] == ["on side", "off side", "main waits for side", "kept for main"]
    assert "pinned" not in cuda.told
    with DirectTransfer(CPU).preparing():
        assert DirectTransfer(CPU).up(made) is made


def test_pinning_and_copying_pixels_are_no_time_of_the_network(cuda: Cuda) -> None:
    """A mark before them is reached at once by a device that waits for pixels, and counts all that the host does."""
    way = OverlappedTransfer(CPU)
    way.up(np.arange(6, dtype=np.uint8))
    way.up(np.ones(2, dtype=bool))
    assert cuda.told.index("main waits for side") < cuda.told.index("mark 0 on main")
    assert cuda.told[-1] == "mark 1 on main"
    _, spent = way.down(torch.zeros(2, 3))()
    assert spent == 1.0, "from the last upload, mark 1, to mark 2"


def test_scores_are_read_only_after_their_own_mark(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    way.up(np.arange(6, dtype=np.uint8))
    finish = way.down(torch.arange(6.0).view(2, 3))
    assert not any("host waits" in t for t in cuda.told)
    scores, spent = finish()
    assert cuda.told[-1] == "host waits for mark 1"
    np.testing.assert_array_equal(scores, np.arange(6.0).reshape(2, 3))
    assert spent == 1.0


def test_memory_for_scores_is_allocated_pinned_and_not_copied_there(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    way.up(np.arange(6, dtype=np.uint8))
    cuda.told.clear()
    way.down(torch.zeros(2, 3))
    assert "allocated pinned" in cuda.told
    assert "pinned" not in cuda.told


def test_scores_of_two_batches_do_not_share_their_memory(cuda: Cuda) -> None:
    way, scores = OverlappedTransfer(CPU), torch.zeros(1, 2)
    way.up(np.arange(6, dtype=np.uint8))
    first = way.down(scores)
    scores += 1
    second = way.down(scores)
    assert second()[0].tolist() == [[1, 1]]
    assert first()[0].tolist() == [[0, 0]]


def test_the_time_of_pinning_is_counted(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 2.0, 10.0, 13.0])
    monkeypatch.setattr(transfers, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    way = OverlappedTransfer(CPU)
    assert way.pinning == DirectTransfer(CPU).pinning == 0
    way.up(np.arange(6, dtype=np.uint8))
    way.up(np.ones(2, dtype=bool))
    assert way.pinning == 2 + 3


def test_the_time_of_a_batch_does_not_change_when_the_next_one_is_uploaded(cuda: Cuda) -> None:
    way, pixels = OverlappedTransfer(CPU), np.arange(6, dtype=np.uint8)
    finishes = []
    for _ in range(2):
        way.up(pixels)
        finishes.append(way.down(torch.zeros(1, 2)))
    assert [finish()[1] for finish in finishes] == [1.0, 1.0]


def test_a_batch_made_in_a_buffer_is_not_copied_again_on_the_host(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    pixels = way.buffer((2, 3, 4, 3))
    assert cuda.told == ["allocated pinned"]
    pixels[...] = np.arange(72, dtype=np.uint8).reshape(2, 3, 4, 3)
    parts = [way.up(pixels[:1]), way.up(pixels[1:])]  # as of a batch that does not fit
    assert "pinned" not in cuda.told
    assert way.pinning == 0
    np.testing.assert_array_equal(torch.cat(parts).numpy(), pixels)
    way.up(np.zeros(72, np.uint8))
    assert "pinned" in cuda.told, "an array from elsewhere is"


def test_a_buffer_is_filled_again_only_when_its_pixels_have_been_copied(cuda: Cuda) -> None:
    way, shape = OverlappedTransfer(CPU), (2, 2, 2, 3)
    first = way.buffer(shape)
    way.up(first)
    copied = cuda.told.index("mark 0 on side")
    assert copied < cuda.told.index("main waits for side")
    others = [way.buffer(shape) for _ in range(transfers.BUFFERS - 1)]
    assert not any(np.shares_memory(first, other) for other in others)
    assert "host waits for mark 0" not in cuda.told
    assert np.shares_memory(first, way.buffer(shape))
    assert cuda.told[-1] == "host waits for mark 0"


def test_a_buffer_grows_and_smaller_batches_use_it_too(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    for n in (1, 1, 1, 4, 4, 4, 2, 2, 2):
        assert way.buffer((n, 2, 2, 3)).shape == (n, 2, 2, 3)
    assert cuda.told.count("allocated pinned") == 6


def test_a_batch_is_made_in_ordinary_memory_if_no_more_can_be_pinned(cuda: Cuda) -> None:
    way = OverlappedTransfer(CPU)
    cuda.full = True
    pixels = way.buffer((2, 2, 2, 3))
    cuda.full = False
    pixels[...] = 7
    assert (way.up(pixels).numpy() == 7).all()
    assert "pinned" in cuda.told


def test_memory_is_pinned_for_the_devices_own_context(cuda: Cuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread begins with the first device, where a process of another one would take half a GB for nothing."""
    current, way = list[Any](), OverlappedTransfer(CPU)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: current.append(cuda.current) or torch.zeros(100).byte())
    way.buffer((100,))
    assert current == [CPU]


def test_only_a_cuda_device_has_a_side_stream(cuda: Cuda) -> None:
    assert isinstance(transfer(torch.device("cuda")), OverlappedTransfer)
    assert isinstance(transfer(torch.device("mps")), DirectTransfer)
