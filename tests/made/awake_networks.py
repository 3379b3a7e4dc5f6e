"""Networks in which every normalisation has an effect, and their comparison with a reference implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def awake(module: Any, seed: int = 0) -> Any:
    """Puts a module into evaluation mode, with random statistics and scales in every normalisation."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            for value in (part.running_mean, part.running_var, part.weight.data, part.bias.data):
                value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return module.eval()


def state_of(module: Any) -> dict[str, Any]:
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def assert_equals_twin(module: Any, x: Any, twin: Any) -> None:
    with torch.inference_mode():
        made = module(x).double().numpy()
    np.testing.assert_allclose(made, twin, rtol=1e-4, atol=1e-5 * np.abs(twin).max())
