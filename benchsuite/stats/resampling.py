"""Resampling: how a printed number would vary if other images were wrong, or if the images came in another order.

There are two models. Independent errors: each image of each epoch is right with that epoch's rate. This overstates the
gain of the best epoch, because real epochs err on the same images. Other orders: the run's own predictions with the
images in a random order, which is drawn once and used for all epochs. This keeps the correlation of the epochs.
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
"""Images that weigh less than this share of the largest weight are not drawn; their mean is used."""


def independent(
    tally: Tally, rates: NDArray[np.float64], n: int, batch_size: int, *, draws: int, seed: int
) -> NDArray[np.float64]:
    """Random passes over n images with independent errors. (e,) accuracies -> (draws, e) numbers in 0..1."""
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
    """The run's own passes in random orders, one for each draw. (e, n) bool -> (draws, e) numbers in 0..1."""
    import numpy as np

    n = correct.shape[1]
    rng, images = _generator(seed), np.ascontiguousarray(correct.T)
    if tally.truncates:
        orders = (images[rng.permutation(n)].T for _ in range(draws))
        passes = [numbers(tally, order, batch_size) for order in orders]
        return np.array([sums for sums, _ in passes]) / passes[0][1]
    weights, whole = tally.weights(n, batch_size)
    usual = np.median(weights)
    others = weights[np.abs(weights - usual) > NEGLIGIBLE * weights.max()] - usual
    sums = np.tile(usual * correct.sum(axis=1), (draws, 1)).astype(np.float64)
    for draw in range(draws if len(others) else 0):
        sums[draw] += others @ images[rng.choice(n, len(others), replace=False)]
    return (carried(sums, n // batch_size) if tally.carries else sums) / whole


def of_all_orders(tally: Tally, correct: NDArray[np.bool_], batch_size: int) -> tuple[float, float]:
    """Mean and standard deviation of the last pass's number over all orders of the images, exact. (e, n) bool.

    The weighted sum over a random order has this mean: mean of the images x sum of the weights. Its variance is
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
    """The number of the chosen epoch in each draw. (draws, e) -> (draws,)."""
    import numpy as np

    return np.take_along_axis(values, choice.pick(values, heldout)[..., None], axis=-1)[..., 0]


def epochs_for_even_odds(share: float) -> int | None:
    """The smallest number of independent epochs whose best reaches a value with a probability of at least 1/2.

    ``share`` is the probability that one epoch reaches it. Returns None if it is 0.
    """
    if share <= 0:
        return None
    return 1 if share >= 0.5 else math.ceil(math.log(0.5) / math.log1p(-share))


def _generator(seed: int) -> np.random.RandomState:
    """A generator whose draws NumPy promises never to change; those of ``default_rng`` changed with NumPy 2.5."""
    import numpy as np

    return np.random.RandomState(np.random.PCG64(seed))


def _truncated(
    rng: np.random.RandomState, rates: NDArray[np.float64], n: int, batch_size: int, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Random truncated passes: the numbers of batches with 0, 1, 2 ... hits are multinomial and decide the result."""
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
