"""Networks as a recipe wants them before the first step, and refused where they do not fit."""

from __future__ import annotations

from typing import Any

import torch

from benchsuite._training import rest_residual_branches
from benchsuite.errors import BadParameter, DataError, expected, first_line
from benchsuite.feeds import Feed
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.recipe import Recipe


def build(architecture: Architecture, recipe: Recipe, feed: Feed, classes: int) -> Any:
    """The network on the feed's device, in training mode, with what the recipe does to it before training.

    Raises ``DataError`` for images or classes that it does not take, ``BadParameter`` for a recipe that it cannot
    follow.
    """
    torch.manual_seed(recipe.seed)
    module = architecture.build(classes).to(feed.device)
    for size in sorted(set(feed.sizes)):
        _try(architecture, module.eval(), size, classes)
    if recipe.rest:
        rest_residual_branches(module)
    if recipe.pixel_mean:
        _fill_pixel_mean(architecture, module, feed.mean_image())
    return module.train()


def _try(architecture: Architecture, module: Any, size: int, classes: int) -> None:
    """Tries a network on two empty images of a size, before any image is read."""
    device = next(module.parameters()).device
    try:
        with torch.no_grad():
            out = module(torch.zeros(2, architecture.input.channels, size, size, device=device))
    except Exception as error:
        got = f"{size}: {first_line(error)}"
        rule = "a size that the network takes"
        raise DataError(expected(f"the images for {architecture.name}", rule, got)) from error
    if tuple(out.shape) != (2, classes):
        got = f"{out.shape[-1]}" if out.dim() == 2 else f"an output of shape {tuple(out.shape)}"
        what = f"the number of classes of {architecture.name}"
        raise DataError(expected(what, f"{classes}, that of the data set", got))


def _fill_pixel_mean(architecture: Architecture, module: Any, mean: Any) -> None:
    """Puts the mean training image (3, s, s) into the network's buffer of that name, (3, s, s) or (1, 3, s, s)."""
    buffer = dict(module.named_buffers()).get("pixel_mean")
    if buffer is None or buffer.shape[-3:] != mean.shape:
        got = "none" if buffer is None else f"one of shape {tuple(buffer.shape)}"
        rule = f"of shape {tuple(mean.shape)}, as the recipe subtracts it"
        raise BadParameter(expected(f"the buffer pixel_mean of {architecture.name}", rule, got))
    buffer.copy_(mean.view_as(buffer))
