"""Local binary convolutional networks (LBCNN): fixed sparse filters of -1, 0 and 1, combined by learned 1x1 ones.

Source: https://github.com/juefeix/lbcnn.torch (resnet-binary-felix, resnet-dense-felix).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite import UnsupportedProtocol, expected

SIZE = 32


@dataclass(frozen=True, slots=True)
class Shape:
    """``depth`` blocks with ``filters`` 3x3 filters on maps of ``channels``; ``full`` units in the hidden layer."""

    channels: int
    filters: int
    depth: int
    full: int


@dataclass(frozen=True, slots=True)
class Draw:
    """How fixed filters are drawn: ``sparsity`` draws per weight on average; with ``leak`` weight decay applies."""

    sparsity: float
    leak: bool


class FixedFilters(nn.Module):
    """A 3x3 convolution without bias whose filters are not trained. (n, channels, h, w) -> (n, filters, h, w).

    The filters are a buffer, which no optimiser changes. With ``leak`` they are a parameter whose gradient is always
    zero, as in the original, so weight decay shrinks them at each step: in total by the factor
    exp(-lr * wd / (1 - momentum) * steps).
    """

    filters: Tensor
    mask_names = ("filters",)

    def __init__(self, channels: int, filters: int, draw: Draw) -> None:
        super().__init__()
        values = ternary(filters * channels * 9, draw.sparsity).view(filters, channels, 3, 3)
        if draw.leak:
            self.filters = nn.Parameter(values)
        else:
            self.register_buffer("filters", values)

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.filters.detach(), padding=1)
        return _ZeroGradient.apply(y, self.filters) if isinstance(self.filters, nn.Parameter) else y


class Block(nn.Module):
    """A residual block: batch normalisation, 3x3 (learned if ``draw`` is None, else fixed), ReLU, 1x1; then the sum."""

    def __init__(self, channels: int, filters: int, draw: Draw | None) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = (
            nn.Conv2d(channels, filters, 3, padding=1) if draw is None else FixedFilters(channels, filters, draw)
        )
        self.combine = nn.Conv2d(filters, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> the same shape."""
        return x + self.combine(F.relu(self.conv(self.bn(x))))


class LBCNN(nn.Module):
    """A learned 3x3 stem, blocks at full size, 5x5 average pooling to 6x6, and two linear layers with dropout."""

    def __init__(self, shape: Shape, draw: Draw | None, classes: int, *, dropout: float, grey: bool) -> None:
        """With ``draw`` None it is the dense baseline. With ``grey``, an image's channels are averaged into one.

        Convolutions and linear layers have torch's initialisation, uniform within 1 / sqrt(inputs), which is also
        Torch7's. Scales of batch normalisation are uniform in 0..1, as in Torch7.
        """
        super().__init__()
        self.grey = grey
        stem = nn.Conv2d(1 if grey else 3, shape.channels, 3, padding=1)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(shape.channels), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(shape.channels, shape.filters, draw) for _ in range(shape.depth)))
        hidden = [nn.Dropout(dropout), nn.Linear(shape.channels * 36, shape.full), nn.ReLU(), nn.Dropout(dropout)]
        self.head = nn.Sequential(nn.AvgPool2d(5, 5), nn.Flatten(), *hidden, nn.Linear(shape.full, classes))
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 32, 32) -> (n, classes)."""
        if x.shape[2:] != (SIZE, SIZE):
            got = "x".join(map(str, x.shape[2:]))
            raise UnsupportedProtocol(expected("an image", f"of {SIZE}x{SIZE} pixels, which lbcnn is fixed to", got))
        return self.head(self.blocks(self.stem(x.mean(1, keepdim=True) if self.grey else x)))


def ternary(count: int, sparsity: float) -> Tensor:
    """Random weights of -1, 0 and 1. -> float32 (count,).

    floor(sparsity * count) places are drawn with replacement and get +1 or -1; the others are 0. About a share of
    1 - exp(-sparsity) is not zero.
    """
    values = torch.zeros(count)
    places = torch.randint(count, (math.floor(sparsity * count),)).unique()
    values[places] = torch.randint(2, places.shape) * 2.0 - 1
    return values


class _ZeroGradient(torch.autograd.Function):
    """Gives the filters a gradient of zeros, so that optimisers apply weight decay to them."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, filters: Tensor) -> Tensor:
        ctx.save_for_backward(filters)
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (filters,) = ctx.saved_tensors
        return gradients[0], torch.zeros_like(filters)
