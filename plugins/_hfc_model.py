"""The two networks of HFC: a ResNet-18 for small pictures, and a network of 6n + 2 layers in pre-activation order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, ReLU after the sum. Where the shape changes, the shortcut is a 1x1 convolution."""

    def __init__(self, channels: int, planes: int, stride: int, *, bn: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels, planes, stride, bn=bn), _norm(planes, bn=bn)
        self.conv2, self.bn2 = _conv(planes, planes, 1, bn=bn), _norm(planes, bn=bn)
        same = stride == 1 and channels == planes
        project = nn.Conv2d(channels, planes, 1, stride, bias=not bn)
        self.shortcut = nn.Identity() if same else nn.Sequential(project, _norm(planes, bn=bn))

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, planes, ceil(h / stride), ceil(w / stride))."""
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each after its ReLU; nothing after the sum.

    Where the shape changes, the shortcut is an average over 2x2 pixels, with zeros for the new channels.
    """

    def __init__(self, channels: int, planes: int, stride: int, *, bn: bool) -> None:
        super().__init__()
        self.stride, self.margin = stride, (planes - channels) // 2
        self.bn1, self.conv1 = _norm(channels, bn=bn), _conv(channels, planes, stride, bn=bn)
        self.bn2, self.conv2 = _norm(planes, bn=bn), _conv(planes, planes, 1, bn=bn)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, planes, ceil(h / stride), ceil(w / stride))."""
        out = self.conv2(F.relu(self.bn2(self.conv1(F.relu(self.bn1(x))))))
        if self.stride > 1:
            x = F.avg_pool2d(x, self.stride, ceil_mode=True)
        return out + F.pad(x, (0, 0, 0, 0, self.margin, self.margin))


class ResNet18(nn.Module):
    """A 3x3 stem, four stages of two blocks with 1 to 8 times ``width`` channels, a global average, a linear layer."""

    def __init__(self, num_classes: int, *, width: int, bn: bool, dropout: float) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(3, width, 1, bn=bn), _norm(width, bn=bn)
        widths = (width, width, 2 * width, 4 * width, 8 * width)
        self.stages = nn.Sequential(
            *(_stage(BasicBlock, widths[i : i + 2], 2 if i else 1, 2, bn=bn) for i in range(len(widths) - 1))
        )
        self.pool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout)
        self.linear = nn.Linear(widths[-1], num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, num_classes)."""
        x = self.stages(F.relu(self.bn1(self.conv1(x))))
        return self.linear(self.dropout(torch.flatten(self.pool(x), 1)))


class PreActivationResNet(nn.Module):
    """A 3x3 stem, three stages of ``blocks`` blocks with 16, 32 and 64 channels, a global average, a linear layer."""

    def __init__(self, num_classes: int, *, blocks: int, bn: bool, dropout: float) -> None:
        super().__init__()
        self.conv1 = _conv(3, 16, 1, bn=bn)
        self.layer1 = _stage(PreActivationBlock, (16, 16), 1, blocks, bn=bn)
        self.layer2 = _stage(PreActivationBlock, (16, 32), 2, blocks, bn=bn)
        self.layer3 = _stage(PreActivationBlock, (32, 64), 2, blocks, bn=bn)
        self.bn = _norm(64, bn=bn)
        self.pool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(dropout)
        self.linear = nn.Linear(64, num_classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, num_classes)."""
        x = F.relu(self.bn(self.layer3(self.layer2(self.layer1(self.conv1(x))))))
        return self.linear(self.dropout(torch.flatten(self.pool(x), 1)))


def initialise(module: nn.Module) -> None:
    """Weights as Xavier (Glorot and Bengio 2010), uniform; biases 0."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _stage(
    block: type[BasicBlock | PreActivationBlock], widths: tuple[int, ...], stride: int, blocks: int, *, bn: bool
) -> nn.Sequential:
    """``blocks`` blocks; the first changes the channels from ``widths[0]`` to ``widths[1]`` and has the stride."""
    channels, planes = widths
    rest = [block(planes, planes, 1, bn=bn) for _ in range(blocks - 1)]
    return nn.Sequential(block(channels, planes, stride, bn=bn), *rest)


def _conv(channels: int, planes: int, stride: int, *, bn: bool) -> nn.Conv2d:
    """A 3x3 convolution; with a bias if no batch normalisation follows that has one."""
    return nn.Conv2d(channels, planes, 3, stride, 1, bias=not bn)


def _norm(channels: int, *, bn: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if bn else nn.Identity()
