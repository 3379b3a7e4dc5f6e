"""Fixtures of the tests in this folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with nine pictures of different sizes in two class folders."""
    chance = np.random.default_rng(0)
    for i in range(9):
        folder = tmp_path / "data" / ("cat" if i % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 256, (3 + 7 * i, 50 - 5 * i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "data"
