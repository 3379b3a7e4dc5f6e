"""Several processes that train one network: who is who, and what they tell each other. One process needs none of it."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of one training, of which this is number ``rank`` of ``size``."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The part of ``count`` things that is this process's: every ``size``-th one, each in one part only."""
        return slice(self.rank, count, self.size)

    def total(self, values: Any) -> Any:
        """The sum of a tensor over all processes, in place."""
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(values)
        return values

    def collect(self, value: Any) -> list[Any]:
        """A small value of each process, by rank."""
        if self.size == 1:
            return [value]
        from torch import distributed

        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()

    def wrap(self, module: Any, device: str, buffers: bool) -> Any:
        """The network for training: gradients are averaged over the processes, statistics of batches are not.

        With ``buffers`` each step begins with those of the first process, which a training that reads them needs.
        """
        if self.size == 1:
            return module
        import torch

        where = [torch.device(device)] if device.startswith("cuda") else None
        parallel = torch.nn.parallel.DistributedDataParallel
        return parallel(module, device_ids=where, broadcast_buffers=buffers)

    def agree(self, module: Any) -> None:
        """Gives every process the buffers of the first: its running statistics are the network's."""
        if self.size > 1:
            from torch import distributed

            for buffer in module.buffers():
                distributed.broadcast(buffer, 0)


def asked() -> bool:
    """Whether ``torchrun`` started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def leads() -> bool:
    """Whether this process is the one that writes and prints, before or after there is a group."""
    return not asked() or os.environ["RANK"] == "0"


@contextmanager
def group(device: str) -> Iterator[Group]:
    """The group that ``torchrun`` made, NCCL between CUDA devices and Gloo else; alone, a group of one.

    It is made once and lasts as long as the process: made again for a second training, one process could still find
    the meeting place of the first, and wait there for ever.
    """
    if not asked():
        yield Group()
        return
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        atexit.register(distributed.destroy_process_group)
    yield Group(distributed.get_rank(), distributed.get_world_size())
