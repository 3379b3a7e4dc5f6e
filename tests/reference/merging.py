"""Reference implementation of ``combine`` in pure Python: one sample at a time, with exact sums."""

from __future__ import annotations

import math
from collections.abc import Sequence

Row = Sequence[float]


def softmax(logits: Row) -> list[float]:
    """Softmax of one row."""
    top = max(logits)
    e = [math.exp(x - top) for x in logits]
    return [x / math.fsum(e) for x in e]


def weights(locations: Sequence[int], average: str) -> list[float]:
    """The weight of each view; the sum is 1."""
    counted = [1] * len(locations) if average == "equal" else list(locations)
    return [w / sum(counted) for w in counted]


def combine(logits: Sequence[Row], rule: str, space: str, average: str, locations: Sequence[int]) -> list[float]:
    """The score of each class from one sample's views. v rows of c logits -> c scores."""
    rows = [softmax(row) for row in logits] if space == "prob" else [list(row) for row in logits]
    columns = list(zip(*rows, strict=True))
    w = weights(locations, average)
    if rule == "max":
        return [max(column) for column in columns]
    if rule == "mean":
        return [math.fsum(p * x for p, x in zip(column, w, strict=True)) for column in columns]
    assert (rule, space) == ("geometric", "prob")
    products = [math.prod(p**x for p, x in zip(column, w, strict=True)) for column in columns]
    return [p / math.fsum(products) for p in products]
