"""Smooths the kernels of the convolution that sees the image first. It is found by a forward pass, never by name."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from benchsuite import WeightsError, expected


class _Convolutions(TorchFunctionMode):
    """Records the weights of all convolutions of a forward pass, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Any] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.conv2d:
            self.weights.append(args[1] if len(args) > 1 else kwargs["weight"])
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def smooth_first(module: Any, image: Any, rho: float) -> None:
    """Smooths the first convolution of a module in place; ``image`` is one that the module takes.

    Raises ``WeightsError`` if there is no convolution, if its kernels have no neighbours, and if the module computes
    its kernels from other weights, so that smoothing them has no effect.
    """
    kernels = _first_kernels(module, image)
    if kernels.shape[2:] == (1, 1):
        raise WeightsError(expected("kernels to smooth", "larger than one pixel", "1x1, which have no neighbours"))
    if not rho:
        return
    smoothed = with_neighbours(kernels, rho)
    kernels.copy_(smoothed)
    if not torch.equal(_first_kernels(module, image), smoothed):
        got = "kernels that are computed from other weights"
        raise WeightsError(expected("kernels to smooth", "stored as they are used", got))


def with_neighbours(kernels: Any, rho: float) -> Any:
    """Each weight plus ``rho`` times the sum of its 8 neighbours; weights at the edge are repeated outside.

    (outputs, inputs, h, w) -> the same shape and type, computed in float64. Wang et al. 2020 (arXiv:1905.13545).
    """
    height, width = kernels.shape[2:]
    padded = F.pad(kernels.double(), (1, 1, 1, 1), mode="replicate")
    around = torch.zeros(kernels.shape, dtype=torch.float64)
    for down, right in product(range(3), range(3)):
        if (down, right) != (1, 1):
            around += padded[:, :, down : down + height, right : right + width]
    return (kernels.double() + rho * around).to(kernels.dtype)


def _first_kernels(module: Any, image: Any) -> Any:
    """The weights of the first convolution that a forward pass computes, (outputs, inputs, h, w): the tensor itself.

    The calls of ``conv2d`` are recorded, so that kernels which are computed from other weights are noticed;
    ``explain --frequency`` looks for the module, since it prints a name.
    """
    with _Convolutions() as convolutions:
        module(image)
    if not convolutions.weights:
        raise WeightsError(expected("a network to smooth", "one with a convolution that sees the image", "none"))
    return convolutions.weights[0]
