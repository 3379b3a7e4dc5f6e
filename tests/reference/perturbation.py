"""Reference implementation of the PNN networks from their formulas: float64 arrays (n, c, h, w), plain loops.

``state`` holds a network's tensors by name, as arrays; ``at`` is the name of a layer in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = Mapping[str, Array]


def perturbed(x: Array, noise: Array, level: float, *, shared: bool = False) -> Array:
    """y[n, c * fan + m] = x[n, c] + level * N[c, m], or N[m] where channels share it. ``noise``: (1, masks, h, w)."""
    n, c, h, w = x.shape
    fan = noise.shape[1] if shared else noise.shape[1] // c
    y = np.empty((n, c * fan, h, w))
    for image in range(n):
        for channel in range(c):
            for mask in range(fan):
                for i in range(h):
                    for j in range(w):
                        added = level * noise[0, mask if shared else channel * fan + mask, i, j]
                        y[image, channel * fan + mask, i, j] = x[image, channel, i, j] + added
    return y


def act(name: str, x: Array, slope: float = 0.25) -> Array:
    """The activations by their definitions, without randomness (rrelu as in evaluation). ``slope`` is that of prelu."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772

    def one(v: float) -> float:
        return {
            "relu": lambda: max(v, 0.0),
            "lrelu": lambda: v if v > 0 else 0.01 * v,
            "prelu": lambda: v if v > 0 else slope * v,
            "rrelu": lambda: v if v > 0 else v * (1 / 8 + 1 / 3) / 2,
            "elu": lambda: v if v > 0 else math.exp(v) - 1,
            "selu": lambda: scale * (v if v > 0 else alpha * (math.exp(v) - 1)),
            "tanh": lambda: (math.exp(v) - math.exp(-v)) / (math.exp(v) + math.exp(-v)),
            "sigmoid": lambda: 1 / (1 + math.exp(-v)),
        }[name]()

    return np.array([one(v) for v in x.ravel().tolist()]).reshape(x.shape)


def convolved(x: Array, state: State, at: str, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    """A convolution, one output channel, input channel and filter position at a time."""
    weight, bias = state[f"{at}.weight"], state.get(f"{at}.bias")
    n, c, _, _ = x.shape
    outputs, own, size, _ = weight.shape
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    h, w = ((s - size) // stride + 1 for s in wide.shape[2:])
    y = np.zeros((n, outputs, h, w))
    for o in range(outputs):
        first = o // (outputs // groups) * (c // groups)
        for k in range(own):
            for i in range(size):
                for j in range(size):
                    seen = wide[:, first + k, i : i + stride * h : stride, j : j + stride * w : stride]
                    y[:, o] += weight[o, k, i, j] * seen
        y[:, o] += 0.0 if bias is None else bias[o]
    return y


def normalised(x: Array, state: State, at: str) -> Array:
    """Batch normalisation in evaluation. (n, c, ...) -> the same shape."""
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        mean, var, gamma, beta = (state[f"{at}.{k}"][c] for k in ("running_mean", "running_var", "weight", "bias"))
        y[:, c] = (x[:, c] - mean) / math.sqrt(var + 1e-5) * gamma + beta
    return y


def pooled(x: Array, size: int, stride: int, padding: int = 0, kind: str = "max") -> Array:
    """Pooling, window by window. The border is -inf for ``max``, and zeros that are counted for ``avg``."""
    border = -math.inf if kind == "max" else 0.0
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=border)
    h, w = ((s - size) // stride + 1 for s in wide.shape[2:])
    y = np.empty((*x.shape[:2], h, w))
    for i in range(h):
        for j in range(w):
            window = wide[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
            y[:, :, i, j] = window.max((2, 3)) if kind == "max" else window.mean((2, 3))
    return y


def perturb_layer(x: Array, state: State, at: str, level: float, options: Mapping[str, Any]) -> Array:
    """Klachko's layer: masks, act if ``use_act``, 1x1 in groups, BN, act; and 1x1, BN, act with ``mix_maps``."""
    name, channels = options.get("act", "relu"), x.shape[1]
    slope = float(state.get(f"{at}.act.weight", np.array([0.25]))[0])
    noise = state[f"{at}.perturb.noise"]
    shared = not options.get("unique_masks", True)
    y = perturbed(x, noise, level, shared=shared)
    if options.get("use_act", True):
        y = act(name, y, slope)
    y = convolved(y, state, f"{at}.conv", groups=channels if y.shape[1] != channels else 1)
    y = act(name, normalised(y, state, f"{at}.bn"), slope)
    if options.get("mix_maps"):
        y = act(name, normalised(convolved(y, state, f"{at}.mix.0"), state, f"{at}.mix.1"), slope)
    return y


def noise_layer(x: Array, state: State, at: str, level: float) -> Array:
    """The original's layer: masks, ReLU, BN, 1x1."""
    y = act("relu", perturbed(x, state[f"{at}.0.noise"], level))
    return convolved(normalised(y, state, f"{at}.2"), state, f"{at}.3")


def filter_layer(x: Array, state: State, at: str, name: str = "relu") -> Array:
    """Filters, BN, act; padded by 1 if they are larger than 1x1."""
    padding = int(state[f"{at}.0.weight"].shape[2] > 1)
    return act(name, normalised(convolved(x, state, f"{at}.0", padding=padding), state, f"{at}.1"))


def shortcut(x: Array, state: State, at: str, stride: int) -> Array:
    """The input itself, or a strided 1x1 and BN if the network has one there."""
    if f"{at}.shortcut.0.weight" not in state:
        return x
    return normalised(convolved(x, state, f"{at}.shortcut.0", stride), state, f"{at}.shortcut.1")


def perturb_branch(x: Array, state: State, at: str, stride: int, options: Mapping[str, Any]) -> Array:
    """Two of Klachko's layers; if the stride is 2, a 2x2 pooling between them halves the map."""
    y = any_layer(x, state, f"{at}.branch.0", options)
    y = pooled(y, stride, stride, kind=options.get("pool_type", "max"))
    return any_layer(y, state, f"{at}.branch.2", options)


def any_layer(x: Array, state: State, at: str, options: Mapping[str, Any]) -> Array:
    """A layer of masks or of filters, depending on the tensors of the network."""
    if f"{at}.perturb.noise" in state:
        return perturb_layer(x, state, at, options.get("level", 0.5), {**options, "use_act": True})
    return filter_layer(x, state, at, options.get("act", "relu"))


def noise_branch(x: Array, state: State, at: str, stride: int, options: Mapping[str, Any]) -> Array:
    """The original's basic block up to the sum."""
    y = pooled(noise_layer(x, state, f"{at}.branch.0", options["level"]), stride, stride)
    y = act("relu", normalised(y, state, f"{at}.branch.2"))
    return normalised(noise_layer(y, state, f"{at}.branch.4", options["level"]), state, f"{at}.branch.5")


def noise_bottleneck(x: Array, state: State, at: str, stride: int, options: Mapping[str, Any]) -> Array:
    """The original's bottleneck up to the sum."""
    y = act("relu", normalised(convolved(x, state, f"{at}.branch.0"), state, f"{at}.branch.1"))
    y = pooled(noise_layer(y, state, f"{at}.branch.3", options["level"]), stride, stride)
    y = act("relu", normalised(y, state, f"{at}.branch.5"))
    return normalised(convolved(y, state, f"{at}.branch.7"), state, f"{at}.branch.8")


def residual_branch(x: Array, state: State, at: str, stride: int, options: Mapping[str, Any]) -> Array:
    """ResNet's basic block up to the sum."""
    y = act("relu", normalised(convolved(x, state, f"{at}.branch.0", stride, 1), state, f"{at}.branch.1"))
    return normalised(convolved(y, state, f"{at}.branch.3", padding=1), state, f"{at}.branch.4")


def staged(x: Array, state: State, branch: Any, options: Mapping[str, Any]) -> Array:
    """All blocks of a residual network after its stem, the mean over the last map, and the linear layer."""
    for stage in range(4):
        block = 0
        while any(name.startswith(f"stages.{stage}.{block}.") for name in state):
            at, stride = f"stages.{stage}.{block}", 2 if stage and block == 0 else 1
            x = act("relu", branch(x, state, at, stride, options) + shortcut(x, state, at, stride))
            block += 1
    return x.mean((2, 3)) @ state["linear.weight"].T + state["linear.bias"]


def perturb_stem(x: Array, state: State, options: Mapping[str, Any], at: str = "stem") -> Array:
    """Klachko's first layer: its level is scaled, and its first activation is omitted unless ``use_act``."""
    if f"{at}.perturb.noise" not in state:
        return filter_layer(x, state, at, options.get("act", "relu"))
    level = options.get("level", 0.5) * options.get("scale_noise", 1.0)
    return perturb_layer(x, state, at, level, {"use_act": False, **options})


def noise_stem(x: Array, state: State) -> Array:
    """The original's first layers: 7x7 of stride 2 and a pooling, or 3x3."""
    if state["stem.0.weight"].shape[2] == 7:
        return pooled(act("relu", normalised(convolved(x, state, "stem.0", 2, 3), state, "stem.1")), 3, 2, 1)
    return act("relu", normalised(convolved(x, state, "stem.0", 1, 1), state, "stem.1"))


def updated_stem(x: Array, state: State, options: Mapping[str, Any]) -> Array:
    """The author's first layer: masks at 20 times the level, BN, sigmoid, a 1x1 for each colour, BN, sigmoid, 1x1..."""
    level = options["level"] * options.get("scale_noise", 1.0) * 20
    y = act("sigmoid", normalised(perturbed(x, state["stem.0.noise"], level), state, "stem.1"))
    y, last = act("sigmoid", normalised(convolved(y, state, "stem.3", groups=3), state, "stem.4")), 6
    if options.get("mix_maps"):
        y, last = act("sigmoid", normalised(convolved(y, state, "stem.6"), state, "stem.7")), 9
    y = normalised(convolved(y, state, f"stem.{last}"), state, f"stem.{last + 1}")
    return act(options.get("act", "relu"), y)


def plain(x: Array, state: State, options: Mapping[str, Any], pairs: bool) -> Array:
    """lenet or cifarnet (``pairs``): layers, a 3x3 pooling of stride 2 three times, two linear layers."""
    name, number = options.get("act", "relu"), 0
    for halving in range(3):
        for layer in range(1 + pairs):
            first = halving == layer == 0
            at = f"layers.{number}"
            x = perturb_stem(x, state, options, at) if first else any_layer(x, state, at, options)
            number += 1
        x = pooled(x, 3, 2, 1, options.get("pool_type", "max"))
        number += 1
    y = x.reshape(len(x), -1) @ state["head.1.weight"].T + state["head.1.bias"]
    return act(name, normalised(y, state, "head.2")) @ state["head.5.weight"].T + state["head.5.bias"]


def runs(net: str, first: int, rest: int, size: int = 32) -> bool:
    """Whether Klachko's code can process an image: follows the map sizes with its rules for padding and stride.

    A layer is either masks of a given size (0) or a filter. 1x1 and 3x3 filters keep the size, 5x5 is padded by 1 only,
    and 7x7 has stride 2 and padding 3.
    """
    if net == "resnet18":
        return True
    if net == "noiseresnet18":
        return first in (3, 7)

    def after(kind: int, here: int, told: int) -> int | None:
        if kind == 0:
            return here if here == told else None
        return (here + 2 * {1: 0, 3: 1, 5: 1, 7: 3}[kind] - kind) // (2 if kind == 7 else 1) + 1

    def through(steps: list[tuple[str, int, int]], here: int | None) -> int | None:
        for step, kind, told in steps:
            if here is None or here < 1:
                return None
            here = after(kind, here, told) if step == "layer" else (here + 2 * told - kind) // 2 + 1
        return here

    if net in ("lenet", "cifarnet"):
        steps = []
        for halving in range(3):
            for layer in range(2 if net == "cifarnet" else 1):
                steps.append(("layer", first if halving == layer == 0 else rest, size // 2**halving))
            steps.append(("pool", 3, 1))
        return through(steps, size) == (5 if rest == 5 else 4)
    here = through([("layer", first, size)] + ([("pool", 3, 1)] if first == 7 else []), size)
    for stage in range(4):
        told = size // 2 ** max(stage - 1, 0)
        for block in range(2):
            if here is None:
                return False
            halves = stage > 0 and block == 0
            straight = (here - 1) // 2 + 1 if halves else here
            pool = [("pool", 2, 0)] if halves else []
            small = told // 2 if halves else told
            here = through([("layer", rest, told), *pool, ("layer", rest, small)], here)
            told = small
            if here != straight:
                return False
    window = 1 if rest == 7 else 4
    return here is not None and here - window + 1 == 1
