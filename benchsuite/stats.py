"""Intervals for counts."""

from __future__ import annotations

import math
from statistics import NormalDist

from benchsuite.metrics import Count


def wilson(count: Count, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval for a proportion, without continuity correction, as two fractions in 0..1.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    n, p = count.total, count.hits / count.total
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if count.hits == 0 else max(0.0, middle - half)
    high = 1.0 if count.hits == count.total else min(1.0, middle + half)
    return low, high
