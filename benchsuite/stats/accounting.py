"""Accountings: how programs turn a training's passes over the test images into the one accuracy that they print.

The catalogue has every way that was found in publications.
An accounting is a tally, which computes one number for each pass, and a choice of the pass whose number is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from benchsuite.errors import unknown_name
from benchsuite.stats import batch_averaging
from benchsuite.stats.batch_averaging import KLACHKO, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SKIPPED = 11
"""Number of epochs that the condition "epoch > 10" skips when epochs are counted from 0."""

Pick = Callable[["NDArray[Any]", "NDArray[Any] | None"], "NDArray[np.int64]"]


@dataclass(frozen=True, slots=True)
class EpochChoice:
    """The rule for the printed epoch: ``pick(numbers (..., e), errors on held-out images (e,) or None) -> (...)``.

    ``pick`` returns epoch indices from 0. It needs at least ``epochs`` epochs, and held-out images if ``heldout``.
    """

    name: str
    note: str
    pick: Pick
    epochs: int = 2
    heldout: bool = False


@dataclass(frozen=True, slots=True)
class Accounting:
    """A tally and a choice of the epoch, under one name; a recipe names the accounting that its source used."""

    name: str
    note: str
    source: str
    tally: Tally
    choice: EpochChoice

    def applies(self, epochs: int, *, heldout: bool) -> bool:
        """Whether it is defined for that many epochs, with or without held-out images."""
        return epochs >= self.choice.epochs and (heldout or not self.choice.heldout)


def printed_accuracy(
    accounting: Accounting, correct: NDArray[np.bool_], batch_size: int, heldout: NDArray[Any] | None = None
) -> tuple[int, Fraction]:
    """The printed epoch, from 0, and its number in 0..1, for (e, n) bool in loader order and (e,) held-out errors."""
    sums, whole = batch_averaging.numbers(accounting.tally, correct, batch_size)
    epoch = int(accounting.choice.pick(sums, heldout))
    return epoch, Fraction(sums[epoch].item()) / whole


def find(name: str) -> Accounting:
    """The accounting of that name: one of ``CATALOGUE``, or ``padded-N`` for N processes. Raises ``UnknownName``."""
    head, _, world = name.partition("padded-")
    if not head and world.isdecimal() and int(world):
        return accounting(batch_averaging.padded(int(world)))
    if name not in CATALOGUE:
        raise unknown_name("accounting", name, CATALOGUE)
    return CATALOGUE[name]


def _last(numbers: NDArray[Any], heldout: NDArray[Any] | None) -> NDArray[np.int64]:
    import numpy as np

    return np.full(numbers.shape[:-1], numbers.shape[-1] - 1)


def _best(numbers: NDArray[Any], heldout: NDArray[Any] | None) -> NDArray[np.int64]:
    import numpy as np

    return np.asarray(numbers.argmax(axis=-1))


def _best_late(numbers: NDArray[Any], heldout: NDArray[Any] | None) -> NDArray[np.int64]:
    import numpy as np

    return np.asarray(SKIPPED + numbers[..., SKIPPED:].argmax(axis=-1))


def _lowest(numbers: NDArray[Any], heldout: NDArray[Any] | None) -> NDArray[np.int64]:
    import numpy as np

    return np.asarray(numbers.argmin(axis=-1))


def _best_heldout(numbers: NDArray[Any], heldout: NDArray[Any] | None) -> NDArray[np.int64]:
    import numpy as np

    assert heldout is not None
    return np.full(numbers.shape[:-1], heldout.argmin())


LAST = EpochChoice("last", "the last epoch", _last, epochs=1)
BEST = EpochChoice("best", "the epoch that is best on the test images", _best)
BEST_LATE = EpochChoice(
    "best-after-10", "the epoch that is best on the test images, of the 12th and later", _best_late, epochs=SKIPPED + 1
)
LOWEST = EpochChoice("lowest", "the epoch with the LOWEST accuracy, compared as if it were an error", _lowest)
BEST_HELDOUT = EpochChoice("best-heldout", "the epoch that is best on held-out images", _best_heldout, heldout=True)


def accounting(tally: Tally, choice: EpochChoice = LAST, source: str = "") -> Accounting:
    """The accounting of a tally and a choice, named ``TALLY`` for the last epoch, else ``TALLY-CHOICE``."""
    if choice is LAST:
        return Accounting(tally.name, tally.note, source or tally.source, tally, choice)
    note = f"{choice.note}; counted as {tally.name}"
    return Accounting(f"{tally.name}-{choice.name}", note, source or tally.source, tally, choice)


_SEEN = (
    accounting(batch_averaging.EXACT),
    accounting(batch_averaging.EXACT, BEST_HELDOUT),
    accounting(batch_averaging.EXACT, BEST, "akamaster/pytorch_resnet_cifar10 trainer.py"),
    accounting(batch_averaging.EXACT, BEST_LATE, f"{KLACHKO}, where batches are equal"),
    accounting(batch_averaging.BATCH_MEAN),
    accounting(batch_averaging.BATCH_MEAN, LOWEST, "juefeix/lbcnn.torch main.lua"),
    accounting(batch_averaging.NOMINAL),
    accounting(batch_averaging.NOMINAL, BEST_LATE),
    accounting(batch_averaging.TRUNCATED),
    accounting(batch_averaging.TRUNCATED, BEST_LATE),
    accounting(batch_averaging.FULL_BATCHES),
    accounting(batch_averaging.FULL_BATCHES, BEST, "juefeix/pnn.pytorch main.py, smoothing off"),
    accounting(batch_averaging.SMOOTHED),
    accounting(batch_averaging.SMOOTHED, BEST, "juefeix/pnn.pytorch main.py"),
    accounting(batch_averaging.SMOOTHED, BEST_LATE, f"the choice of {KLACHKO}"),
    accounting(batch_averaging.SMOOTHED_RESET),
    accounting(batch_averaging.SMOOTHED_RESET, BEST, "juefeix/pnn.pytorch main.py, as its reset() was meant"),
    accounting(batch_averaging.TWO_BATCHES),
    accounting(batch_averaging.TWO_BATCHES, BEST),
    accounting(batch_averaging.padded(8)),
    accounting(batch_averaging.padded(64)),
)

CATALOGUE = {a.name: a for a in _SEEN}
"""Every accounting by its name, the exact one first."""
