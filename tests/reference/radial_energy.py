"""The energy by ring from the definition of the Fourier transform: loops over pixels and frequencies, no FFT."""

from __future__ import annotations

import cmath
import math
from typing import Any


def ring_energy(picture: Any) -> list[float]:
    """The energy of one picture (c, h, w) in each ring: frequencies whose radius is above k - 1 and at most k."""
    channels, height, width = len(picture), len(picture[0]), len(picture[0][0])
    short, energy = min(height, width), dict[int, float]()
    for i in range(height):
        for j in range(width):
            down, right = (i if 2 * i <= height else i - height), (j if 2 * j <= width else j - width)
            radius = math.hypot(down * short / height, right * short / width)
            ring = math.ceil(radius - 1e-9)
            for c in range(channels):
                total = 0j
                for y in range(height):
                    for x in range(width):
                        total += float(picture[c][y][x]) * cmath.exp(-2j * math.pi * (i * y / height + j * x / width))
                energy[ring] = energy.get(ring, 0.0) + abs(total) ** 2 / (height * width)
    return [energy.get(ring, 0.0) for ring in range(max(energy) + 1)]
