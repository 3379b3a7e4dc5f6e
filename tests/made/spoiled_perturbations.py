"""Functions of perturbations that break the contract, each in one way, and one that keeps it."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import torch

CALLS = itertools.count()


def darker(x: Any, batch: Any) -> Any:
    """Keeps the contract."""
    return x * 0.5


def darker_reference(x: Any, image: Any) -> Any:
    return x * 0.5


def squashed(x: Any, batch: Any) -> Any:
    return x[:, :, ::2, ::2]


def doubled(x: Any, batch: Any) -> Any:
    return x.double()


def array(x: Any, batch: Any) -> Any:
    return x.numpy()


def logarithm(x: Any, batch: Any) -> Any:
    return x.log()


def in_place(x: Any, batch: Any) -> Any:
    return x.mul_(0.5)


def failing(x: Any, batch: Any) -> Any:
    raise ZeroDivisionError("division by zero")


def of_batch(x: Any, batch: Any) -> Any:
    """Divides by a value of the batch, not of the image."""
    return x / (1 + x.mean())


def of_place(x: Any, batch: Any) -> Any:
    """Adds noise that depends on the place in the batch."""
    noise = torch.rand(len(x), 1, 1, 1, generator=torch.Generator().manual_seed(0))
    return x * noise


def of_torchs_seed(x: Any, batch: Any) -> Any:
    return x + torch.rand_like(x)


def of_numpys_seed(x: Any, batch: Any) -> Any:
    return x + float(np.random.random())


def of_pythons_seed(x: Any, batch: Any) -> Any:
    return x + random.random()


def of_the_first_seed(x: Any, batch: Any) -> Any:
    """Reads a global seed without drawing from it."""
    return x + (torch.initial_seed() % 7) / 100


def counted(x: Any, batch: Any) -> Any:
    return x + next(CALLS) / 100


def of_ids(x: Any, batch: Any) -> Any:
    return x + batch.uniform(0, x)


def of_labels(x: Any, batch: Any) -> Any:
    return x + batch.labels.view(-1, 1, 1, 1) / 10


def of_gradient(x: Any, batch: Any) -> Any:
    return x + batch.gradient(x)


def too_far(x: Any, batch: Any, *, eps: Any) -> Any:
    return x + 1.01 * float(eps) * batch.gradient(x).sign()


def other_reference(x: Any, image: Any) -> Any:
    return x * 0.5001


def flat_reference(x: Any, image: Any) -> Any:
    return x[:, :, 0] * 0.5


def in_place_reference(x: Any, image: Any) -> Any:
    x *= 0.5
    return x


def failing_reference(x: Any, image: Any) -> Any:
    raise ZeroDivisionError("division by zero")
