"""Checks benchsuite on a CUDA device: exactness, speed, memory, training, processes, compiling.

``bash benchmarks/gpu/check.sh [--cpu | --pretend] [--seconds 285] [--stages exact speed ...]``

Every stage is a process with a time limit, the most telling first; every check is a row, which is printed as it is
found. The table is printed at the end. It is also written, with its JSON (device, versions, numbers), after every row,
to the folder in OUT, else to results/gpu/. The exit status is 1 if a check failed. ``--cpu`` computes a small network
on the CPU. ``--pretend`` also goes through the code for CUDA, on a pretended device. Both write no table unless OUT
names a folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

BEGAN = time.monotonic()
"""Importing torch takes its time too."""

PACKAGES = ("torch", "numpy", "pillow", "torchvision", "timm", "pyarrow", "pluggy")


def machine(name: str) -> dict[str, Any]:
    """The device and the versions; nothing if torch finds no such device. It begins CUDA."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        return {}
    known: dict[str, Any] = {"device": name, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version()}
    for package in PACKAGES:
        try:
            known[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            known[package] = "none"
    if name == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory
        known |= {"device": f"{torch.cuda.get_device_name(0)}, {memory / 2**30:.0f} GiB", "cuda": torch.version.cuda}
        known["cudnn"] = torch.backends.cudnn.version()
        known["driver"] = driver()
    return known


def driver() -> str:
    """The version of NVIDIA's driver; ``unknown`` if its tool is not here."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told[0] if told else "unknown"


def in_child(question: Callable[[], Any]) -> Any:
    """The answer of a forked process, None if it fails. In this one CUDA must not begin: the stages are forked too."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=lambda: sender.send(question()))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return None
    finally:
        process.join()


def main() -> int:
    """Runs the stages; the exit status."""
    parser = argparse.ArgumentParser(
        prog="check.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cpu", action="store_true", help="compute a small network on the CPU")
    parser.add_argument("--pretend", action="store_true", help="the same on a pretended CUDA device")
    parser.add_argument("--seconds", type=float, help="of all (default: 285; 1800 without a device)")
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="prepare and these; default: all")
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.cpu or args.pretend:
        os.environ["GPU_CHECK_SMALL"] = "1"
    if args.pretend:
        os.environ["GPU_CHECK_PRETEND"] = "1"
        from gpu_check import pretend

        pretend.install()
    from gpu_check import made_up
    from gpu_check.bench import Bench
    from gpu_check.exact import COMPILE, EXACT, PREPARE, SWITCHES
    from gpu_check.memory import MEMORY
    from gpu_check.processes import PROCESSES
    from gpu_check.rows import Record, report, run_stages
    from gpu_check.speed import SPEED
    from gpu_check.training import TRAINING

    stages = (PREPARE, EXACT, SPEED, MEMORY, PROCESSES, TRAINING, SWITCHES, COMPILE)
    known = [s.name for s in stages]
    if unknown := [name for name in args.stages or () if name not in known]:
        parser.error(f"Expected --stages to be some of {', '.join(known)}, got {', '.join(unknown)}")
    name = "cpu" if args.cpu else "cuda"
    here = in_child(partial(machine, name))
    if not here:
        parser.error("Expected a CUDA device, got none that torch finds (--cpu and --pretend need none)")
    small = args.cpu or args.pretend

    def make() -> Bench:
        return Bench(name, made_up.sizes(), 0.0 if small else 1.0)

    chosen = [s for s in stages if args.stages is None or s.name in ("prepare", *args.stages)]
    if small:
        importlib.import_module("torch._dynamo")  # once for the stages that need it; it might begin CUDA here
        # on a busy machine too
        chosen = [dataclasses.replace(s, seconds=10 * s.seconds) for s in chosen]
    seconds = args.seconds or (1800.0 if small else 285.0)
    out = os.environ.get("OUT")
    record = Record(made_up.work() / "rows.jsonl", here, Path(out) if out else None if small else args.results)
    run_stages(chosen, make, record, seconds - (time.monotonic() - BEGAN))
    return report(record)


if __name__ == "__main__":
    sys.exit(main())
