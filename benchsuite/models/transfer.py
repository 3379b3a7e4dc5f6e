"""Copies pixels to a device and scores back: synchronously on a CPU, in parallel with the computation on CUDA."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite.models.memory import lacks_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray


Scores = tuple["NDArray[np.float32]", float]
"""(n, c) logits on the host, and the seconds that the device took."""

BUFFERS = 3
"""Buffers in pinned memory: one is filled while the pixels of two others may still be copied."""


class DirectTransfer:
    """Copies to and from a device without streams, such as the CPU: the host waits for every copy.

    The device works on a batch from its last ``up`` to its ``down``. ``pinning`` is the time that the host has spent
    copying pixels to pinned memory, in seconds: none.
    """

    overlaps, pinning, buffer = False, 0.0, None

    def __init__(self, device: Any) -> None:
        self.device, self._begun = device, 0.0

    def chosen(self) -> AbstractContextManager[Any]:
        """Does nothing: only CUDA devices have a current one."""
        return nullcontext()

    def preparing(self) -> AbstractContextManager[Any]:
        """The context in which pixels are made on the device, before they are given to ``up``."""
        return nullcontext()

    def up(self, pixels: Any) -> Any:
        """The array as a tensor on the device; a tensor that was made there, unchanged."""
        copied = pixels if isinstance(pixels, torch.Tensor) else torch.from_numpy(pixels).to(self.device)
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
    next batch. All copies use pinned memory, see ``buffer``.

    The device works on a batch from the end of its last ``up``, so that copying is not counted, to its ``down``.
    ``pinning`` is the time that the host has spent copying pixels to pinned memory so far, in seconds.
    """

    overlaps = True

    def __init__(self, device: Any) -> None:
        self.device = device
        self._begun: Any = None
        self.upload_stream = torch.cuda.Stream(device)
        self.pinning = 0.0
        self._buffers = deque(_PinnedBuffer() for _ in range(BUFFERS))

    def chosen(self) -> AbstractContextManager[Any]:
        """Makes the device the current one of this thread: what is pinned and recorded belongs to the current one."""
        context: AbstractContextManager[Any] = torch.cuda.device(self.device)
        return context

    def buffer(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """An array in pinned memory to fill and give to ``up``; its memory is used again by the third call from here.

        Waits until what was there has been copied. If no more memory can be pinned, it is an ordinary array.
        """
        self._buffers.rotate(-1)
        try:
            with self.chosen():
                return self._buffers[0].array(shape)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            return np.empty(shape, dtype=np.uint8)

    def preparing(self) -> AbstractContextManager[Any]:
        """The context in which pixels are made on the device, before they are given to ``up``: that of its stream."""
        stream: AbstractContextManager[Any] = torch.cuda.stream(self.upload_stream)
        return stream

    def up(self, pixels: Any) -> Any:
        """The array as a tensor on the device. The computing stream waits for the copy, the host does not.

        An array that is not a part of a ``buffer`` is copied to pinned memory before. A tensor that was made in
        ``preparing`` is returned, once the computing stream waits for it.
        """
        computing = torch.cuda.current_stream(self.device)
        copied = pixels if isinstance(pixels, torch.Tensor) else self._copied(pixels)
        computing.wait_stream(self.upload_stream)
        copied.record_stream(computing)  # else its memory could be reused while it is still read
        self._begun = self._mark()
        return copied

    def _copied(self, pixels: NDArray[Any]) -> Any:
        """The array on the device, from where it is in pinned memory, or a copy there."""
        source, began = torch.from_numpy(pixels), time.perf_counter()
        buffer = next((b for b in self._buffers if b.holds(source)), None)
        if buffer is None:
            source = source.pin_memory()
            self.pinning += time.perf_counter() - began
        with self.preparing():
            copied = source.to(self.device, non_blocking=True)
        if buffer is not None:
            buffer.copied = self._mark(self.upload_stream, blocking=True)
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

    def _mark(self, stream: Any = None, *, blocking: bool = False) -> Any:
        """An event on a stream, by default the computing one. A host that waits for a ``blocking`` one sleeps; else it
        spins a core.
        """
        event = torch.cuda.Event(enable_timing=True, blocking=blocking)
        event.record(stream or torch.cuda.current_stream(self.device))
        return event


class _PinnedBuffer:
    """Pinned memory that grows with the largest batch. ``copied`` is the event after the last copy from it."""

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8)
        self.copied: Any = None

    def array(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The memory as an array of this shape, once its last pixels have been copied."""
        if self.copied is not None:
            self.copied.synchronize()
        size = math.prod(shape)
        if self._memory.numel() < size:
            self._memory = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        found: NDArray[np.uint8] = self._memory.numpy()[:size].reshape(shape)
        return found

    def holds(self, pixels: Any) -> bool:
        """Whether a tensor on the host lies in this memory."""
        return bool(0 <= pixels.data_ptr() - self._memory.data_ptr() < self._memory.numel())


def transfer(device: Any) -> DirectTransfer | OverlappedTransfer:
    """The transfer for a device: overlapped on CUDA, else direct."""
    return OverlappedTransfer(device) if device.type == "cuda" else DirectTransfer(device)
