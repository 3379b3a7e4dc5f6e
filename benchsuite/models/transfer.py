"""Copies pixels to a device and scores back: synchronously on a CPU, in parallel with the computation on CUDA."""

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
    """Copies to and from a device without streams, such as the CPU: the host waits for every copy.

    The device works on a batch from its last ``up`` to its ``down``. ``pinning`` is the time that the host has spent
    copying pixels to pinned memory, in seconds: none.
    """

    overlaps, pinning = False, 0.0

    def __init__(self, device: Any) -> None:
        self.device, self._begun = device, 0.0

    def up(self, pixels: NDArray[Any]) -> Any:
        """The array as a tensor on the device."""
        copied = torch.from_numpy(pixels).to(self.device)
        self._begun = time.perf_counter()
        return copied

    def down(self, scores: Any) -> Callable[[], Scores]:
        """Waits for the scores, and returns a function that returns them."""
        logits = scores.cpu().numpy()
        result: Scores = (logits, time.perf_counter() - self._begun)
        return lambda: result


class OverlappedTransfer:
    """Copies to and from CUDA. Pixels are copied on a separate stream while the previous batch is computed.

    Scores are copied on the computing stream right after their own batch, so waiting for them does not wait for the
    next batch. All copies use pinned memory.

    The device works on a batch from the end of its last ``up``, so that copying is not counted, to its ``down``.
    ``pinning`` is the time that the host has spent copying pixels to pinned memory so far, in seconds.
    """

    overlaps = True

    def __init__(self, device: Any) -> None:
        self.device = device
        self._begun: Any = None
        self.upload_stream = torch.cuda.Stream(device)
        self.pinning = 0.0

    def up(self, pixels: NDArray[Any]) -> Any:
        """The array as a tensor on the device. The computing stream waits for the copy, the host does not."""
        began = time.perf_counter()
        pinned = torch.from_numpy(pixels).pin_memory()
        self.pinning += time.perf_counter() - began
        computing = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self.upload_stream):
            copied = pinned.to(self.device, non_blocking=True)
        computing.wait_stream(self.upload_stream)
        copied.record_stream(computing)  # else its memory could be reused while it is still read
        self._begun = self._mark()
        return copied

    def down(self, scores: Any) -> Callable[[], Scores]:
        """Submits the copy of the scores, and returns a function that waits for it and returns them."""
        host = torch.empty(scores.shape, dtype=scores.dtype, pin_memory=True)
        host.copy_(scores, non_blocking=True)
        begun, done = self._begun, self._mark(blocking=True)

        def finish() -> Scores:
            done.synchronize()
            return host.numpy().copy(), begun.elapsed_time(done) / 1000

        return finish

    def _mark(self, *, blocking: bool = False) -> Any:
        """An event on the computing stream. A host that waits for a ``blocking`` one sleeps; else it spins a core."""
        event = torch.cuda.Event(enable_timing=True, blocking=blocking)
        event.record(torch.cuda.current_stream(self.device))
        return event


def transfer(device: Any) -> DirectTransfer | OverlappedTransfer:
    """The transfer for a device: overlapped on CUDA, else direct."""
    return OverlappedTransfer(device) if device.type == "cuda" else DirectTransfer(device)
