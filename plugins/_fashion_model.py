"""The small networks of published Fashion-MNIST figures: multilayer perceptrons, LeNet with sigmoids, TinyVGG.

Each takes grey pictures of 28 x 28 pixels, given as three equal channels, which are averaged into one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from torch import Tensor, nn

from benchsuite import UnsupportedProtocol, expected

SIDE = 28


class Grey(nn.Module):
    """Averages three channels into one: (n, 3, 28, 28) -> (n, 1, 28, 28). Other sizes raise ``UnsupportedProtocol``."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (SIDE, SIDE):
            got = "x".join(map(str, x.shape[2:]))
            raise UnsupportedProtocol(expected("an image", f"of {SIDE}x{SIDE} pixels", got))
        return x.mean(1, keepdim=True)


def torch_start(module: nn.Module) -> None:
    """Leaves torch's start: weights and biases uniform within 1 / sqrt(inputs)."""


def glorot_start(module: nn.Module) -> None:
    """Weights as ``uniform_start``; biases 0, as Keras starts them."""
    uniform_start(module)
    _zero_bias(module)


def gluon_start(module: nn.Module) -> None:
    """Weights uniform within sqrt(2 * 2.24 / (inputs + outputs)): MXNet's ``Xavier(magnitude=2.24)``; biases 0."""
    uniform_start(module, gain=(2.24 / 3) ** 0.5)
    _zero_bias(module)


def uniform_start(module: nn.Module, gain: float = 1.0) -> None:
    """Weights of linear layers and convolutions uniform within gain * sqrt(6 / (inputs + outputs)); biases torch's."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(part.weight, gain)


def _zero_bias(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.zeros_(part.bias)


STARTS: dict[str, Callable[[nn.Module], None]] = {"torch": torch_start, "keras": glorot_start, "mxnet": gluon_start}


def perceptron(hidden: Sequence[int], classes: int, *, relu: bool, relu_out: bool, start: str) -> nn.Module:
    """Linear layers of ``hidden`` units, with ReLU between them, and with ``relu_out`` another after the last one."""
    layers: list[nn.Module] = [Grey(), nn.Flatten()]
    sizes = (SIDE * SIDE, *hidden, classes)
    for i, (before, after) in enumerate(itertools.pairwise(sizes)):
        layers.append(nn.Linear(before, after))
        if relu_out if i == len(hidden) else relu:
            layers.append(nn.ReLU())
    module = nn.Sequential(*layers)
    STARTS[start](module)
    return module


def lenet(classes: int) -> nn.Module:
    """LeNet with sigmoids and average pooling; weights as ``uniform_start``."""
    module = nn.Sequential(
        Grey(),
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, classes)),
    )
    uniform_start(module)
    return module


def tiny_vgg(classes: int, *, width: int) -> nn.Module:
    """Two blocks of two 3x3 convolutions with ``width`` channels, ReLU and maximum pooling; one linear layer."""
    layers: list[nn.Module] = [Grey()]
    for channels in (1, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * (SIDE // 4) ** 2, classes))
