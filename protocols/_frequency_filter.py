"""The filters of ``lowpass`` and ``highpass`` on the device, and the same in NumPy, one image at a time."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np


def lowpass(x: Any, batch: Any, *, r: Fraction, unit: str, rule: str, range: str) -> Any:
    """float32 (n, c, h, w) without its frequencies outside the disc. ``batch`` is not used."""
    return _ranged(_low(x, r, unit, rule), range)


def highpass(x: Any, batch: Any, *, r: Fraction, unit: str, rule: str, range: str) -> Any:
    """float32 (n, c, h, w) without its frequencies inside the disc. ``batch`` is not used."""
    x = x.contiguous()  # the layout of the filtered part
    return _ranged(x - _low(x, r, unit, rule), range)


def _low(x: Any, r: Fraction, unit: str, rule: str) -> Any:
    """The part inside the disc. Only the columns of the spectrum that the disc reaches are transformed."""
    import torch

    height, width = x.shape[-2:]
    mask = _mask(height, width, r, unit, rule, x.device)
    columns = mask.shape[1]
    if not columns:
        return torch.zeros_like(x)
    z = torch.fft.fft(torch.fft.rfft(x.contiguous())[..., :columns], dim=-2) * mask
    return torch.fft.irfft(torch.fft.ifft(z, dim=-2), n=width)


@lru_cache(maxsize=512)
def _mask(height: int, width: int, r: Fraction, unit: str, rule: str, device: Any) -> Any:
    """The columns of ``disc`` that it reaches, as float32 0 and 1 on the device."""
    import torch

    inside = disc(height, width, r, unit, rule)
    with torch.inference_mode(False):
        return torch.from_numpy(inside[:, : int(inside.any(0).sum())]).to(device, torch.float32)


@lru_cache(maxsize=512)
def disc(height: int, width: int, r: Fraction, unit: str, rule: str) -> np.ndarray[Any, Any]:
    """Which frequencies are inside the disc: bool (height, width // 2 + 1), in the order of ``numpy.fft.rfft2``.

    The distance of a frequency from the mean is counted in waves per shorter side, exactly: frequencies on the circle
    are inside with the rule ``le`` and outside with ``lt``.
    """
    short = min(height, width)
    radius = r * short if unit == "fraction" else r
    rows = np.minimum(np.arange(height), height - np.arange(height))
    columns = np.arange(width // 2 + 1)
    # distance^2 = (i * short / height)^2 + (j * short / width)^2, times (height * width)^2: whole numbers
    kind: Any = np.int64 if (short * height * width) ** 2 < 2**62 else object
    down, right = rows.astype(kind) * (short * width), columns.astype(kind) * (short * height)
    squares = down[:, None] ** 2 + right[None, :] ** 2
    bound = (radius * height * width) ** 2
    most = math.floor(bound) if rule == "le" else math.ceil(bound) - 1
    return np.asarray(squares <= most, dtype=bool)


def _ranged(x: Any, range: str) -> Any:
    """Pixels brought into their range: unchanged, cut off at 0 and 1, or divided by the picture's largest value."""
    if range == "clip":
        return x.clamp(0, 1)
    if range == "max":
        largest = x.flatten(1).amax(1).view(-1, 1, 1, 1)
        return x / largest.where(largest > 0, largest.new_ones(()))
    return x


def lowpass_reference(x: Any, image: Any, *, r: Fraction, unit: str, rule: str, range: str) -> Any:
    """The same in NumPy, by the full complex transform: float64 (h, w, c). ``image`` is not used."""
    return _ranged_reference(_low_reference(x, r, unit, rule), range)


def highpass_reference(x: Any, image: Any, *, r: Fraction, unit: str, rule: str, range: str) -> Any:
    """The same in NumPy: the transform outside the disc."""
    return _ranged_reference(x - _low_reference(x, r, unit, rule), range)


def _low_reference(x: Any, r: Fraction, unit: str, rule: str) -> Any:
    height, width = x.shape[:2]
    half = disc(height, width, r, unit, rule)
    whole = np.concatenate([half, half[:, 1 : (width + 1) // 2][:, ::-1]], axis=1)  # symmetric: rows by construction
    return np.fft.ifft2(np.fft.fft2(x, axes=(0, 1)) * whole[:, :, None], axes=(0, 1)).real


def _ranged_reference(x: Any, range: str) -> Any:
    if range == "clip":
        return np.clip(x, 0, 1)
    return x / x.max() if range == "max" and x.max() > 0 else x
