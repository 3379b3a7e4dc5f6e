"""``noise``: Gaussian noise on every pixel."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from benchsuite import BadParameter, Perturbation, Protocol, expected, hookimpl, perturbing


def gaussian(*, std: Fraction = Fraction(1, 10), seed: int = 0) -> Perturbation:
    """Adds noise of standard deviation ``std``, a part of the pixels' range, and cuts pixels off at 0 and 1.

    The numbers of an image depend on its id and ``seed`` alone, and are the same for every ``std``. Raises
    ``BadParameter`` for a ``std`` below 0 or above 1.
    """
    if not 0 <= std <= 1:
        raise BadParameter(expected("std of noise", "from 0 to 1, such as 0.1", std))
    parameters = (("std", std), ("seed", seed))
    return Perturbation("noise", add_noise, parameters, "ids", reference=add_noise_reference)


def add_noise(x: Any, batch: Any, *, std: Fraction, seed: int) -> Any:
    """float32 (n, 3, h, w) in [0, 1] -> the same with noise."""
    return (x + float(std) * batch.normal(seed, x)).clamp(0, 1)


def add_noise_reference(x: Any, image: Any, *, std: Fraction, seed: int) -> Any:
    """The same in NumPy for one image: (h, w, 3)."""
    return (x + float(std) * image.normal(seed, x.shape)).clip(0, 1)


NOISE = perturbing(
    "noise",
    gaussian,
    note="Gaussian noise of the standard deviation std on pixels in [0, 1], which are cut off at 0 and 1. It has as "
    "much energy at high frequencies as at low ones. The numbers depend on the id of the image and the seed alone.",
    source="A convention, no published test",
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``noise``."""
    return (NOISE,)
