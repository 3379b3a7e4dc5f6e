"""Tests of devices by name."""

from __future__ import annotations

import pytest

from benchsuite import DataError
from benchsuite.models.device import pick_device


def test_the_device_is_there_or_refused_in_one_line() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "cuda", "mps")
    for wrong in ("cuda:99", "toaster"):
        with pytest.raises(DataError, match=f"Expected --device to be auto or a device that exists, got {wrong}") as e:
            pick_device(wrong)
        assert "\n" not in str(e.value)
