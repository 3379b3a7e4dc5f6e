"""Jobs for tests of executors, which other processes import."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def fragile(folder: str, job: int) -> int:
    """Ten times the job. Its first attempt at job 1 dies as if its node did; job 3 is an error each time."""
    Path(folder, f"{job}-{os.getpid()}").touch()
    if job == 1 and len(list(Path(folder).glob("1-*"))) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == 3:
        raise ValueError("three is too many")
    return 10 * job
