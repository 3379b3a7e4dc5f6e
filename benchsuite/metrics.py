"""Counting: integers only. Ratios are fractions; digits are made in ``tables``."""

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


def ranks(scores: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.int64]:
    """The place of the true class, 0 for the best. (n, c) float, (n,) int -> (n,) int.

    The tie rule: among equal scores the lowest class index comes first, as in ``numpy.argmax``.
    Raises ``BenchsuiteError`` for a score that is not finite.
    """
    import numpy as np

    if not np.isfinite(scores).all():
        row, column = np.argwhere(~np.isfinite(scores))[0]
        raise BenchsuiteError(f"Expected scores to be finite, got {scores[row, column]} (row {row} of {len(scores)})")
    true = np.take_along_axis(scores, labels[:, None], axis=1)
    index = np.arange(scores.shape[1])
    before = (scores > true) | ((scores == true) & (index < labels[:, None]))
    return np.asarray(before.sum(axis=1, dtype=np.int64))


def top(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    """The k best classes of each row, best first, ties by the lowest index. (n, c) -> (n, min(k, c)) int."""
    import numpy as np

    return np.asarray(np.argsort(-scores, axis=1, kind="stable")[:, :k], dtype=np.int64)


def errors_at(rank: NDArray[Any], k: int) -> Count:
    """How many of n samples do not have their true class among the k best. (n,) int -> Count."""
    return Count(int((rank >= k).sum()), len(rank))


def margins(scores: NDArray[Any], labels: NDArray[Any], k: int) -> NDArray[np.float64]:
    """How far each decision at k is from flipping. (n, c), (n,) -> (n,) float, infinite where it cannot flip.

    It is the distance of the true class's score from the k-th best of the other classes: above 0 it is a hit.
    """
    import numpy as np

    if scores.shape[1] <= k:
        return np.full(len(scores), np.inf)
    others = np.array(scores, dtype=np.float64)
    true = np.take_along_axis(others, labels[:, None], axis=1)[:, 0]
    np.put_along_axis(others, labels[:, None], -np.inf, axis=1)
    bound = -np.partition(-others, k - 1, axis=1)[:, k - 1]
    return np.asarray(true - bound)
