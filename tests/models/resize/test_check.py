"""Tests of the check before the first use: a resize that is not the installed Pillow's is refused, with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import PIL
import pytest
import torch

from benchsuite.models.resize import check
from benchsuite.models.resize.check import difference, pillow

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    """Nothing is known from earlier checks, and nothing is left for later ones."""
    difference.cache_clear()
    pillow.cache_clear()
    yield
    difference.cache_clear()
    pillow.cache_clear()


def test_the_installed_pillow_is_followed() -> None:
    assert difference(CPU) == ""


def test_one_wrong_value_is_a_difference_with_the_filter_and_the_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    right = check.resized

    def wrong(pixels: Any, height: int, width: int, name: str, version: int) -> Any:
        found = right(pixels, height, width, name, version).clone()
        found[0, -1, -1, -1] += (name, height, width) == ("lanczos", 37, 50)
        return found

    monkeypatch.setattr(check, "resized", wrong)
    said = f"the device's resize has other bits than Pillow {PIL.__version__} here (lanczos from 27 x 20 to 50 x 37)"
    assert difference(CPU) == said


def test_the_order_of_another_version_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    other = "12.1.0" if pillow() >= 13 else "13.0.0"
    monkeypatch.setattr(PIL, "__version__", other)
    pillow.cache_clear()
    assert f"other bits than Pillow {other} here" in difference(CPU)


def test_a_device_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert difference(CPU) == ""
    monkeypatch.setattr(check, "resized", None)
    assert difference(CPU) == ""
