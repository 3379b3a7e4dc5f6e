"""Which device computes: chosen by name, or the first that is there."""

from __future__ import annotations

import ctypes
import os

import torch

from benchsuite.distributed.process_group import asked
from benchsuite.errors import DataError, expected, first_line


def device_here(asked: str) -> str:
    """The device of this process for what a user asked, ``auto`` too. Raises for one that is not there."""
    pass

    return pick_device(own_device(pick_device(asked)))


def own_device(device: str) -> str:
    """``cuda`` is the device of this process's number on its machine; another one is as it was asked."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if asked() and device == "cuda" else device


def pick_device(asked: str) -> str:
    """``auto`` is the first CUDA device, then Apple's, then the CPU. Raises for a device that is not there."""
    if asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(1, device=asked)
    except (RuntimeError, AssertionError) as error:
        got = f"{asked}: {first_line(error)}"
        raise DataError(expected("--device", "auto or a device that is there", got)) from None
    return asked


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory: tensors of several MiB cost a page fault per 4 KiB otherwise.

    Changes no result. Does nothing where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    trim_threshold, mmap_threshold, mmap_max = -1, -3, -4
    mallopt(mmap_threshold, 32 * 2**20)
    mallopt(mmap_max, 0)  # maps of the first layers at 640 pixels are larger than any threshold
    mallopt(trim_threshold, 2**31 - 1)
