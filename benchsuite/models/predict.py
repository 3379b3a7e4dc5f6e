"""What an evaluation needs of a network: a function from pixels to scores. Tests use one of five lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from typing import Protocol as Structural

from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Places: TypeAlias = "int | NDArray[np.int64]"
"""The number of places that each score is a mean of: 1 for a crop.

For an attacked view, (n,) int64: 1, or 0 if the gradient of an image's loss vanishes, so that the attack says nothing.
"""

Finish = Callable[[], "tuple[NDArray[np.float32], Places]"]
"""Waits for a submitted batch; returns its float32 (n, c) logits and the number of places behind each score."""

Start = Callable[..., Finish]
"""Submits a batch, with the arguments of ``Predict``, and returns before it is computed."""


Buffer = Callable[[tuple[int, ...]], "NDArray[np.uint8]"]
"""An array of this shape to fill with the pixels of the next batch, from where the device reads them. It is used again
after two more have been asked for."""


class Resizer(Structural):
    """Resizes images and cuts their views on the device of a network: ``models.resize.DeviceViews``.

    ``image`` takes a decoded image in the thread that read it; None if the host is to resize it. ``stacked`` makes the
    pixels of a batch, of what its ``scaled(...).cut(...)`` returned and of arrays. ``on_device`` and ``on_host`` count
    images by where they are resized; ``refused`` says why the host resizes all of them, if it does.
    """

    on_device: int
    on_host: int
    refused: str

    def image(self, image: Any, scales: Sequence[tuple[View, int, int]], seen: int) -> Any: ...

    def stacked(self, parts: Sequence[Any]) -> Any: ...


class Predict(Structural):
    """The function that an evaluation calls to compute scores.

    ``predict(pixels, flips, view)``: uint8 (n, h, w, 3), bool (n,) and the view, whose own ``flip`` is
    ignored in favour of ``flips`` -> float32 (n, c) logits and the ``Places``. If the view has a perturbation, the
    samples of the batch follow as a fourth argument.
    """

    def __call__(
        self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_], view: View, samples: Sequence[Sample] = ...
    ) -> tuple[NDArray[np.float32], Places]: ...
