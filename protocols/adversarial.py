"""``fgsm`` and ``pgd``: pictures changed within a bound so that the network's loss grows."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from benchsuite import BadParameter, Perturbation, Protocol, expected, hookimpl, perturbing

Begin = Literal["random", "zero"]

_ATTACKS = "benchsuite.protocols._attacks"


def fast_gradient_sign(*, eps: Fraction = Fraction(8, 255)) -> Perturbation:
    """Moves every pixel by ``eps`` in the direction in which the loss grows, within [0, 1].

    ``eps`` is a part of the range of the pixels, such as 8/255. Raises ``BadParameter`` unless 0 < eps <= 1.
    """
    _check(eps, "fgsm")
    return Perturbation("fgsm", f"{_ATTACKS}:fgsm", (("eps", eps),), "gradient", reference=f"{_ATTACKS}:fgsm_reference")


def projected_gradient(
    *,
    eps: Fraction = Fraction(8, 255),
    steps: int = 10,
    step: Fraction | None = None,
    start: Begin = "random",
    seed: int = 0,
) -> Perturbation:
    """Repeats steps of ``fgsm`` of the size ``step``; after each, pixels are brought back to within ``eps`` and [0, 1].

    ``step`` is a quarter of ``eps`` by default. ``start`` is the picture plus a uniform random number within ``eps``
    for every pixel, drawn from ``seed`` and the image's id, or the picture itself. Raises ``BadParameter`` for values
    that do not fit.
    """
    _check(eps, "pgd")
    step = eps / 4 if step is None else step
    if not 0 < step <= 1:
        raise BadParameter(expected("step of pgd", "above 0 and at most 1, such as 2/255", step))
    if steps < 1:
        raise BadParameter(expected("steps of pgd", "at least 1", steps))
    parameters = (("eps", eps), ("steps", steps), ("step", step), ("start", start), ("seed", seed))
    return Perturbation("pgd", f"{_ATTACKS}:pgd", parameters, "gradient", reference=f"{_ATTACKS}:pgd_reference")


def _check(eps: Fraction, name: str) -> None:
    if not 0 < eps <= 1:
        rule = "a part of the pixels' range, above 0 and at most 1, such as 8/255"
        raise BadParameter(expected(f"eps of {name}", rule, eps))


_NOTE = (
    "An attack on the network as it is, with the true labels: pixels in [0, 1], distance L-infinity, loss "
    "cross-entropy of each view alone. It is computed in float32, and the same protocol without the attack is run with "
    "it. An error under attack is a lower bound: a stronger attack may find more. Images whose gradient is zero "
    "everywhere are counted; they say nothing about robustness."
)

FGSM = perturbing(
    "fgsm",
    fast_gradient_sign,
    note="Every pixel moved by eps in the direction in which the network's loss grows. " + _NOTE,
    source="Goodfellow et al. 2015 (arXiv:1412.6572)",
)
PGD = perturbing(
    "pgd",
    projected_gradient,
    note="Small steps of fgsm, each brought back to within eps of the picture. "
    + _NOTE
    + " The code of HFC uses steps=10, step=0.003, start=zero for eps=0.03; step=eps/4 is a convention.",
    source="Madry et al. 2018 (arXiv:1706.06083); HaohanWang/HFC",
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``fgsm`` and ``pgd``."""
    return FGSM, PGD
