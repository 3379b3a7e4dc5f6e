"""Images per second of ``1crop`` from files to counts, compared with the forward pass alone and with timm's script.

``python benchmarks/evaluate.py imagenet:PATH [--architecture resnet50] [--precision fp32] [--rounds 3]``

Five things are timed in turn, ``--rounds`` times; medians and ratios are printed:

- ``benchsuite``: ``run --fresh``, by default with random weights, from JPEG files to counts (the time of its pass);
- ``bare``: the same network on tensors in memory, with the same precision and batch size;
- ``timm``: the same as timm's validation script: its data set and loader with its default number of workers, its
  transforms, batches of ``--timm-batch`` (its default is 256), with the same precision and memory layout;
- ``default`` and ``timm default``: both with their default settings. benchsuite chooses its precision, and is timed as
  a whole command; timm computes in float32 and torch's default layout. From 256 images on the precision is checked in
  the first round; the decision is stored.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchsuite import load_plugins
from benchsuite.data.prefetch import give_way
from benchsuite.evaluation.question import RunRequest
from benchsuite.models.device import keep_freed_memory
from benchsuite.models.precision import DTYPES
from benchsuite.progress import Progress
from benchsuite.runs.run import run


def ours(args: argparse.Namespace, catalog: Any, *, default: bool = False) -> float:
    """Images per second of the pass of ``benchsuite run``; with ``default``, of the whole run at default settings."""
    with tempfile.TemporaryDirectory() as results:
        request = RunRequest(
            (args.architecture,),
            ("1crop",),
            data=args.data,
            weights=args.weights,
            device="cpu",
            precision="auto" if default else args.precision,
            batch_size=None if default else args.batch_size,
            limit=args.limit,
            fresh=True,
            results=Path(results),
        )
        start = time.perf_counter()
        (row,) = run(request, catalog, Progress())
        whole = float(row["n"]) / (time.perf_counter() - start)
        return whole if default else float(row["images_per_second"])


def bare(args: argparse.Namespace, module: Any, n: int) -> float:
    """Images per second of the forward pass alone."""
    x = torch.randn(args.batch_size, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    half = args.precision != "fp32"
    with torch.inference_mode(), torch.autocast("cpu", DTYPES[args.precision] if half else None, enabled=half):
        module(x)
        start = time.perf_counter()
        for _ in range(n // args.batch_size):
            module(x)
    return n // args.batch_size * args.batch_size / (time.perf_counter() - start)


def timm_way(args: argparse.Namespace, module: Any, n: int, *, default: bool = False) -> float:
    """Images per second with timm's data set and loader; with ``default``, in float32 and torch's default layout."""
    from timm.data import create_dataset, create_loader

    folder = Path(args.data.partition(":")[2])
    data = create_dataset("", str(folder / "val" if (folder / "val").is_dir() else folder))
    data.reader.samples = data.reader.samples[:n]
    half = args.precision != "fp32" and not default
    layout = torch.contiguous_format if default else torch.channels_last
    start = time.perf_counter()
    loader = create_loader(
        data,
        input_size=(3, 224, 224),
        batch_size=args.timm_batch,
        use_prefetcher=False,
        interpolation="bilinear",
        num_workers=4,
        crop_pct=0.875,
        device=torch.device("cpu"),
    )
    seen = 0
    with torch.inference_mode(), torch.autocast("cpu", DTYPES[args.precision] if half else None, enabled=half):
        for images, _ in loader:
            seen += len(module(images.contiguous(memory_format=layout)))
    return seen / (time.perf_counter() - start)


def main() -> None:
    """Prints a table of medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="imagenet:PATH or folder:PATH")
    parser.add_argument("--architecture", default="resnet50")
    parser.add_argument("--weights", default="random", help="for benchsuite; random ones may fail the precision check")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--timm-batch", type=int, default=256)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    keep_freed_memory()
    catalog = load_plugins()
    _, split = catalog.open_dataset(args.data)
    n = min(args.limit, len(split.samples))
    plain = catalog.architecture(args.architecture).build(len(split.classes)).eval()
    module = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    rates: dict[str, list[float]] = {name: [] for name in ("benchsuite", "bare", "timm", "default", "timm default")}
    for _ in range(args.rounds):
        rates["bare"].append(bare(args, module, n))
        rates["benchsuite"].append(ours(args, catalog))
        rates["timm"].append(timm_way(args, module, n))
        rates["default"].append(ours(args, catalog, default=True))
        rates["timm default"].append(timm_way(args, plain, n, default=True))
    print(
        f"{args.architecture}, {args.precision}, {n} images, batch {args.batch_size}, {torch.get_num_threads()} threads"
    )
    for name, measured in rates.items():
        print(f"{name:14} {statistics.median(measured):8.1f} images/s")
    for one, other in (("benchsuite", "bare"), ("benchsuite", "timm"), ("default", "timm default")):
        ratios = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
        print(f"{one} / {other}: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    if "GOMP_SPINCOUNT" not in os.environ:  # the command sets it too; it must be set before torch is loaded
        give_way()
        os.execv(sys.executable, [sys.executable, *sys.argv])
    main()
