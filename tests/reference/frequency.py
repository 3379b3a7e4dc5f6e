"""Reference for low-pass and high-pass pictures: the Fourier transform by its sum over all pixels and frequencies."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def inside(row: int, column: int, height: int, width: int, r: Fraction, rule: str, unit: str = "pixels") -> bool:
    """Whether a frequency lies in the disc of radius ``r``, or on its circle with the rule ``le``; by exact fractions.

    Rows of the second half stand for negative frequencies. Distances are in waves per shorter side; with
    ``unit="fraction"``, ``r`` is in waves per pixel.
    """
    down = row if row <= height - row else row - height
    right = column if column <= width - column else column - width
    short = min(height, width)
    radius = r * short if unit == "fraction" else Fraction(r)
    squared = Fraction(down * short, height) ** 2 + Fraction(right * short, width) ** 2
    return squared <= radius**2 if rule == "le" else squared < radius**2


def places(height: int, width: int) -> Iterator[tuple[int, int]]:
    for row in range(height):
        for column in range(width):
            yield row, column


def transformed(channel: list[list[float]]) -> dict[tuple[int, int], complex]:
    """The coefficient of each frequency of a channel."""
    height, width = len(channel), len(channel[0])
    found = {}
    for u, v in places(height, width):
        total = 0j
        for i, j in places(height, width):
            total += channel[i][j] * cmath.exp(-2j * math.pi * (u * i / height + v * j / width))
        found[u, v] = total
    return found


def kept(channel: list[list[float]], frequencies: set[tuple[int, int]]) -> list[list[float]]:
    """The channel with these frequencies alone."""
    height, width = len(channel), len(channel[0])
    spectrum = transformed(channel)
    made = [[0.0] * width for _ in range(height)]
    for i, j in places(height, width):
        total = 0j
        for u, v in frequencies:
            total += spectrum[u, v] * cmath.exp(2j * math.pi * (u * i / height + v * j / width))
        made[i][j] = total.real / (height * width)
    return made


def filtered(
    picture: NDArray[np.float64], name: str, r: Fraction, *, rule: str, unit: str = "pixels", range: str = "none"
) -> NDArray[np.float64]:
    """(h, w, c) -> the same without the frequencies that ``name``, lowpass or highpass, takes out."""
    height, width, channels = picture.shape
    disc = {(u, v) for u, v in places(height, width) if inside(u, v, height, width, r, rule, unit)}
    wanted = disc if name == "lowpass" else {*places(height, width)} - disc
    made = np.empty(picture.shape)
    for c in np.arange(channels):
        made[:, :, c] = kept(picture[:, :, c].tolist(), wanted)
    largest = max(made.ravel().tolist())
    for place in np.ndindex(*made.shape):
        if range == "clip":
            made[place] = min(max(made[place], 0.0), 1.0)
        if range == "max" and largest > 0:
            made[place] /= largest
    return made
