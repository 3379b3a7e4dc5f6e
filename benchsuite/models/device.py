"""How a network is computed: the name of the device, the precision, and whether torch compiles it."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

from benchsuite.distributed import process_group
from benchsuite.errors import DataError, expected, first_line

_REASON = 120
"""Characters that are kept of torch's reason why a device is missing."""


@dataclass(frozen=True, slots=True)
class Compute:
    """How a network is computed. It affects the speed and the last digits of the logits."""

    device: str = "cpu"
    precision: str = "fp32"
    compiled: bool = False


def device_here(name: str) -> str:
    """The device of this process for ``--device NAME``, also for ``auto``. Raises ``DataError`` if it is missing."""
    return pick_device(own_device(pick_device(name)))


def own_device(device: str) -> str:
    """``cuda`` is the GPU with this process's local rank, counted round if there are fewer GPUs than processes.

    Other names, and ``cuda`` in a process that is alone, are returned unchanged.
    """
    import torch

    if device != "cuda" or not process_group.under_torchrun():
        return device
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % max(1, torch.cuda.device_count())}"


def hardware(device: str) -> dict[str, str]:
    """What decides the last bits of a forward pass: the kind of device and torch; on CUDA also the GPU and cuDNN."""
    import torch

    known = {"device": device.partition(":")[0], "torch": torch.__version__}
    if known["device"] == "cuda":
        known |= {"gpu": torch.cuda.get_device_name(device), "cudnn": str(torch.backends.cudnn.version())}
    return known


def pick_device(name: str) -> str:
    """``auto`` is CUDA where it works, else Apple's MPS, else the CPU. Raises ``DataError`` for a missing device."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = first_line(error).partition(". ")[0]  # torch lists every operator's backends after it
        got = f"{name}: {reason if len(reason) <= _REASON else reason[:_REASON] + '…'}"
        raise DataError(expected("--device", "auto or a device that exists", got)) from None
    return name


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory for reuse; otherwise new tensors of several MiB cost a page fault per 4 KiB.

    Changes no result. Does nothing with another C library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    trim_threshold, mmap_threshold, mmap_max = -1, -3, -4
    mallopt(mmap_threshold, 32 * 2**20)
    mallopt(mmap_max, 0)  # feature maps of the first layers at 640 pixels are larger than any threshold
    mallopt(trim_threshold, 2**31 - 1)
