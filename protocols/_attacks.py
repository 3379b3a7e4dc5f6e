"""FGSM and PGD on batches, and the same in NumPy, one image at a time.

They are written here, not taken from a library: the random start of an image must depend on its id and not on its
batch, which no library offers, and captum takes gradients below 1e-6 for 0, as those of images that a network is sure
of often are. The tests compare both with captum's.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np


def fgsm(x: Any, batch: Any, *, eps: Fraction) -> Any:
    """float32 (n, 3, h, w) in [0, 1] -> the same, every pixel moved by ``eps`` along the sign of its gradient."""
    return (x + float(eps) * batch.gradient(x).sign()).clamp(0, 1)


def pgd(x: Any, batch: Any, *, eps: Fraction, steps: int, step: Fraction, start: str, seed: int) -> Any:
    """float32 (n, 3, h, w) in [0, 1] -> the same after ``steps`` steps along the sign, within ``eps`` of ``x``."""
    low, high = (x - float(eps)).clamp(min=0), (x + float(eps)).clamp(max=1)
    moved = x
    if start == "random":
        moved = (x + float(eps) * (2 * batch.uniform(seed, x) - 1)).clamp(low, high)
    for _ in range(steps):
        moved = (moved + float(step) * batch.gradient(moved).sign()).clamp(low, high)
    return moved


def fgsm_reference(x: Any, image: Any, *, eps: Fraction) -> Any:
    """The same for one image: (h, w, 3)."""
    return np.clip(x + float(eps) * np.sign(image.gradient(x)), 0, 1)


def pgd_reference(x: Any, image: Any, *, eps: Fraction, steps: int, step: Fraction, start: str, seed: int) -> Any:
    """The same for one image: (h, w, 3)."""
    low, high = np.maximum(x - float(eps), 0), np.minimum(x + float(eps), 1)
    moved = x
    if start == "random":
        moved = np.clip(x + float(eps) * (2 * image.uniform(seed, x.shape) - 1), low, high)
    for _ in range(steps):
        moved = np.clip(moved + float(step) * np.sign(image.gradient(moved)), low, high)
    return moved
