"""Reference for score maps: every window of a feature map is cut out and passed to the head alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch


def score_map(features: Any, head: Callable[[Any], Any], window: tuple[int, int]) -> Any:
    """(k, h, w) and a head that takes (1, k, *window) -> (positions, c), row by row."""
    _, high, wide = features.shape
    scores = []
    for top in range(high - window[0] + 1):
        for left in range(wide - window[1] + 1):
            one = features[:, top : top + window[0], left : left + window[1]]
            scores.append(head(one[None].clone())[0])
    return torch.stack(scores)


def averaged(linear: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A head that averages its window, cell by cell in float64, and then applies ``linear`` to (1, k)."""

    def head(window: Any) -> Any:
        _, _, high, wide = window.shape
        total = sum(window[:, :, i, j].double() for i in range(high) for j in range(wide))
        return linear((total / (high * wide)).float())

    return head


def over_places(scores: Any, spatial: str) -> list[float]:
    """One score per class from the (positions, c) scores of one image, in plain Python."""
    rows = scores.double().tolist()
    columns = list(zip(*rows, strict=True))
    if spatial == "mean":
        return [sum(c) / len(c) for c in columns]
    if spatial == "avgmax":
        return [0.5 * (sum(c) / len(c) + max(c)) for c in columns]
    assert spatial == "prob"
    shares = []
    for row in rows:
        weights = [math.exp(v - max(row)) for v in row]
        shares.append([w / sum(weights) for w in weights])
    return [math.log(sum(c) / len(c)) for c in zip(*shares, strict=True)]
