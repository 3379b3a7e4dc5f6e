"""What Caffe computes, layer by layer, in plain torch and float64: for comparison, not for speed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F


def forward(layers: Sequence[Mapping[str, Any]], image: Any, until: str) -> Any:
    """The blob ``until`` for the blob ``data`` (n, 3, h, w). Layers are those of ``made/caffe_files``."""
    blobs = {"data": image.double()}
    for layer in layers:
        given = [blobs[name] for name in layer["bottom"]]
        weights = [torch.as_tensor(b).float().double() for b in layer.get("blobs", ())]
        settings = dict(layer.get("settings", ()))
        blobs[layer["top"][0]] = LAYERS[layer["type"]](given, weights, settings)
        if layer["name"] == until:
            return blobs[layer["top"][0]]
    raise KeyError(until)


def _convolution(given: Any, weights: Any, settings: Any) -> Any:
    bias = weights[1] if len(weights) > 1 else None
    return F.conv2d(given[0], weights[0], bias, settings.get(6, 1), settings.get(3, 0), 1, settings.get(5, 1))


def _batch_norm(given: Any, weights: Any, settings: Any) -> Any:
    """The stored mean and variance are sums: each is divided by the third blob, and is 0 if that is 0."""
    factor = float(weights[2])
    factor = 0.0 if factor == 0 else 1 / factor
    mean, variance = (w.view(1, -1, 1, 1) * factor for w in weights[:2])
    return (given[0] - mean) / (variance + settings.get(3, 1e-5)).sqrt()


def _scale(given: Any, weights: Any, settings: Any) -> Any:
    multiplied = given[0] * weights[0].view(1, -1, 1, 1)
    return multiplied + weights[1].view(1, -1, 1, 1) if len(weights) > 1 else multiplied


def _pooling(given: Any, weights: Any, settings: Any) -> Any:
    """Windows that begin inside the image and its padding; the number of windows is rounded up; a window is cut."""
    x, size, stride, pad = given[0], settings[2], settings.get(3, 1), settings.get(4, 0)
    average = settings.get(1, 0) == 1
    h, w = x.shape[2:]
    size = (h, w) if average and size >= min(h, w) else (size, size)
    counts = [math.ceil((side + 2 * pad - k) / stride) + 1 for side, k in zip((h, w), size, strict=True)]
    if pad:
        counts = [c - 1 if (c - 1) * stride >= side + pad else c for c, side in zip(counts, (h, w), strict=True)]
    rows = []
    for i in range(counts[0]):
        row = []
        for j in range(counts[1]):
            top, left = max(i * stride - pad, 0), max(j * stride - pad, 0)
            part = x[:, :, top : i * stride - pad + size[0], left : j * stride - pad + size[1]]
            row.append(part.mean((2, 3)) if average else part.amax((2, 3)))
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


def _inner_product(given: Any, weights: Any, settings: Any) -> Any:
    x = given[0].flatten(1) @ weights[0].T
    return x + weights[1] if len(weights) > 1 else x


LAYERS = {
    "Convolution": _convolution,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "Pooling": _pooling,
    "InnerProduct": _inner_product,
    "ReLU": lambda given, weights, settings: given[0].clamp(min=0),
    "Eltwise": lambda given, weights, settings: given[0] + given[1],
    "Softmax": lambda given, weights, settings: given[0].softmax(1),
}
