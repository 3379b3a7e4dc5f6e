"""The 6n + 2 layer network of He et al. 2015, sec. 4.2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (option A)."""

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        """``planes`` is twice ``channels`` if the stride is 2, else equal to ``channels``."""
        super().__init__()
        self.stride, self.margin = stride, (planes - channels) // 2
        self.conv1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, planes, ceil(h / stride), ceil(w / stride))."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.margin:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.margin, self.margin))
        return F.relu(out + x)


class CifarResNet(nn.Module):
    """Three stages of ``blocks`` blocks with 16, 32 and 64 channels, a global average and a linear layer."""

    pixel_mean: Tensor | None

    def __init__(self, blocks: int, num_classes: int, *, pixel_mean: bool = False) -> None:
        """Initialises weights as He et al. 2015 (arXiv 1502.01852): normal, scaled by the number of inputs (fan-in).

        ``pixel_mean`` adds a buffer (3, 32, 32) that is subtracted from the image: zeros, until a training fills it.
        """
        super().__init__()
        self.register_buffer("pixel_mean", torch.zeros(3, 32, 32) if pixel_mean else None)
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, 1, blocks)
        self.layer2 = _stage(16, 32, 2, blocks)
        self.layer3 = _stage(32, 64, 2, blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, num_classes)."""
        if self.pixel_mean is not None:
            x = x - self.pixel_mean
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(self.pool(x), 1))


def _stage(channels: int, planes: int, stride: int, blocks: int) -> nn.Sequential:
    rest = [BasicBlock(planes, planes, 1) for _ in range(blocks - 1)]
    return nn.Sequential(BasicBlock(channels, planes, stride), *rest)
