"""What an evaluation needs of a network: a function from pixels to scores. Tests use one of five lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Protocol as Structural

from benchsuite.specs.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Finish = Callable[[], "tuple[NDArray[np.float32], int]"]
"""Waits for a submitted batch; returns its float32 (n, c) logits and the number of places behind each score."""

Start = Callable[["NDArray[np.uint8]", "NDArray[np.bool_]", View], Finish]
"""Submits a batch, with the arguments of ``Predict``, and returns before it is computed."""


class Predict(Structural):
    """The function that an evaluation calls to compute scores.

    ``predict(pixels, flips, view)``: uint8 (n, h, w, 3), bool (n,) and the view, whose own ``flip`` is
    ignored in favour of ``flips`` -> float32 (n, c) logits and the number of places that each score is a mean of (1 for
    a crop).
    """

    def __call__(
        self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_], view: View
    ) -> tuple[NDArray[np.float32], int]: ...
