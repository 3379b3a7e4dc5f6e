"""The check of a transform."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture, Transform
from benchsuite.specs.preprocess import Preprocess
from benchsuite.testing.checker import Checker


def check_transform(t: Transform, architecture: Architecture | None = None) -> None:
    """Checks name, note, source and parameters, and that a changed network still maps images to logits.

    ``apply`` is tried with its defaults on ``architecture`` with random weights, by default on a small network with two
    convolutions, a batch normalisation and a linear layer.
    """
    it = Checker(f"transform {t.name}")
    it.declares(t.name, note=t.note, source=t.source)
    it.named_by_users("apply", t.apply, 2)
    with it.runs("the parameters of apply"):
        known = parameters.transform_parameters(t)
    for key, (_, default) in known.items():
        it.needs(default is not inspect.Parameter.empty, f"the parameter {key}", "one with a default", "none")
    with it.runs("the defaults of apply"):
        bound = parameters.bind_transform(t.name, lambda _: t)
        again = parameters.bind_transform(bound.name, lambda _: t)
    it.needs(again.name == bound.name, "the name with its parameters", bound.name, again.name)
    grey = Preprocess(16, 16, "bilinear", (0.5,) * 3, (0.25,) * 3)
    _check_applied(bound, architecture or Architecture("probe", _probe_network, grey), it)


def _check_applied(bound: Transform, a: Architecture, it: Checker) -> None:
    import torch

    apply: Callable[..., object] = bound.apply
    size, logits = a.preprocess.crop, []
    images = torch.rand(2, a.input.channels, size, size, generator=torch.Generator().manual_seed(0))
    for seed in (1, 2):  # apply must not use torch's own random numbers
        zeros = torch.zeros_like(images[:1])
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            module = a.build(7).eval()
            torch.manual_seed(seed)
            with it.runs(f"apply on {a.name}"):
                returned = apply(module, zeros)
        it.needs(returned is None, "what apply returns", "None, as it changes the module itself", returned)
        it.needs(not bool(zeros.any()), "the image", "unchanged by apply", "a changed one")
        with it.runs("the network after apply"), torch.inference_mode():
            logits.append(module.eval()(images))
        shape = tuple(logits[-1].shape)
        it.needs(shape == (2, 7), "the output for 2 images and 7 classes after apply", "of shape (2, 7)", shape)
        it.needs(bool(logits[-1].isfinite().all()), "the logits after apply", "finite", "others")
    it.needs(torch.equal(*logits), "the logits after apply", "the same each time", "others")


def _probe_network(classes: int) -> Any:
    """A small network for images of any size."""
    from torch import nn

    stem = (nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2))
    return nn.Sequential(*stem, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
