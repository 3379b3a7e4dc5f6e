"""Perturbed images as the input of a network in training or in the test of an epoch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.perturbed_batch import Logits, PerturbedBatch, perturbed
from benchsuite.models.precision import computing
from benchsuite.specs.perturbation import Perturbation


def perturbed_input(
    pixels: Any,
    inputs: InputNormalization,
    perturbation: Perturbation,
    batch: PerturbedBatch,
    padding: Any = None,
) -> Any:
    """The network's input for changed images: uint8 (n, s, s, 3) -> float32 (n, 3, s, s).

    Pixels in ``padding``, bool (n, s, s, 1), get the colour that normalisation turns into 0 before the change. All of
    it is in float32 without TF32.
    """
    x = inputs.unit(pixels)
    if padding is not None:
        x = torch.where(padding.permute(0, 3, 1, 2), _mean_colour(inputs), x)
    with computing("fp32", x.device):
        return inputs.of_unit(perturbed(perturbation, x, batch))


def logits_of(
    module: Any, inputs: InputNormalization, context: AbstractContextManager[Any], *, plain: bool = False
) -> Logits:
    """The logits of a module in its present mode, training or evaluation, for pixels in [0, 1]; differentiable.

    ``context`` is that of the forward pass. With ``plain`` the input is contiguous in memory, not channels last.
    """

    def logits(unit: Any) -> Any:
        x = inputs.of_unit(unit)
        with context:
            return module(x.contiguous() if plain else x)

    return logits


def _mean_colour(inputs: InputNormalization) -> Any:
    """The mean of the preprocessing as a colour in [0, 1], RGB: (1, c, 1, 1)."""
    mean = inputs.mean.flip(0) if inputs.preprocess.channel_order == "BGR" else inputs.mean
    return (mean / inputs.preprocess.range).view(1, -1, 1, 1)
