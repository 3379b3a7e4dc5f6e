"""The processes that train one network together: their ranks and collective operations. No-ops for a single process."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of one training; this process is number ``rank`` of ``size``."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of ``count`` items: every ``size``-th one from ``rank`` on; the parts do not overlap."""
        return slice(self.rank, count, self.size)

    def total(self, values: Any) -> Any:
        """Sums a tensor over all processes, in place, and returns it."""
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(values)
        return values

    def collect(self, value: Any) -> list[Any]:
        """Returns the values that all processes pass, in the order of ranks; for small values."""
        if self.size == 1:
            return [value]
        from torch import distributed

        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Returns when all processes have called it."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()

    def wrap(self, module: Any, device: str, buffers: bool) -> Any:
        """Returns the network for training: gradients are averaged over the processes, batch statistics are not.

        With ``buffers``, each step starts with the buffers of the first process; a training that reads buffers needs
        this.
        """
        if self.size == 1:
            return module
        import torch

        where = [torch.device(device)] if device.startswith("cuda") else None
        parallel = torch.nn.parallel.DistributedDataParallel
        current = "forward_sync_buffers" in inspect.signature(parallel).parameters  # its name since torch 2.13
        return parallel(
            module, device_ids=where, **{"forward_sync_buffers" if current else "broadcast_buffers": buffers}
        )

    def agree(self, module: Any) -> None:
        """Copies the buffers of the first process to all: its running statistics become the network's."""
        if self.size > 1:
            from torch import distributed

            for buffer in module.buffers():
                distributed.broadcast(buffer, 0)


def under_torchrun() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def leads() -> bool:
    """Whether this process is the one that writes and prints. It needs no group."""
    return not under_torchrun() or os.environ["RANK"] == "0"


@functools.cache
def first_to_fail() -> bool:
    """Whether this process is the first one of ``torchrun``'s to end with an error, and so the one that says why.

    True if there are no others, and where the store that all share is not that of ``torchrun``.
    """
    if not under_torchrun() or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return True
    from torch.distributed import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=20)))
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return bool(PrefixStore(f"benchsuite/{attempt}", store).add("failed", 1) == 1)
    except (RuntimeError, ValueError):
        return True


@contextmanager
def group(device: str) -> Iterator[Group]:
    """The group of ``torchrun``'s processes, with NCCL on CUDA devices and Gloo elsewhere.

    A CUDA device has its number in its name (``cuda:1``). It becomes the current device of this process, where
    ``collect`` puts its tensors, and the group is bound to it, so that ``wait`` does not guess one.

    Without torchrun it is a group of one process. The group is made once and kept until the process ends. If it were
    made again for a second training, a process could still find the rendezvous of the first group and wait forever.
    """
    if not under_torchrun():
        yield Group()
        return
    import torch
    from torch import distributed

    if not distributed.is_initialized():
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
            distributed.init_process_group("nccl", device_id=torch.device(device))
        else:
            distributed.init_process_group("gloo")
        atexit.register(distributed.destroy_process_group)
    yield Group(distributed.get_rank(), distributed.get_world_size())
