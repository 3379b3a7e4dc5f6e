"""ResNet for CIFAR-10: 6n + 2 layers on 32 x 32 pixels. He et al. 2015, sec. 4.2."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from benchsuite import Architecture, Preprocess, hookimpl

BLOCKS = {20: 3, 32: 5, 44: 7, 56: 9, 110: 18, 1202: 200}
"""Blocks in each of the three stages, by the number of layers."""

PREPROCESS = Preprocess(32, 32, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NOTE = (
    "{layers} layers for 32 x 32 pixels, parameter-free shortcuts (option A: every second pixel, zeros for the new "
    "channels). Tensors are named and pixels normalised (ImageNet's mean and std) as in akamaster/pytorch_resnet_cifar10, "
    "whose checkpoints fit; He et al. subtract a per-pixel mean instead"
)


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """ResNet-20, 32, 44, 56, 110 and 1202."""
    for layers, blocks in BLOCKS.items():
        yield Architecture(f"resnet{layers}", partial(_build, blocks), PREPROCESS, note=NOTE.format(layers=layers))


def _build(blocks: int, num_classes: int) -> Any:
    from benchsuite.plugins._cifar_resnet_model import CifarResNet

    return CifarResNet(blocks, num_classes)
