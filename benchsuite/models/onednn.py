"""Convolutions and linear layers on a CPU by one library, whatever the number of threads: to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

_SMALL = 1e-4
"""How far a sum of a few dozen products of numbers about 1 may be off in float32, generously."""


_FEW = 20480
"""Numbers of a single image up to which torch convolves it by MKL, whatever the kernel."""


class _Mode(TorchFunctionMode):  # type: ignore[misc]
    """Hands float32 linear layers to oneDNN, and those convolutions that torch would not."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by, kwargs = _BY.get(func), kwargs or {}
        made = None if by is None else by(*args, **kwargs)
        return func(*args, **kwargs) if made is None else made


@contextmanager
def onednn(device: Any) -> Iterator[None]:
    """Meanwhile a CPU computes float32 by oneDNN, where torch is built with it. For networks that are not compiled.

    By itself torch takes other means for a 1x1 convolution of a small batch with one thread than with two, and MKL for
    linear layers and single small images, which sums in another order with other numbers of threads: the last bit of a
    logit would depend on how many processes share the cores. Linear layers are up to twice as fast that way. oneDNN is
    asked by torch's own inner functions, which are tried first: a torch in which they are others does without.
    """
    if device.type != "cpu" or not _there():
        yield
        return
    with _Mode():
        yield


def _there() -> bool:
    """Whether torch has oneDNN, and the user has not turned it off."""
    return bool(torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled() and _tried())


@cache
def _tried() -> bool:
    """Whether torch's functions for oneDNN are those that are expected here, and come to what they should."""
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*s, generator=generator) for s in ((1, 6, 5, 7), (4, 3, 3, 2), (4,)))
    rows, matrix = (torch.randn(*s, generator=generator) for s in ((2, 3, 7), (5, 7)))
    try:
        found = _convolution(x, weight, bias, (2, 1), (0, 1), 1, 2), _linear(rows, matrix)
        exact = [t.double() for t in (x, weight, bias, rows, matrix)]
        wanted = F.conv2d(*exact[:3], (2, 1), (0, 1), 1, 2), F.linear(*exact[3:])
        return all(bool((a - b).abs().max() < _SMALL) for a, b in zip(found, wanted, strict=True))
    except Exception:  # whatever another version says to these arguments
        return False


def _convolution(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """(n, k, h, w) -> (n, c, h, w), where torch itself may take something else than oneDNN; else None."""
    small, point = len(input) == 1 and input.numel() <= _FEW, weight.shape[2:] == (1, 1)
    if not (small or (point and torch.get_num_threads() == 1)) or input.dim() != 4 or not _plain(input, weight, bias):
        return None
    if isinstance(padding, str):
        if not point:
            return None
        padding = 0  # both words mean nothing to a kernel of 1x1
    return torch.ops.aten.mkldnn_convolution.default(
        input, weight, bias, _pair(padding), _pair(stride), _pair(dilation), groups
    )


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """(..., k) -> (..., c), or None."""
    if input.dim() < 2 or not _plain(input, weight, bias):
        return None
    return torch.ops.mkldnn._linear_pointwise.default(input, weight, bias, "none", [], "")


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


_BY: dict[Any, Callable[..., Any]] = {F.conv2d: _convolution, F.linear: _linear}
