"""Several processes that train one network: who is who, and what they tell each other. One process needs none of it."""

from __future__ import annotations

import os

from benchsuite.distributed.process_group import asked


def device_here(asked: str) -> str:
    """The device of this process for what a user asked, ``auto`` too. Raises for one that is not there."""
    from benchsuite.forward import pick_device

    return pick_device(own_device(pick_device(asked)))


def own_device(device: str) -> str:
    """``cuda`` is the device of this process's number on its machine; another one is as it was asked."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if asked() and device == "cuda" else device
