"""Calibration of probabilities: expected calibration error, log loss and Brier score, from a run's stored columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


BINS = 15
"""Bins of equal width, as in Guo et al., On calibration of modern neural networks, ICML 2017."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The images with a confidence in (low, high]: their number, their mean confidence, and how many are right."""

    low: float
    high: float
    n: int
    confidence: float
    right: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of one run. ``brier`` is None if the run did not store it; then only its bounds are known.

    ``ece`` is a fraction in 0..1, ``nll`` in nats, ``brier`` the mean over images of the sum over classes, in 0..2.
    """

    ece: float
    nll: float
    brier: float | None
    brier_low: float
    brier_high: float
    bins: tuple[Bin, ...]


def reliability(confidence: NDArray[Any], right: NDArray[Any], bins: int = BINS) -> tuple[Bin, ...]:
    """The bins of a reliability diagram that are not empty, from (n,) confidences in 0..1 and (n,) bool.

    A value on a border belongs to the lower bin. The diagram shows ``right / n`` against ``confidence``.
    """
    import numpy as np

    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence, side="left")
    n = np.bincount(place, minlength=bins)
    total = np.bincount(place, weights=confidence, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return tuple(
        Bin(float(edges[i]), float(edges[i + 1]), int(n[i]), float(total[i] / n[i]), int(hits[i]))
        for i in range(bins)
        if n[i]
    )


def expected_error(bins: tuple[Bin, ...]) -> float:
    """Expected calibration error: mean absolute difference of confidence and accuracy over bins, weighted by images.

    M. P. Naeini, G. F. Cooper and M. Hauskrecht, AAAI 2015.
    """
    n = sum(b.n for b in bins)
    return sum(abs(b.n * b.confidence - b.right) for b in bins) / n


def log_loss(probability_true: NDArray[Any]) -> float:
    """Mean negative logarithm of the true class's probability, in nats.

    A probability that float64 rounded to 0 counts as the smallest normal number: 708 nats, not infinity.
    """
    import numpy as np

    return float(-np.log(np.maximum(probability_true, np.finfo(np.float64).tiny)).mean())


def brier_bounds(
    best: NDArray[Any], right: NDArray[Any], true: NDArray[Any], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and highest possible Brier score of each image, from its top-k probabilities and its true class's.

    (n, k) best first, (n, k) bool that marks the true class, (n,) -> two (n,). The remaining probability belongs to the
    other classes. The score is lowest if it is spread evenly over them, and highest if it lies in as few of them as
    possible, since none can have more than the k-th best.
    """
    import numpy as np

    inside = right.any(axis=1)
    known = (best**2).sum(axis=1) + np.where(inside, 0.0, true**2) - 2 * true + 1
    rest = np.maximum(0.0, 1 - best.sum(axis=1) - np.where(inside, 0.0, true))
    others = np.maximum(classes - best.shape[1] - ~inside, 0)
    bound = best[:, -1]
    full = np.minimum(np.floor(rest / np.maximum(bound, np.finfo(np.float64).tiny)), others)
    most = full * bound**2 + np.maximum(0.0, rest - full * bound) ** 2
    return known + np.where(others > 0, rest**2 / np.maximum(others, 1), 0.0), known + np.where(others > 0, most, 0.0)


def calibration(columns: dict[str, Any], classes: int) -> Calibration:
    """The calibration of a run's predictions, from its columns by name; ``brier`` is used if it was stored."""
    bins = reliability(columns["probability5"][:, 0], columns["rank"] == 0)
    true = columns["probability_true"]
    if "brier" in columns:
        brier = float(columns["brier"].mean())
        low = high = brier
    else:
        right = columns["top5"] == columns["label"][:, None]
        low, high = (float(b.mean()) for b in brier_bounds(columns["probability5"], right, true, classes))
        brier = None
    return Calibration(expected_error(bins), log_loss(true), brier, low, high, bins)
