"""The networks of three code bases for perturbative neural networks (PNN), which have masks instead of filters.

- The original: https://github.com/juefeix/pnn.pytorch (``noiseresnet18`` and deeper).
- M. Klachko's: https://github.com/michaelklachko/pnn.pytorch (``perturb_resnet18``, ``cifarnet``, ``lenet``).
- The author's update of the latter: https://github.com/juefeix/pnn.pytorch.update.

A mask has the size of a map, so every network takes images of one size only. All masks are made with the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchsuite.plugins._pnn_layers import (
    ACTIVATIONS,
    POOLS,
    Block,
    Noise,
    Style,
    filter_layer,
    layer,
    noise_bottleneck,
    noise_branch,
    perturb_branch,
    residual_branch,
)
from torch import Tensor, nn

from benchsuite import UnsupportedProtocol, expected


@dataclass(frozen=True, slots=True)
class First:
    """How the first of Klachko's layers differs: filter size, factor of the level, and activation after the masks."""

    filter_size: int = 0
    scale: float = 1.0
    use_act: bool = False

    def style(self, rest: Style) -> Style:
        """The style of the first layer, given that of the rest."""
        masks = replace(rest.masks, level=rest.masks.level * self.scale)
        return replace(rest, masks=masks, filter_size=self.filter_size)


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a network: first maps of ``nfilters`` channels and ``side`` pixels, and ``blocks`` per stage.

    The output of a block has ``expansion`` times the channels of its stage.
    """

    nfilters: int
    side: int
    classes: int
    blocks: Sequence[int] = (2, 2, 2, 2)
    expansion: int = 1


class Staged(nn.Module):
    """A stem, four stages whose channels double while their maps halve, average pooling and a linear layer."""

    def __init__(self, stem: nn.Module, branch: Callable[[int, int, int, int], nn.Module], shape: Shape) -> None:
        """``branch(channels, planes, stride, side)`` makes the branch of a block for maps of ``side`` pixels."""
        super().__init__()
        self.stem = stem
        channels, side, stages = shape.nfilters, shape.side, []
        for stage, count in enumerate(shape.blocks):
            planes, blocks = shape.nfilters * 2**stage, []
            for number in range(count):
                stride = 2 if stage and not number else 1
                wide = planes * shape.expansion
                blocks.append(Block(branch(channels, planes, stride, side), channels, wide, stride))
                channels, side = wide, side // stride
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AvgPool2d(side)
        self.linear = nn.Linear(channels, shape.classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 32, 32) -> (n, classes)."""
        _check_size(x, 32)
        return self.linear(self.pool(self.stages(self.stem(x))).flatten(1))


class Plain(nn.Module):
    """Klachko's ``lenet`` and ``cifarnet``: layers and 3x3 poolings of stride 2 in turn, then two linear layers."""

    def __init__(self, layers: nn.Module, size: int, head: nn.Module, *, grey: bool) -> None:
        """With ``grey``, the three channels of an image are averaged into one."""
        super().__init__()
        self.layers, self.size, self.head, self.grey = layers, size, head, grey
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, size, size) -> (n, classes)."""
        _check_size(x, self.size)
        return self.head(self.layers(x.mean(1, keepdim=True) if self.grey else x).flatten(1))


def klachko(net: str, shape: Shape, style: Style, first: First, dropout: float) -> nn.Module:
    """A network of Klachko's code; for 28 pixels it has one input channel. ``dropout``: lenet and cifarnet only."""
    if net == "noiseresnet18":
        return noiseresnet(shape, first.filter_size, style.masks.level)
    if net == "resnet18":
        filters = nn.Conv2d(3, shape.nfilters, 3, 1, 1, bias=False)
        return Staged(nn.Sequential(filters, nn.BatchNorm2d(shape.nfilters), nn.ReLU()), residual_branch, shape)
    grey = shape.side == 28
    stem = layer(1 if grey else 3, shape.nfilters, shape.side, first.style(style), use_act=first.use_act)
    if net == "perturb_resnet18":
        return Staged(stem, partial(perturb_branch, style=style), shape)
    hidden, pairs = (256, True) if net == "cifarnet" else (128, False)
    head = _plain_head(shape.nfilters, hidden, shape.classes, style.act, dropout)
    return Plain(_plain_layers(stem, shape, style, pairs=pairs), shape.side, head, grey=grey)


def updated(net: str, shape: Shape, style: Style, first: First, dropout: float) -> nn.Module:
    """A network of the author's update; its first layer differs from Klachko's. ``dropout`` is not used."""
    if net == "noiseresnet18":
        network = noiseresnet(shape, first.filter_size, style.masks.level)
        network.stem[0].weight.requires_grad_(False)
        return network
    stem = _updated_stem(shape.nfilters, shape.side, first.style(style), style.act)
    return Staged(stem, partial(perturb_branch, style=style), shape)


def noiseresnet(shape: Shape, first: int, level: float) -> Staged:
    """The original: a 7x7 stem of stride 2 with pooling (maps of 8 pixels), or the later 3x3 stem (maps of 32)."""
    filters = nn.Conv2d(3, shape.nfilters, first, 2 if first == 7 else 1, first // 2, bias=False)
    pool = [nn.MaxPool2d(3, 2, 1)] if first == 7 else []
    stem = nn.Sequential(filters, nn.BatchNorm2d(shape.nfilters), nn.ReLU(), *pool)
    branch = partial(noise_branch if shape.expansion == 1 else noise_bottleneck, level=level)
    return Staged(stem, branch, replace(shape, side=shape.side // 4) if first == 7 else shape)


def _updated_stem(nfilters: int, side: int, style: Style, act: str) -> nn.Sequential:
    """5 * nfilters masks for each colour at 20 times the level, sigmoids, 3 * nfilters maps, and a 1x1 to nfilters.

    Unlike ``PerturbLayer`` it has a batch normalisation between the masks and the first activation.
    """
    wide, fan = 3 * nfilters, 5 * nfilters
    parts: list[nn.Module]
    if style.filter_size:
        parts = [filter_layer(3, wide, replace(style, act="sigmoid"))]
    else:
        masks = replace(style.masks, level=20 * style.masks.level, fan=fan)
        parts = [Noise(3, side, masks), nn.BatchNorm2d(3 * fan), nn.Sigmoid()]
        parts += [nn.Conv2d(3 * fan, wide, 1, groups=3), nn.BatchNorm2d(wide), nn.Sigmoid()]
        if style.mix:
            parts += [nn.Conv2d(wide, wide, 1), nn.BatchNorm2d(wide), nn.Sigmoid()]
    narrow = [nn.Conv2d(wide, nfilters, 1, bias=False), nn.BatchNorm2d(nfilters), ACTIVATIONS[act]()]
    return nn.Sequential(*parts, *narrow)


def _plain_layers(first: nn.Module, shape: Shape, style: Style, *, pairs: bool) -> nn.Sequential:
    """Three poolings with one layer before each (lenet), or with two if ``pairs`` (cifarnet)."""
    width, side, parts = shape.nfilters, shape.side, [first]
    for halvings in range(3):
        here = 1 + pairs - (halvings == 0)
        parts += [layer(width, width, side // 2**halvings, style) for _ in range(here)]
        parts.append(POOLS[style.pool](3, 2, 1))
    return nn.Sequential(*parts)


def _plain_head(nfilters: int, hidden: int, classes: int, act: str, dropout: float) -> nn.Sequential:
    """(n, nfilters * 16) -> (n, classes)."""
    middle = [nn.Linear(nfilters * 16, hidden), nn.BatchNorm1d(hidden), ACTIVATIONS[act]()]
    return nn.Sequential(nn.Dropout(dropout), *middle, nn.Dropout(dropout), nn.Linear(hidden, classes))


def _initialise(module: nn.Module) -> None:
    """Weights of convolutions as in all three code bases: normal, with variance 2 / (k * k * outputs)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            outputs = part.kernel_size[0] * part.kernel_size[1] * part.out_channels
            nn.init.normal_(part.weight, 0, (2 / outputs) ** 0.5)


def _check_size(x: Tensor, size: int) -> None:
    if x.shape[2:] != (size, size):
        got = "x".join(map(str, x.shape[2:]))
        raise UnsupportedProtocol(expected("an image", f"of {size}x{size} pixels, which this network is fixed to", got))
