"""The energy of pictures by spatial frequency: how much lies in each ring around the mean of the spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RadialEnergy:
    """How the energy of n pictures is spread over the rings, on average over the pictures, each with a total of 1.

    ``share[k]`` is the part in ring k, ``within[k]`` that in the rings up to k, as fractions. ``share_error`` and
    ``within_error`` are their standard errors, which are 0 for a single picture.
    """

    n: int
    share: tuple[float, ...]
    share_error: tuple[float, ...]
    within: tuple[float, ...]
    within_error: tuple[float, ...]

    def half(self) -> int:
        """The smallest radius within which at least half of the energy lies."""
        return next(k for k, part in enumerate(self.within) if part >= 0.5 or k == len(self.within) - 1)


@lru_cache(maxsize=64)
def rings(height: int, width: int) -> NDArray[np.int64]:
    """The ring of each frequency: int (height, width // 2 + 1), in the order of ``numpy.fft.rfft2``.

    Ring k holds the frequencies whose radius is above k - 1 and at most k, exactly; ring 0 is the mean. The radius is
    counted in waves per shorter side. So the rings up to k are what the protocol ``lowpass:r=k`` keeps.
    """
    import numpy as np

    short = min(height, width)
    rows = [min(i, height - i) * short * width for i in range(height)]
    columns = [j * short * height for j in range(width // 2 + 1)]
    # the radius times (height * width) is the root of a whole number
    return np.array([[_ring(a * a + b * b, height * width) for b in columns] for a in rows], dtype=np.int64)


def _ring(square: int, unit: int) -> int:
    """The least whole number k with k * unit >= sqrt(square)."""
    root = math.isqrt(square - 1) + 1 if square else 0
    return -(-root // unit)


def ring_energy(pictures: NDArray[Any]) -> NDArray[np.float64]:
    """The energy of each picture in each ring, summed over the channels: (n, c, h, w) -> (n, rings) float64.

    A row adds up to the sum of the squares of the picture (Parseval).
    """
    import numpy as np

    height, width = pictures.shape[-2:]
    spectrum = np.fft.rfft2(np.asarray(pictures, dtype=np.float64))
    energy = (spectrum.real**2 + spectrum.imag**2).sum(axis=1) / (height * width)
    energy[..., 1 : (width + 1) // 2] *= 2  # the other half of the spectrum mirrors these columns
    ring = rings(height, width)
    count = int(ring.max()) + 1
    place = ring.ravel() + count * np.arange(len(pictures))[:, None]
    total = np.bincount(place.ravel(), weights=energy.ravel(), minlength=count * len(pictures))
    return np.asarray(total.reshape(len(pictures), count))


def even_shares(height: int, width: int) -> tuple[float, ...]:
    """The share of each ring if every frequency has the same energy, as that of independent noise in each pixel."""
    import numpy as np

    ring, times = rings(height, width), np.full(width // 2 + 1, 2)
    times[0] = 1
    if width % 2 == 0:
        times[-1] = 1
    counts = np.bincount(ring.ravel(), weights=np.broadcast_to(times, ring.shape).ravel())
    return tuple((counts / counts.sum()).tolist())


def averaged(energies: NDArray[np.float64]) -> RadialEnergy | None:
    """The shares of each picture, averaged over the pictures: (n, rings) -> ``RadialEnergy``.

    Pictures without any energy have no shares and are left out. None if no picture has energy.
    """
    import numpy as np

    totals = energies.sum(axis=1)
    shares = energies[totals > 0] / totals[totals > 0, None]
    n = len(shares)
    if not n:
        return None
    within = shares.cumsum(axis=1)

    def columns(values: NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        spread = values.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else np.zeros(values.shape[1])
        return tuple(values.mean(axis=0).tolist()), tuple(spread.tolist())

    return RadialEnergy(n, *columns(shares), *columns(within))


def without_mean(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same energies, with none in ring 0: those of the pictures minus the mean of each channel."""
    import numpy as np

    kept = np.array(energies)
    kept[:, 0] = 0
    return kept


def padded(kernels: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Kernels (n, c, h, w) in the corner of a square of zeros: (n, c, side, side), or larger if a kernel is larger."""
    import numpy as np

    height, width = kernels.shape[-2:]
    square = max(side, height, width)
    whole = np.zeros((*kernels.shape[:2], square, square))
    whole[..., :height, :width] = kernels
    return whole
