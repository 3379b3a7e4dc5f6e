"""Checks of several processes: ``--processes`` on one device, and NCCL with one process."""

from __future__ import annotations

import os
import socket

import torch
from gpu_check import made_up
from gpu_check.bench import Bench
from gpu_check.rows import Check, Outcome, Stage, promised
from gpu_check.training import pictures, steps, trainer

from benchsuite.distributed import process_group
from benchsuite.distributed.process_group import Group
from benchsuite.progress import Progress
from benchsuite.runs import run as runs
from benchsuite.storage.logit_cache import CHUNK
from benchsuite.storage.run_folder import read_columns
from benchsuite.training.trainer import deterministic


def shared(bench: Bench) -> Outcome:
    """``--processes 2`` on this one device: the bytes of one process."""
    from pathlib import Path

    import pyarrow  # noqa: F401 - runs write their predictions with it

    limit, found, words = CHUNK + CHUNK // 8, [], []
    for count in (1, 2):
        request = bench.request(("1crop",), limit=limit, processes=count)
        (row,) = runs.run(request, bench.catalog, Progress())
        columns = read_columns(Path(row["path"]))
        found.append(b"".join(columns[name].tobytes() for name in ("rank", "top5", "probability5")))
        words.append(f"{count}: {row['top1_errors']} of {row['n']} wrong")
    same = found[0] == found[1]
    return promised(same, f"{', '.join(words)}; {'the same bytes' if same else 'OTHER BYTES'}")


def nccl(bench: Bench) -> Outcome:
    """A training's group of one process: every operation of it, then steps of a training with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", **address})
    device, alone = "cuda:0" if bench.cuda else "cpu", process_group.under_torchrun
    process_group.under_torchrun = lambda: True  # it says no for one process
    with process_group.group(device) as group:
        process_group.under_torchrun = alone
        several = Group(0, 2)  # of a single process, so that nothing is left out
        total = several.total(torch.arange(3.0, device=device)).tolist()
        collected = several.collect({"rank": 0})[0]
        several.wait()
        module = made_up.build(bench.sizes.classes).to(device)
        wrapped = several.wrap(module, device, buffers=True)
        x = torch.from_numpy(made_up.crops(2)).to(device).permute(0, 3, 1, 2).float() / 255
        wrapped(x).square().mean().backward()
        several.agree(module)
        gradient = max(float(p.grad.abs().max()) for p in module.parameters())
        with deterministic(device):
            training = trainer(bench, pictures(bench), bench.lower, group=several)
            steps(training, 3 * training.per_epoch)
            loss, _, seen = training.epoch_counts()
        backend = torch.distributed.get_backend()
    kept = group == Group(0, 1) and total == [0.0, 1.0, 2.0] and collected == {"rank": 0} and 0 < gradient < 1e9
    kept &= seen == bench.sizes.few and 0 < loss < 100
    text = f"{backend}: sum, gather, barrier, broadcast, averaged gradients"
    return promised(kept, f"{text}; {training.step} steps of a training, loss {loss:.2f}")


PROCESSES = Stage(
    "processes",
    50,
    (
        Check("--processes 2 on one device", shared, 20, "the same bytes"),
        Check("a group of one process trains", nccl, 5, "a finite loss, by NCCL"),
    ),
)
