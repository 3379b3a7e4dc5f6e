"""Smoothed kernels by plain loops over every weight."""

from __future__ import annotations

import numpy as np


def smoothed(kernels, rho):
    """Each weight plus rho times the sum of its 8 neighbours. float32 (outputs, inputs, h, w) -> the same.

    A neighbour outside the kernel is the nearest weight inside. Wang et al. 2020 (arXiv:1905.13545), and
    HaohanWang/HFC.
    """
    outputs, inputs, height, width = kernels.shape
    result = np.zeros(kernels.shape, dtype=np.float32)
    for o in range(outputs):
        for i in range(inputs):
            for row in range(height):
                for column in range(width):
                    around = 0.0
                    for down in (-1, 0, 1):
                        for right in (-1, 0, 1):
                            if down != 0 or right != 0:
                                r = min(max(row + down, 0), height - 1)
                                c = min(max(column + right, 0), width - 1)
                                around += float(kernels[o, i, r, c])
                    result[o, i, row, column] = float(kernels[o, i, row, column]) + rho * around
    return result
