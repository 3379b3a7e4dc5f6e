"""Reference for FGSM and PGD: the plain loop of PyTorch that papers print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


def fgsm(network: Callable[[Any], Any], x: Any, labels: Any, eps: float) -> Any:
    """(n, 3, h, w) in [0, 1] -> the same, moved by ``eps`` along the sign of the gradient."""
    x = x.clone().requires_grad_(True)
    nn.CrossEntropyLoss(reduction="sum")(network(x), labels).backward()
    return torch.clamp(x + eps * x.grad.sign(), 0, 1).detach()


def pgd(network: Callable[[Any], Any], x: Any, labels: Any, eps: float, steps: int, step: float, start: Any) -> Any:
    """(n, 3, h, w) in [0, 1] -> the same after ``steps`` steps from ``start``, within ``eps`` of ``x``."""
    moved = start.clone()
    for _ in range(steps):
        moved = moved.detach().requires_grad_(True)
        nn.CrossEntropyLoss(reduction="sum")(network(moved), labels).backward()
        moved = moved + step * moved.grad.sign()
        moved = torch.min(torch.max(moved, x - eps), x + eps)
        moved = torch.clamp(moved, 0, 1)
    return moved.detach()
