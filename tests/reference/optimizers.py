"""Reference optimisers as in their papers or torch's documentation, for one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

Step = Callable[[float, float], float]
"""(weight, gradient without decay) -> the new weight. Each weight needs its own step function."""


def sgd(rate: float, momentum: float, nesterov: bool, decay: float) -> Step:
    velocity: list[float] = []

    def step(w: float, g: float) -> float:
        g = g + decay * w
        if momentum:
            velocity[:] = [momentum * velocity[0] + g] if velocity else [g]
            g = g + momentum * velocity[0] if nesterov else velocity[0]
        return w - rate * g

    return step


def adam(rate: float, betas: tuple[float, float], decay: float, decoupled: bool) -> Step:
    m, v, t = [0.0], [0.0], [0]

    def step(w: float, g: float) -> float:
        t[0] += 1
        if decoupled:
            w = w - rate * decay * w
        else:
            g = g + decay * w
        m[0] = betas[0] * m[0] + (1 - betas[0]) * g
        v[0] = betas[1] * v[0] + (1 - betas[1]) * g * g
        first, second = m[0] / (1 - betas[0] ** t[0]), v[0] / (1 - betas[1] ** t[0])
        return w - rate * first / (math.sqrt(second) + 1e-8)

    return step


def rmsprop(rate: float, momentum: float, decay: float) -> Step:
    square, velocity = [0.0], [0.0]

    def step(w: float, g: float) -> float:
        g = g + decay * w
        square[0] = 0.99 * square[0] + 0.01 * g * g
        move = g / (math.sqrt(square[0]) + 1e-8)
        velocity[0] = momentum * velocity[0] + move
        return w - rate * velocity[0]

    return step


def adagrad(rate: float, decay: float) -> Step:
    total = [0.0]

    def step(w: float, g: float) -> float:
        g = g + decay * w
        total[0] += g * g
        return w - rate * g / (math.sqrt(total[0]) + 1e-10)

    return step


def adadelta(rate: float, decay: float) -> Step:
    square, moves = [0.0], [0.0]

    def step(w: float, g: float) -> float:
        g = g + decay * w
        square[0] = 0.9 * square[0] + 0.1 * g * g
        move = math.sqrt(moves[0] + 1e-6) / math.sqrt(square[0] + 1e-6) * g
        moves[0] = 0.9 * moves[0] + 0.1 * move * move
        return w - rate * move

    return step
