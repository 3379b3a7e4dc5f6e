"""Chances: how a printed number would vary if other images had been wrong, or if the same came in another order.

Two models. Independent errors: each image of each epoch is right with that epoch's rate; it overstates what the best
epoch gains, for real epochs err on the same images. Other orders: the run's own predictions, the images in an order
drawn once and kept for all epochs; it keeps what the epochs share.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchsuite.stats.batch_averaging import KEPT, Tally, carried, numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchsuite.stats.accounting import EpochChoice


NEGLIGIBLE = 1e-6
"""Images that weigh less than this share of the heaviest have no chance of their own, only their mean."""


def independent(
    tally: Tally, rates: NDArray[np.float64], n: int, batch_size: int, *, draws: int, seed: int
) -> NDArray[np.float64]:
    """Passes over n images with independent errors. (e,) rates of right images -> (draws, e) numbers in 0..1."""
    import numpy as np

    rng, size = _generator(seed), (draws, len(rates))
    if tally.truncates:
        return _truncated(rng, rates, n, batch_size, size)
    weights, whole = tally.weights(n, batch_size)
    sums = np.zeros(size)
    for weight, images in zip(*np.unique(weights, return_counts=True), strict=True):
        few = weight < NEGLIGIBLE * weights.max()
        sums += weight * (images * rates if few else rng.binomial(images, rates, size=size))
    return (carried(sums, n // batch_size) if tally.carries else sums) / whole


def reordered(
    tally: Tally, correct: NDArray[np.bool_], batch_size: int, *, draws: int, seed: int
) -> NDArray[np.float64]:
    """The run's own passes in other orders, each kept for all epochs. (e, n) bool -> (draws, e) numbers in 0..1."""
    import numpy as np

    n = correct.shape[1]
    rng, images = _generator(seed), np.ascontiguousarray(correct.T)
    if tally.truncates:
        orders = (images[rng.permutation(n)].T for _ in range(draws))
        found = [numbers(tally, order, batch_size) for order in orders]
        return np.array([sums for sums, _ in found]) / found[0][1]
    weights, whole = tally.weights(n, batch_size)
    usual = np.median(weights)
    others = weights[np.abs(weights - usual) > NEGLIGIBLE * weights.max()] - usual
    sums = np.tile(usual * correct.sum(axis=1), (draws, 1)).astype(np.float64)
    for draw in range(draws if len(others) else 0):
        sums[draw] += others @ images[rng.choice(n, len(others), replace=False)]
    return (carried(sums, n // batch_size) if tally.carries else sums) / whole


def of_all_orders(tally: Tally, correct: NDArray[np.bool_], batch_size: int) -> tuple[float, float]:
    """Mean and standard deviation of the last pass over all orders of the images, in closed form. (e, n) bool.

    A weighted sum over a random order has the mean of the images times the sum of the weights, and the variance
    n^2 / (n - 1) x variance of the images x variance of the weights. Not for a tally that truncates.
    """
    import numpy as np

    assert not tally.truncates
    n = correct.shape[1]
    weights, whole = tally.weights(n, batch_size)
    image = correct[-1].astype(np.float64)
    if tally.carries:
        for back, older in enumerate(correct[-2::-1], 1):
            image += float(KEPT) ** (back * (n // batch_size)) * older
    variance = n * n / max(1, n - 1) * image.var() * weights.var()
    return float(image.mean() * weights.sum()) / whole, math.sqrt(variance) / whole


def chosen(choice: EpochChoice, values: NDArray[Any], heldout: NDArray[Any] | None = None) -> NDArray[Any]:
    """The number that each draw prints. (draws, e) -> (draws,)."""
    import numpy as np

    return np.take_along_axis(values, choice.pick(values, heldout)[..., None], axis=-1)[..., 0]


def epochs_for_even_odds(share: float) -> int | None:
    """Of how many independent epochs the best reaches, half of the time, what one reaches with this share; or None."""
    if share <= 0:
        return None
    return 1 if share >= 0.5 else math.ceil(math.log(0.5) / math.log1p(-share))


def _generator(seed: int) -> np.random.RandomState:
    """NumPy's own promise: what this one draws never changes. What ``default_rng`` draws changed with NumPy 2.5."""
    import numpy as np

    return np.random.RandomState(np.random.PCG64(seed))


def _truncated(
    rng: np.random.RandomState, rates: NDArray[np.float64], n: int, batch_size: int, size: tuple[int, int]
) -> NDArray[np.float64]:
    """How many batches have 0, 1, 2 ... hits is multinomial, and all that a truncated percentage depends on."""
    import numpy as np

    full, rest = divmod(n, batch_size)
    share = np.zeros((len(rates), batch_size + 1))
    share[:, 0] = 1
    for _ in range(batch_size):
        share[:, 1:] = share[:, 1:] * (1 - rates[:, None]) + share[:, :-1] * rates[:, None]
        share[:, 0] *= 1 - rates
    percent = 100 * np.arange(batch_size + 1) // batch_size
    share /= share.sum(axis=1, keepdims=True)
    sums = np.stack([rng.multinomial(full, each, size=size[0]) @ percent for each in share], axis=1)
    sums += 100 * rng.binomial(rest, rates, size=size) // batch_size
    return np.asarray(sums / (100 * (full + (rest > 0))))
