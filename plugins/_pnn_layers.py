"""The layers of perturbative neural networks (PNN), which add noise masks instead of applying spatial filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "lrelu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "rrelu": nn.RReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
POOLS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


@dataclass(frozen=True, slots=True)
class Masks:
    """``fan`` masks for each channel, scaled by ``level``; ``unique`` to a channel or shared; ``train``: learned."""

    level: float
    fan: int = 1
    unique: bool = True
    train: bool = False
    kind: str = "uniform"


@dataclass(frozen=True, slots=True)
class Style:
    """Settings that all layers of one of Klachko's networks share. ``filter_size`` 0: masks; ``mix``: a second 1x1."""

    masks: Masks
    filter_size: int = 0
    mix: bool = False
    act: str = "relu"
    pool: str = "max"


class Noise(nn.Module):
    """Adds masks that are drawn once and are the same for every image.

    (n, c, s, s) -> (n, c * fan, s, s); the ``fan`` outputs of a channel are adjacent.
    """

    noise: Tensor
    mask_names = ("noise",)

    def __init__(self, channels: int, side: int, masks: Masks) -> None:
        """Masks are uniform in -1..1 or standard normal. They are a buffer, or a parameter if they are trained.

        Their shape is (1, channels * fan, side, side), or (1, fan, side, side) if channels share them, like that of the
        maps that they are added to, so they can have the same memory format.
        """
        super().__init__()
        self.level, self.fan = masks.level, masks.fan
        noise = torch.empty(1, masks.fan * (channels if masks.unique else 1), side, side)
        noise = noise.normal_() if masks.kind == "normal" else noise.uniform_(-1, 1)
        if masks.train:
            self.noise = nn.Parameter(noise)
        else:
            self.register_buffer("noise", noise)

    def forward(self, x: Tensor) -> Tensor:
        masks = (self.level * self.noise).unflatten(1, (-1, self.fan))
        return (x.unsqueeze(2) + masks).flatten(1, 2)


class PerturbLayer(nn.Module):
    """Klachko's layer: masks, activation, 1x1, batch normalisation, activation.

    With ``mix`` another 1x1, batch normalisation and activation follow. With more than one mask the first 1x1 has a
    group for each input channel, so it does not mix channels.
    """

    def __init__(self, channels: int, planes: int, side: int, style: Style, *, use_act: bool = True) -> None:
        """``use_act`` applies the activation to the perturbed maps; Klachko's first layer omits it by default."""
        super().__init__()
        fan = style.masks.fan
        self.use_act, self.act = use_act, ACTIVATIONS[style.act]()
        self.perturb = Noise(channels, side, style.masks)
        self.conv = nn.Conv2d(channels * fan, planes, 1, groups=channels if fan != 1 else 1)
        self.bn = nn.BatchNorm2d(planes)
        self.mix = nn.Sequential(nn.Conv2d(planes, planes, 1), nn.BatchNorm2d(planes)) if style.mix else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, side, side) -> (n, planes, side, side)."""
        y = self.perturb(x)
        y = self.act(self.bn(self.conv(self.act(y) if self.use_act else y)))
        return y if self.mix is None else self.act(self.mix(y))


class Block(nn.Module):
    """ReLU of the sum of a branch and its shortcut; the shortcut is a strided 1x1 if the shape changes."""

    def __init__(self, branch: nn.Module, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


def layer(channels: int, planes: int, side: int, style: Style, *, use_act: bool = True) -> nn.Module:
    """One of Klachko's layers: masks, or filters if ``filter_size`` is not 0."""
    if style.filter_size:
        return filter_layer(channels, planes, style)
    return PerturbLayer(channels, planes, side, style, use_act=use_act)


def filter_layer(channels: int, planes: int, style: Style) -> nn.Sequential:
    """Filters, batch normalisation, activation. Only 1x1 filters have a bias; 5x5 filters are padded by only 1."""
    size = style.filter_size
    conv = nn.Conv2d(channels, planes, size, padding=min(1, size // 2), bias=size == 1)
    return nn.Sequential(conv, nn.BatchNorm2d(planes), ACTIVATIONS[style.act]())


def perturb_branch(channels: int, planes: int, stride: int, side: int, style: Style) -> nn.Sequential:
    """Two of Klachko's layers with a pooling between them that halves the maps if the stride is 2."""
    small = layer(planes, planes, side // stride, style)
    return nn.Sequential(layer(channels, planes, side, style), _halving(stride, style.pool), small)


def noise_layer(channels: int, planes: int, side: int, level: float) -> nn.Sequential:
    """The original's layer: masks, ReLU, batch normalisation, 1x1."""
    conv = nn.Conv2d(channels, planes, 1)
    return nn.Sequential(Noise(channels, side, Masks(level)), nn.ReLU(), nn.BatchNorm2d(channels), conv)


def noise_branch(channels: int, planes: int, stride: int, side: int, level: float) -> nn.Sequential:
    """Two of the original's layers: layer, pooling, batch normalisation, ReLU, layer, batch normalisation."""
    first, second = noise_layer(channels, planes, side, level), noise_layer(planes, planes, side // stride, level)
    between = [_halving(stride), nn.BatchNorm2d(planes), nn.ReLU()]
    return nn.Sequential(first, *between, second, nn.BatchNorm2d(planes))


def noise_bottleneck(channels: int, planes: int, stride: int, side: int, level: float) -> nn.Sequential:
    """1x1 to ``planes`` channels, one of the original's layers, and 1x1 to four times as many."""
    narrow = [nn.Conv2d(channels, planes, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU()]
    noise = [noise_layer(planes, planes, side, level), _halving(stride)]
    wide = [nn.BatchNorm2d(planes), nn.ReLU(), nn.Conv2d(planes, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes)]
    return nn.Sequential(*narrow, *noise, *wide)


def residual_branch(channels: int, planes: int, stride: int, side: int) -> nn.Sequential:
    """Two 3x3 convolutions as in ResNet-18; it has no masks, so ``side`` is not used."""
    first = [nn.Conv2d(channels, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU()]
    return nn.Sequential(*first, nn.Conv2d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes))


def _halving(stride: int, kind: str = "max") -> nn.Module:
    """The pooling that replaces a stride; the identity if the stride is 1."""
    return nn.Identity() if stride == 1 else POOLS[kind](stride, stride)
