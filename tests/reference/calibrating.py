"""Reference implementation of calibration in plain Python: one image at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence


def expected_error(confidence: Sequence[float], right: Sequence[bool], bins: int) -> float:
    """The calibration error with bins of equal width; an image is in the first bin with upper border >= confidence."""
    contents: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    borders = [i / bins for i in range(1, bins)]
    for c, r in zip(confidence, right, strict=True):
        contents[sum(border < c for border in borders)].append((c, r))
    gaps = (abs(math.fsum(c for c, _ in b) / len(b) - sum(r for _, r in b) / len(b)) * len(b) for b in contents if b)
    return math.fsum(gaps) / len(confidence)


def brier(probabilities: Sequence[float], label: int) -> float:
    """The sum over classes of the squared difference between probability and truth (1 or 0)."""
    return math.fsum((p - (i == label)) ** 2 for i, p in enumerate(probabilities))


def log_loss(probability_true: Sequence[float]) -> float:
    """The mean negative logarithm; probabilities of 0 count as the smallest normal float."""
    return -math.fsum(math.log(max(p, 2.2250738585072014e-308)) for p in probability_true) / len(probability_true)
