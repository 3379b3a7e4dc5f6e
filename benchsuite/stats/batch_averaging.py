"""Tallies: every way found in publications to compute one number from one pass over the test images.

Every tally but one is a weighted sum over the images in loader order, so its weights define it completely: bias, noise
and closed forms follow from them. Ratios are exact; smoothed numbers are floats, as in the program that printed them.
Accuracies are in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BadParameter, expected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


KEPT = Fraction(7, 10)
"""The weight of the old value in the smoothed accuracy of PNN at each batch; the batch has the rest, 3/10."""

Weights = Callable[[int, int], "tuple[NDArray[Any], int]"]


@dataclass(frozen=True, slots=True)
class Tally:
    """How one number is computed from one pass.

    ``weights(n, batch_size)`` returns the weights of the n images in loader order and their denominator: (n,) integers
    over a common denominator, or (n,) floats over 1. ``carries``: the number of the previous pass stays in the sum, as
    if it were an older batch. ``truncates``: the percentage of each batch is truncated to an integer; ``weights`` are
    those without truncation.
    """

    name: str
    note: str
    source: str
    weights: Weights
    carries: bool = False
    truncates: bool = False


def numbers(tally: Tally, correct: NDArray[np.bool_], batch_size: int) -> tuple[NDArray[Any], int]:
    """The number of each pass over a common denominator. (e, n) bool in loader order -> (e,) int or float, int.

    Ratios of integers stay integers, so passes with the same images right have exactly equal numbers.
    """
    import numpy as np

    n = correct.shape[1]
    if tally.truncates:
        full, rest = divmod(n, batch_size)
        hits = correct[:, : n - rest].reshape(len(correct), full, batch_size).sum(axis=2, dtype=np.int32)
        sums = (100 * hits // batch_size).sum(axis=1, dtype=np.int64)
        return sums + 100 * correct[:, n - rest :].sum(axis=1) // batch_size, 100 * (full + (rest > 0))
    weights, whole = tally.weights(n, batch_size)
    sums = np.asarray(correct @ weights)
    return (carried(sums, n // batch_size) if tally.carries else sums), whole


def carried(sums: NDArray[Any], batches: int) -> NDArray[np.float64]:
    """Smoothed passes that each start at 0 -> the same passes, each continued from the last. (..., e) -> (..., e)."""
    import numpy as np

    kept, whole = float(KEPT) ** batches, np.array(sums, dtype=np.float64)
    for epoch in range(1, whole.shape[-1]):
        whole[..., epoch] += kept * whole[..., epoch - 1]
    return whole


def ratios(tally: Tally, correct: NDArray[np.bool_], batch_size: int) -> list[Fraction]:
    """The number of each pass as a fraction in 0..1. (e, n) bool -> e fractions."""
    sums, whole = numbers(tally, correct, batch_size)
    return [Fraction(value) / whole for value in sums.tolist()]


def effective_images(tally: Tally, n: int, batch_size: int) -> float:
    """The number of images whose plain mean is as noisy: (sum of weights)^2 / sum of squares; 0 if none counts."""
    weights, _ = tally.weights(n, batch_size)
    squares = float((weights * weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def effective_batches(kept: Fraction = KEPT) -> Fraction:
    """The number of batches whose mean is as noisy as the smoothed value after infinitely many batches.

    It is (1 + kept) / (1 - kept): 17/3 for 0.7.
    """
    return (1 + kept) / (1 - kept)


def standard_error(tally: Tally, rate: float, n: int, batch_size: int) -> float:
    """The standard deviation of one pass if images are right independently with this rate, without a carried value."""
    weights, whole = tally.weights(n, batch_size)
    return math.sqrt(rate * (1 - rate) * float((weights * weights).sum())) / whole


def _even(n: int, batch_size: int) -> tuple[NDArray[Any], int]:
    import numpy as np

    return np.ones(n, dtype=np.int64), n


def _per_batch(n: int, batch_size: int) -> tuple[NDArray[Any], int]:
    import numpy as np

    size, rest = np.full(n, batch_size), n % batch_size
    size[n - rest :] = rest
    common = math.lcm(batch_size, rest or batch_size)
    return common // size, common * math.ceil(n / batch_size)


def _nominal(n: int, batch_size: int) -> tuple[NDArray[Any], int]:
    return _even(n, batch_size)[0], batch_size * math.ceil(n / batch_size)


def _full(n: int, batch_size: int) -> tuple[NDArray[Any], int]:
    """Counts full batches only. Without a full batch all weights are 0: the source's monitor keeps its initial 0."""
    import numpy as np

    counted = n - n % batch_size
    return (np.arange(n) < counted).astype(np.int64), counted or 1


def _smoothed(n: int, batch_size: int) -> tuple[NDArray[Any], int]:
    import numpy as np

    age = n // batch_size - 1 - np.arange(n) // batch_size
    weights = float(1 - KEPT) * float(KEPT) ** np.maximum(age, 0) / batch_size
    return np.where(age < 0, 0.0, weights), 1


def _two_batches(n: int, batch_size: int) -> tuple[NDArray[Any], int]:
    import numpy as np

    age = n // batch_size - 1 - np.arange(n) // batch_size
    shares = [int(10 * (1 - KEPT)), int(10 * KEPT)]
    return np.select([age == 0, age == 1], shares, 0), 10 * batch_size


def _padded(n: int, batch_size: int, *, world: int) -> tuple[NDArray[Any], int]:
    import numpy as np

    total = world * math.ceil(n / world)
    times, more = divmod(total, n)
    return times + (np.arange(n) < more).astype(np.int64), total


PNN = "juefeix/pnn.pytorch plugins/monitor.py"
KLACHKO = "michaelklachko/pnn.pytorch main.py"

EXACT = Tally("exact", "right images / images, over the whole split", "the rule of this suite", _even)
BATCH_MEAN = Tally(
    "batch-mean",
    "plain mean of the batches: a short last one weighs as a full one",
    "juefeix/lbcnn.torch train.lua",
    _per_batch,
)
NOMINAL = Tally("nominal", "each batch divided by the nominal size: a short last one reads low", KLACHKO, _nominal)
TRUNCATED = Tally(
    "truncated",
    "as nominal, and each batch's percentage cut to a whole number: integers before torch 1.3",
    f"{KLACHKO}; derived, not run",
    _nominal,
    truncates=True,
)
FULL_BATCHES = Tally("full-batches", "a last batch that is not full is left out", f"{PNN}, smoothing off", _full)
SMOOTHED = Tally(
    "smoothed",
    "0.7 x smoothed value + 0.3 x each full batch, the last one; 0 at first, reset() resets nothing",
    PNN,
    _smoothed,
    carries=True,
)
SMOOTHED_RESET = Tally(
    "smoothed-reset", "as smoothed, but 0 before every epoch", f"{PNN}, as its reset() was meant", _smoothed
)
TWO_BATCHES = Tally(
    "two-batches",
    "0.7 x the full batch before the last + 0.3 x the last: the README's words, not the code",
    "michaelklachko/pnn.pytorch README.md",
    _two_batches,
)


def padded(world: int) -> Tally:
    """The tally of a split that is padded to a multiple of ``world`` with its first images, as in DistributedSampler.

    With p = -n mod world repeated images it is off by p / (n + p) x (their accuracy - the accuracy of all), if world
    is at most n. Raises ``BadParameter`` for ``world`` below 1.
    """
    if world < 1:
        raise BadParameter(expected("the number of processes", "at least 1", world))
    note = f"the first p = -n mod {world} images count twice: off by p / (n + p) x their lead over all"
    return Tally(f"padded-{world}", note, "torch.utils.data.DistributedSampler", partial(_padded, world=world))
