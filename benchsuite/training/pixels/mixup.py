"""Mixup: each image of a batch is mixed with another one of the batch. Zhang et al. 2018 (arXiv:1710.09412)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How a batch of n images is mixed: ``share`` of each image, the rest of image ``partners[i]``, (n,) int64.

    ``partners`` are on the device of the images once they are mixed.
    """

    share: float
    partners: Any


def draw_mix(alpha: float, images: int, generator: torch.Generator) -> Mix:
    """Draws the share from Beta(alpha, alpha), one for the batch, and a permutation of the batch as partners."""
    seed = int(torch.randint(2**62, (), generator=generator))
    share = float(np.random.Generator(np.random.Philox(seed)).beta(alpha, alpha))
    return Mix(share, torch.randperm(images, generator=generator))


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The labels of a batch, int64 (n,): of each image and, if it is mixed, of its partner; ``share`` as in ``Mix``."""

    own: Any
    partner: Any = None
    share: float = 1.0

    def loss(self, logits: Any) -> Any:
        """The sum of the images' cross-entropy losses. For mixed images it is mixed like the pixels. (n, c) -> ()."""
        loss = F.cross_entropy(logits, self.own, reduction="sum")
        if self.partner is None:
            return loss
        return self.share * loss + (1 - self.share) * F.cross_entropy(logits, self.partner, reduction="sum")

    def hits(self, logits: Any) -> Any:
        """How many answers are the label of the image, or of that with the larger part of the mixed image: () int64."""
        labels = self.own if self.partner is None or self.share >= 0.5 else self.partner
        return (logits.argmax(1) == labels).sum()


def mixed(x: Any, mix: Mix) -> Any:
    """The mixed images: (n, 3, s, s) -> the same shape."""
    return mix.share * x + (1 - mix.share) * x.index_select(0, mix.partners)
