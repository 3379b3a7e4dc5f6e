"""Pixels to a device and scores back: at once on a CPU, beside the computation on CUDA."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


Scores = tuple["NDArray[np.float32]", float]
"""(n, c) logits on the host, and the seconds that the device took."""


class DirectTransfer:
    """To and from a device that computes while one waits: the CPU, or one without streams."""

    beside = False

    def __init__(self, device: Any) -> None:
        self.device = device

    def begin(self) -> float:
        """A mark where the work on a batch begins."""
        return time.perf_counter()

    def up(self, pixels: NDArray[Any]) -> Any:
        """The array as a tensor on the device."""
        return torch.from_numpy(pixels).to(self.device)

    def down(self, scores: Any, begun: float) -> Callable[[], Scores]:
        """The scores, which are there when this returns."""
        found = scores.cpu().numpy()
        made: Scores = (found, time.perf_counter() - begun)
        return lambda: made


class OverlappedTransfer:
    """To and from CUDA: pixels go up from pinned memory on a stream of their own while the batch before is computed.

    Scores come down behind their own batch, so that waiting for them does not wait for the next one.
    """

    beside = True

    def __init__(self, device: Any) -> None:
        self.device = device
        self.side = torch.cuda.Stream(device)

    def begin(self) -> Any:
        """An event before the work on a batch."""
        return self._mark()

    def up(self, pixels: NDArray[Any]) -> Any:
        """The array as a tensor on the device, which the computing stream waits for and the host does not."""
        pinned = torch.from_numpy(pixels).pin_memory()
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.side):
            there = pinned.to(self.device, non_blocking=True)
        computing.wait_stream(self.side)
        there.record_stream(computing)  # else its memory could be given away while it is still read
        return there

    def down(self, scores: Any, begun: Any) -> Callable[[], Scores]:
        """The scores, once they have come down."""
        host = torch.empty(scores.shape, dtype=scores.dtype).pin_memory()
        host.copy_(scores, non_blocking=True)
        done = self._mark()

        def finish() -> Scores:
            done.synchronize()
            return host.numpy().copy(), begun.elapsed_time(done) / 1000

        return finish

    def _mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event


def transfer(device: Any) -> DirectTransfer | OverlappedTransfer:
    """The way to a device and back."""
    return OverlappedTransfer(device) if device.type == "cuda" else DirectTransfer(device)
