"""Pillow's antialiased resize in integers of torch: the same bits on every device."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite.models.resize.coefficients import BITS, KEPT, coefficients, passes

if TYPE_CHECKING:
    from numpy.typing import NDArray


TEMPORARY = 2**25
"""Upper bound on the taps that are in memory at once, unless one row or column of the result needs more."""


def resized(pixels: Any, height: int, width: int, interpolation: str, pillow: int) -> Any:
    """uint8 (n, h, w, c) on any device -> uint8 (n, height, width, c), the bits of Pillow's resize.

    ``interpolation`` is one of ``View``; ``pillow`` is the major version whose order of passes is followed.
    """
    for axis, size in passes(pixels.shape[1], pixels.shape[2], height, width, pillow):
        pixels = _along(pixels, axis + 1, size, interpolation)
    return pixels


def _along(pixels: Any, axis: int, size: int, interpolation: str) -> Any:
    """One pass: the axis becomes ``size`` long. Computed in parts of the result that keep to ``TEMPORARY``."""
    shape = list(pixels.shape)
    lines = pixels.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    table = kept_on_device(_table, (shape[axis], size, interpolation), pixels.device)
    step = max(1, TEMPORARY // (lines.shape[0] * lines.shape[2] * table.shape[1]))
    parts = [_sums(lines, table[:, :, at : at + step]) for at in range(0, size, step)]
    return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)).view(*shape[:axis], size, *shape[axis + 1 :])


def _sums(lines: Any, table: Any) -> Any:
    """uint8 (outer, length, inner) and int32 (2, k, size), index and weights -> uint8 (outer, size, inner)."""
    outer, _, inner = lines.shape
    index, weights = table
    k, size = index.shape
    taps = lines.index_select(1, index.reshape(-1)).view(outer, k, size, inner) * weights[:, :, None]
    sums = taps[:, 0] if k == 1 else taps.sum(1, dtype=torch.int32)
    return sums.add_(1 << (BITS - 1)).bitwise_right_shift_(BITS).clamp_(0, 255).to(torch.uint8)


def kept_on_device(make: Callable[..., NDArray[Any]], arguments: tuple[Any, ...], device: Any) -> Any:
    """What ``make(*arguments)`` returns, on the device, where it is kept for later calls in the same stream."""
    return _kept(make, arguments, device, torch.cuda.current_stream(device) if device.type == "cuda" else None)


def sent(array: NDArray[Any], device: Any) -> Any:
    """The array on the device; from pinned memory to CUDA, so that the host does not wait for it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


@functools.lru_cache(maxsize=KEPT)
def _kept(make: Callable[..., NDArray[Any]], arguments: tuple[Any, ...], device: Any, stream: Any) -> Any:
    return sent(make(*arguments), device)


def _table(length: int, size: int, interpolation: str) -> NDArray[np.int32]:
    """The coefficients as one array (2, k, size)."""
    made = coefficients(length, size, interpolation)
    return np.stack([made.index, made.weights])
