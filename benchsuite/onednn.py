"""Convolutions and linear layers on a CPU by one library, whatever the number of threads: to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


class _Mode(TorchFunctionMode):  # type: ignore[misc]
    """Hands float32 convolutions and linear layers to oneDNN; what it does not take is left to torch."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by = _BY.get(func)
        made = by(*args, **(kwargs or {})) if by is not None else None
        return func(*args, **(kwargs or {})) if made is None else made


@contextmanager
def onednn(device: Any) -> Iterator[None]:
    """Meanwhile a CPU computes float32 by oneDNN, where torch is built with it. For networks that are not compiled.

    By itself torch takes other means for a 1x1 convolution of a small batch with one thread than with two, and MKL for
    linear layers, which sums in another order with other numbers of threads: the last bit of a logit would depend on
    how many processes share the cores. On the processors that were measured this is not slower, or twice as fast.
    """
    if device.type != "cpu" or not _there():
        yield
        return
    with _Mode():
        yield


def _there() -> bool:
    """Whether torch has oneDNN, and the user has not turned it off."""
    ops = hasattr(torch.ops.aten, "mkldnn_convolution") and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return bool(ops and torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled())


def _convolution(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """(n, k, h, w) -> (n, c, h, w), or None."""
    if input.dim() != 4 or not _plain(input, weight, bias):
        return None
    if isinstance(padding, str):  # both of them mean nothing around a convolution of 1x1
        if weight.shape[2:] != (1, 1):
            return None
        padding = 0
    return torch.ops.aten.mkldnn_convolution(
        input, weight, bias, _pair(padding), _pair(stride), _pair(dilation), groups
    )


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """(..., k) -> (..., c), or None."""
    if input.dim() < 2 or not _plain(input, weight, bias):
        return None
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")


_BY: dict[Any, Callable[..., Any]] = {F.conv2d: _convolution, F.linear: _linear}


def _plain(*tensors: Any) -> bool:
    """Whether all of them are dense float32 numbers on a CPU, and there are any."""
    return not torch.is_autocast_enabled("cpu") and all(
        t.dtype is torch.float32 and t.layout is torch.strided and t.device.type == "cpu" and t.numel() > 0
        for t in tensors
        if t is not None
    )


def _pair(size: Any) -> tuple[int, int]:
    values = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    return values[0], values[-1]
