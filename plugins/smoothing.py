"""``smooth``: first-layer kernels with their high frequencies damped, as in the experiments of HFC."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from benchsuite import BadParameter, Transform, expected, hookimpl


def smooth(module: Any, image: Any, *, rho: Fraction = Fraction(1)) -> None:
    """Adds to each weight of the first convolution ``rho`` times the sum of its 8 neighbours in the kernel."""
    from benchsuite.plugins._smoothing_kernels import smooth_first

    smooth_first(module, image, float(rho))


def check(parameters: Mapping[str, Any]) -> None:
    """Raises ``BadParameter`` for ``rho`` below 0."""
    if parameters["rho"] < 0:
        raise BadParameter(expected("rho of smooth", "0 or more", parameters["rho"]))


SMOOTH = Transform(
    "smooth",
    smooth,
    note=(
        "Each weight of the first convolution plus rho times the sum of its 8 neighbours in the kernel. Weights at the "
        "edge are repeated outside, and nothing is normalised: a constant kernel grows by 1 + 8 rho. Nothing is "
        "trained afterwards, and batch normalisations keep their statistics. The article's figures use rho=1. The "
        "code's 3x3 mask, 1 in the middle and rho elsewhere, is the same rule. The port in its "
        "pytorch_implementation.zip is not: it blurs the same kernels over their output and input channels, not over "
        "space. The first convolution is the first one that is computed for an image."
    ),
    source="Wang et al. 2020 (arXiv:1905.13545), and HaohanWang/HFC",
    check=check,
)


@hookimpl
def benchsuite_transforms() -> tuple[Transform, ...]:
    """``smooth``."""
    return (SMOOTH,)
