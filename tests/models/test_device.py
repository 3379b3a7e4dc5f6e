"""Tests of devices by name."""

from __future__ import annotations

import pytest
import torch

from benchsuite import DataError
from benchsuite.models.device import hardware, own_device, pick_device


def test_the_device_is_there_or_refused_in_one_line() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in ("cpu", "cuda", "mps")
    for wrong in ("cuda:99", "toaster"):
        with pytest.raises(DataError, match=f"Expected --device to be auto or a device that exists, got {wrong}") as e:
            pick_device(wrong)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(("gpus", "expected"), [(4, "cuda:3"), (2, "cuda:1"), (1, "cuda:0")])
def test_processes_take_the_gpus_in_turn_however_few_there_are(
    monkeypatch: pytest.MonkeyPatch, gpus: int, expected: str
) -> None:
    """``--processes 4`` on one GPU, or a scheduler that shows each process only the GPU that is its own."""
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert own_device("cuda") == expected
    assert own_device("cuda:7") == "cuda:7"
    assert own_device("cpu") == "cpu"


def test_what_decides_the_last_bits_is_the_gpu_its_libraries_and_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware("cpu") == {"device": "cpu", "torch": torch.__version__}
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: {"cuda:1": "a GPU"}[device])
    monkeypatch.setattr("torch.backends.cudnn.version", lambda: 90100)
    known = {"device": "cuda", "torch": torch.__version__, "gpu": "a GPU", "cudnn": "90100"}
    assert hardware("cuda:1") == known
