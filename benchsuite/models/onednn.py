"""Convolutions and linear layers on a CPU by oneDNN, so that the bits do not depend on the number of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

_SMALL = 1e-4
"""Generous bound on the float32 error of a sum of a few dozen products of numbers of about 1."""

_FEW = 20480
"""Largest single input, in elements, that torch itself convolves by MKL, whatever the kernel."""


class _Mode(TorchFunctionMode):  # type: ignore[misc]
    """Computes by oneDNN all float32 linear layers, and those convolutions that torch would compute in another way."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        replacement, kwargs = _REPLACEMENTS.get(func), kwargs or {}
        result = None if replacement is None else replacement(*args, **kwargs)
        return func(*args, **kwargs) if result is None else result


@contextmanager
def onednn(device: Any) -> Iterator[None]:
    """Context in which a CPU computes float32 by oneDNN, if torch is built with it. For networks that are not compiled.

    Without this, torch computes a 1x1 convolution of a small batch in another way with one thread than with two. It
    also uses MKL for linear layers and for small single images, and MKL sums in another order when the number of
    threads changes. The last bit of a logit would then depend on how many processes share the cores. Linear layers are
    also up to twice as fast by oneDNN. The calls use internal functions of torch, which are tested first; with a torch
    where they do not work as expected, nothing is replaced.
    """
    if device.type != "cpu" or not _available():
        yield
        return
    with _Mode():
        yield


def _available() -> bool:
    """Whether torch has oneDNN, its internal functions work, and the user has not turned it off."""
    return bool(torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled() and _works())


@cache
def _works() -> bool:
    """Whether torch's internal functions for oneDNN exist and return the right results on random numbers."""
    generator = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(*s, generator=generator) for s in ((1, 6, 5, 7), (4, 3, 3, 2), (4,)))
    rows, matrix = (torch.randn(*s, generator=generator) for s in ((2, 3, 7), (5, 7)))
    try:
        results = _convolution(x, weight, bias, (2, 1), (0, 1), 1, 2), _linear(rows, matrix)
        exact = [t.double() for t in (x, weight, bias, rows, matrix)]
        wanted = F.conv2d(*exact[:3], (2, 1), (0, 1), 1, 2), F.linear(*exact[3:])
        return all(bool((a - b).abs().max() < _SMALL) for a, b in zip(results, wanted, strict=True))
    except Exception:  # another version of torch may raise anything for these arguments
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
    """(n, k, h, w) -> (n, c, h, w). None where torch itself uses oneDNN, or where oneDNN cannot be used."""
    small, point = len(input) == 1 and input.numel() <= _FEW, weight.shape[2:] == (1, 1)
    if not (small or (point and torch.get_num_threads() == 1)) or input.dim() != 4 or not _plain(input, weight, bias):
        return None
    if isinstance(padding, str):
        if not point:
            return None
        padding = 0  # "same" and "valid" both mean no padding for a 1x1 kernel
    return torch.ops.aten.mkldnn_convolution.default(
        input, weight, bias, _pair(padding), _pair(stride), _pair(dilation), groups
    )


def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """(..., k) -> (..., c), or None where oneDNN cannot be used."""
    if input.dim() < 2 or not _plain(input, weight, bias):
        return None
    return torch.ops.mkldnn._linear_pointwise.default(input, weight, bias, "none", [], "")


def _plain(*tensors: Any) -> bool:
    """Whether all tensors are non-empty, dense, float32 and on a CPU, and autocast is off."""
    return not torch.is_autocast_enabled("cpu") and all(
        t.dtype is torch.float32 and t.layout is torch.strided and t.device.type == "cpu" and t.numel() > 0
        for t in tensors
        if t is not None
    )


def _pair(size: Any) -> tuple[int, int]:
    values = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    return values[0], values[-1]


_REPLACEMENTS: dict[Any, Callable[..., Any]] = {F.conv2d: _convolution, F.linear: _linear}
