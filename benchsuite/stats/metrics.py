"""Counts of errors as integers. Ratios are exact fractions; ``stats.digits`` rounds them for people."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BenchsuiteError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Count:
    """``hits`` of ``total``, as integers."""

    hits: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.total or self.total < 1:
            raise ValueError(f"Expected 0 <= hits <= total and total >= 1, got {self.hits} of {self.total}")

    @property
    def ratio(self) -> Fraction:
        """Hits / total, exactly."""
        return Fraction(self.hits, self.total)


def ranks(scores: NDArray[Any], labels: NDArray[Any], *, best: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """The rank of the true class, 0 for the best. (n, c) float, (n,) int -> (n,) int.

    Ties: among equal scores the lowest class index comes first, as in ``numpy.argmax``. ``best`` is ``top`` of the same
    scores, if it is known, and saves time. Raises ``BenchsuiteError`` for a score that is not finite.
    """
    import numpy as np

    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise BenchsuiteError(f"Expected scores to be finite, got {scores[row, column]} (row {row} of {len(scores)})")
    if best is not None:
        known = best == labels[:, None]
        rank, rest = np.asarray(known.argmax(axis=1), dtype=np.int64), ~known.any(axis=1)
        rank[rest] = ranks(scores[rest], labels[rest])
        return rank
    true = np.take_along_axis(scores, labels[:, None], axis=1)
    before = (scores > true) | ((scores == true) & (np.arange(scores.shape[1]) < labels[:, None]))
    return np.asarray(before.sum(axis=1, dtype=np.int64))


def top(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    """The k best classes of each row, best first; ties: lowest index first. (n, c) finite -> (n, min(k, c)) int."""
    import numpy as np

    left, rows = np.array(scores, dtype=np.float64), np.arange(len(scores))
    best = np.empty((len(scores), min(k, scores.shape[1])), dtype=np.int64)
    for place in range(best.shape[1]):
        best[:, place] = left.argmax(axis=1)
        left[rows, best[:, place]] = -np.inf
    return best


def errors_at(rank: NDArray[Any], k: int) -> Count:
    """How many of n samples do not have their true class among the k best: the top-k errors. (n,) int -> Count."""
    return Count(int((rank >= k).sum()), len(rank))


def margins(
    scores: NDArray[Any], labels: NDArray[Any], k: int, *, best: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """The margin of each top-k decision. (n, c), (n,) -> (n,) float; infinite for at most k classes.

    It is the true class's score minus the k-th best score of the other classes: above 0 is a hit. ``best`` is
    ``top(scores, more than k)``, if it is known, and saves time.
    """
    import numpy as np

    if scores.shape[1] <= k:
        return np.full(len(scores), np.inf)
    first = top(scores, k + 1) if best is None else best
    place = k - 1 + (first[:, :k] == labels[:, None]).any(axis=1)
    rows = np.arange(len(scores))
    return np.asarray(np.subtract(scores[rows, labels], scores[rows, first[rows, place]], dtype=np.float64))
