"""A small network, its weights, and an architecture and a data set for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchsuite import Architecture, Dataset, Preprocess, Weights
from benchsuite.models.weights import ChosenWeights, choose

OWN = Preprocess(40, 32, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
OTHER = Preprocess((36, 36), 36, "bicubic", (0.1, 0.2, 0.3), (1.0, 1.0, 1.0), channel_order="BGR", range=255.0)


class Net(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, classes)


def trained(classes: int = 5) -> Net:
    """A network in which every tensor differs from that of a new network."""
    torch.manual_seed(7)
    module = Net(classes)
    for tensor in module.state_dict().values():
        tensor.copy_(torch.rand(tensor.shape) * 9 + 1)
    return module


def architecture(*weights: Weights) -> Architecture:
    return Architecture("net", Net, OWN, weights)


def no_images(path: Any, split: Any) -> Any:
    raise AssertionError("choosing weights opens no data set")


DATASET = Dataset("pictures", no_images, True, "note", "source")


def chosen(path: Path) -> ChosenWeights:
    return choose(architecture(), DATASET, str(path), 0)


def equal(module: Any, wanted: Mapping[str, Any]) -> bool:
    own = module.state_dict()
    return own.keys() == wanted.keys() and all(torch.equal(own[n], wanted[n]) for n in own)


class Intruder:
    """An object that creates a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)
