"""Where the time of a pass went."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Seconds:
    """Where the time of a pass went, in seconds; ``images`` is the number of images that were computed.

    ``decode`` and ``resize`` are summed over workers, the rest is wall clock. ``prepare`` is the time in which the host
    makes batches of images and copies them to where the device reads them; it is not in ``forward``.
    """

    decode: float = 0.0
    wait: float = 0.0
    resize: float = 0.0
    prepare: float = 0.0
    forward: float = 0.0
    total: float = 0.0
    images: int = 0

    def lap(self, since: float) -> float:
        """Adds the time since ``since`` to ``total``; returns the time now, when the next lap begins."""
        now = time.perf_counter()
        self.total += now - since
        return now

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))
