"""Reference implementation of LBCNN from its formulas: float64 arrays (n, c, h, w); plain Python for the decay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from reference.perturbation import act, convolved, normalised, pooled

Array = NDArray[np.float64]
State = Mapping[str, Array]


def filtered(x: Array, filters: Array) -> Array:
    """Convolution with filters of +1, 0 and -1, one output pixel at a time; padded with zeros."""
    n, _, h, w = x.shape
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros((n, len(filters), h, w))
    for o, k, a, b in np.argwhere(filters != 0).tolist():
        for i in range(h):
            for j in range(w):
                y[:, o, i, j] += filters[o, k, a, b] * wide[:, k, i + a, j + b]
    return y


def block(x: Array, state: State, at: str) -> Array:
    """x + W2 relu(conv(BN x)), with fixed or trained filters."""
    y = normalised(x, state, f"{at}.bn")
    if f"{at}.conv.filters" in state:
        y = filtered(y, state[f"{at}.conv.filters"])
    else:
        y = convolved(y, state, f"{at}.conv", padding=1)
    return x + convolved(act("relu", y), state, f"{at}.combine")


def network(x: Array, state: State, depth: int) -> Array:
    """The whole network; the input of a stem with one channel is the mean of the three colours."""
    if state["stem.0.weight"].shape[1] == 1:
        x = x.sum(1, keepdims=True) / 3
    x = act("relu", normalised(convolved(x, state, "stem.0", padding=1), state, "stem.1"))
    for number in range(depth):
        x = block(x, state, f"blocks.{number}")
    y = pooled(x, 5, 5, kind="avg").reshape(len(x), -1)
    y = act("relu", y @ state["head.3.weight"].T + state["head.3.bias"])
    return y @ state["head.6.weight"].T + state["head.6.bias"]


def drawn(count: int, sparsity: float, places: Iterable[int], signs: Iterable[int]) -> list[int]:
    """floor(sparsity * count) draws with replacement, one after the other: a later sign replaces an earlier one."""
    values = [0] * count
    for _, place, sign in zip(range(math.floor(sparsity * count)), places, signs, strict=False):
        values[place] = sign
    return values


def decayed(weight: float, rate: float, decay: float, momentum: float, steps: int) -> float:
    """A weight without a gradient after steps of Nesterov SGD: g = decay * w; v = momentum * v + g."""
    velocity = 0.0
    for _ in range(steps):
        gradient = decay * weight
        velocity = momentum * velocity + gradient
        weight -= rate * (gradient + momentum * velocity)
    return weight
