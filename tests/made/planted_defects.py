"""A small network and networks with one defect each, under the name by which the conformance kit must find it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchsuite import Architecture, DenseParts, Preprocess

PREPROCESS = Preprocess(16, 16, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


class Sound(nn.Module):
    """Without a defect: a convolution, a batch normalisation, dropout, a global pooling and a linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(8, classes)

    def features(self, x: Any) -> Any:
        return self.norm(self.conv(x)).relu()

    def forward(self, x: Any) -> Any:
        return self.head(self.drop(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1)))


def sound_parts(module: Any) -> DenseParts:
    """The parts of ``Sound`` at its own stride."""
    return DenseParts(module.features, lambda pooled: module.head(pooled.flatten(1)))


SOUND = Architecture("planted", Sound, PREPROCESS, dense=sound_parts, note="A network for tests.")


class Dropping(Sound):
    def forward(self, x: Any) -> Any:
        return F.dropout(super().forward(x), 0.5)


class BatchNormalised(Sound):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)


class Training(Sound):
    def forward(self, x: Any) -> Any:
        self.norm.train()
        return super().forward(x)


class Remembering(Sound):
    def features(self, x: Any) -> Any:
        now = super().features(x)
        kept, self.kept = getattr(self, "kept", None), now.mean((0, 2, 3), keepdim=True)
        return now if kept is None else now + kept


class Cached(Sound):
    def forward(self, x: Any) -> Any:
        if getattr(self, "size", None) != x.shape:
            self.size, self.logits = x.shape, super().forward(x)
        return self.logits


class InPlace(Sound):
    def forward(self, x: Any) -> Any:
        x -= 0.5
        return super().forward(x)


class Softmaxed(Sound):
    def forward(self, x: Any) -> Any:
        return super().forward(x).softmax(1)


class OneSize(nn.Sequential):
    def __init__(self, classes: int) -> None:
        super().__init__(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(8 * 64, classes))


class Unseeded(Sound):
    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        draws = np.random.default_rng().normal(size=self.head.weight.shape)
        self.head.weight.data = torch.from_numpy(draws).float()


def double_precision(classes: int) -> Any:
    module = Sound(classes)
    torch.set_grad_enabled(False)
    return module


def twice_the_stride(module: Any) -> DenseParts:
    """Means of 2 x 2 places: one window has the same mean, but the map has a quarter of its places."""
    return DenseParts(lambda x: F.avg_pool2d(module.features(x), 2), lambda pooled: module.head(pooled.flatten(1)))


def shifted_map(module: Any) -> DenseParts:
    """The right map for one window; a larger one is rolled, so that its places are others."""

    def features(x: Any) -> Any:
        whole = module.features(x)
        return whole if whole.shape[2] == 8 else whole.roll(3, 2)

    return DenseParts(features, lambda pooled: module.head(pooled.flatten(1)))


def built(build: Callable[[int], Any], **changes: Any) -> Architecture:
    return dataclasses.replace(SOUND, build=build, **{"dense": "auto", **changes})


PLANTED = {
    "dropout-left-on": built(Dropping),
    "batch-dependent": built(BatchNormalised),
    "statistics-updated": built(Training),
    "state-between-batches": built(Remembering),
    "input-changed": built(InPlace),
    "softmax-in-network": built(Softmaxed),
    "undeclared-fixed-size": built(OneSize),
    "unseeded-build": built(Unseeded),
    "global-settings": built(double_precision),
    "class-count": built(lambda classes: Sound(10)),
    "dense-stride": built(Sound, dense=twice_the_stride),
    "dense-map": built(Sound, dense=shifted_map),
    "preprocess-units": built(
        Sound, preprocess=dataclasses.replace(PREPROCESS, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4))
    ),
    "declaration": built(Sound, name="planted net"),
    "error": built(lambda classes: 1 / 0),
}
"""The networks by the name of their defect. ``heavy-import`` is a property of a module: see its test."""
