"""The forward pass of a training on images of several sizes: batch renormalisation, and convolutions as products."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

_CONVOLUTIONS = (F.conv2d, torch.conv2d)
_SMALL = 4
_LIMIT = 10.0
_RATE = 0.1


class MultiSizeMode(TorchFunctionMode):  # type: ignore[misc]
    """A context for the network's call in training; ``progress`` is how much of the training is done, from 0 to 1.

    Convolutions on maps of at most 4 x 4, and all 1 x 1 ones, are matrix products: the same sums, faster on a CPU.

    With ``several_sizes``, batch normalisation changes gradually into batch renormalisation (S. Ioffe, Batch
    Renormalization, arXiv:1702.03275) between 15 % and 30 % of the training. The reason: a batch holds images of one
    size, and the statistics of a map depend on its size (most of a 1 x 1 map's neighbourhood is padding). Networks
    trained on the statistics of each batch fail in evaluation, where one running mean serves every size. In the second
    half of the training, the update rate of the running statistics falls to a tenth, so that at the end they are a mean
    over all sizes and not over the last few batches.
    """

    def __init__(self, several_sizes: bool) -> None:
        super().__init__()
        self.several_sizes, self.progress = several_sizes, 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _CONVOLUTIONS and len(args) == 7:
            product = _as_product(*args)
            return func(*args, **kwargs) if product is None else product
        amount = min(1.0, max(0.0, self.progress / 0.15 - 1)) if self.several_sizes else 0.0
        scaled = kwargs.get("weight") is not None and kwargs.get("training")
        if func is F.batch_norm and amount and scaled and args[0].dim() == 4 and args[1] is not None:
            rate = _RATE * min(1.0, max(0.1, 2 * (1 - self.progress)))
            return _renormalised(args[0], (args[1], args[2]), kwargs, amount, rate)
        return func(*args, **kwargs)


def _as_product(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The convolution as one matrix product where that is faster, else None. (n, c, h, w) -> (n, k, h', w')."""
    plain = groups == 1 and tuple(dilation) == (1, 1) and isinstance(padding, tuple)
    size = tuple(weight.shape[2:])
    if plain and size == (1, 1) and padding == (0, 0):
        channels_last = x[:, :, :: stride[0], :: stride[1]].permute(0, 2, 3, 1)
        return F.linear(channels_last, weight.flatten(1), bias).permute(0, 3, 1, 2)
    if plain and size == (3, 3) and padding == (1, 1) and max(x.shape[2:]) <= min(stride):
        inside = x[:, :, :2, :2]  # what the single window covers; its other places are padding
        taps = weight[:, :, 1 : 1 + inside.shape[2], 1 : 1 + inside.shape[3]]
        return F.linear(inside.flatten(1), taps.flatten(1), bias)[:, :, None, None]
    if plain and size == (3, 3) and padding == (1, 1) and max(x.shape[2:]) <= _SMALL:
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        windows = padded.unfold(1, 3, stride[0]).unfold(2, 3, stride[1])
        rows = windows.reshape(*windows.shape[:3], -1)
        return F.linear(rows, weight.flatten(1), bias).permute(0, 3, 1, 2)
    return None


def _renormalised(x: Any, running: tuple[Any, Any], affine: dict[str, Any], amount: float, rate: float) -> Any:
    """Batch renormalisation: values by the running statistics, while the gradient is that of batch normalisation.

    ``amount`` goes from 0, batch normalisation, to 1. Corrections are limited to a factor of 10 and a shift of 10.
    Updates the running mean and variance in place. (n, c, h, w) -> the same shape.
    """
    running_mean, running_var = running
    weight, bias, eps = affine["weight"], affine["bias"], affine["eps"]
    with torch.no_grad():
        mean, variance = _batch_statistics(x)
        spread = (running_var + eps).sqrt()
        scale = ((variance + eps).sqrt() / spread).pow(amount).clamp(1 / _LIMIT, _LIMIT)
        shift = (amount * (mean - running_mean) / spread).clamp(-_LIMIT, _LIMIT)
    out = F.batch_norm(x, None, None, weight * scale, bias + weight * shift, True, 0.0, eps)
    with torch.no_grad():
        running_mean.lerp_(mean, rate)
        running_var.lerp_(variance, rate)
    return out


def _batch_statistics(x: Any) -> tuple[Any, Any]:
    """Mean and biased variance of each channel, in float32. (n, c, h, w) -> (c,), (c,).

    Batch normalisation itself fills them in: ten times faster than ``torch.var_mean`` over channels-last maps.
    """
    count = x.numel() // x.shape[1]
    mean, variance = torch.zeros(x.shape[1], device=x.device), torch.ones(x.shape[1], device=x.device)
    F.batch_norm(x, mean, variance, None, None, True, 1.0)
    return mean, variance * ((count - 1) / count)
