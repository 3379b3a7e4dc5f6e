"""Pillow's resize in torch compared with Pillow's own: milliseconds an image at the five scales of ``multiscale``.

``python benchmarks/resize.py FOLDER [--device cpu] [--limit 40] [--rounds 3] [--interpolation bilinear lanczos]``

``FOLDER`` is searched for JPEG files, which are decoded before anything is timed. Each image is resized in one thread
by Pillow, from an image to an array, and in torch, from a tensor on the device to another: in processor time, on CUDA
by the clock until the device has done it. The bits of all results are compared too. Rounds are interleaved; the numbers
are medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchsuite.protocols.multi_scale import SHORT_SIDES

from benchsuite import View, decode
from benchsuite.data.resize import resize
from benchsuite.models.resize.check import pillow
from benchsuite.models.resize.resampling import resized
from benchsuite.specs.view import resized_shape


def milliseconds(device: str, work: Callable[[], Any]) -> float:
    """How long a call takes, by the processor's time; on CUDA by the clock."""
    clock = time.perf_counter if device.startswith("cuda") else time.thread_time
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    began = clock()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return 1000 * (clock() - began)


def main() -> None:
    """Prints a row for each filter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--interpolation", nargs="+", default=["bilinear", "bicubic", "lanczos"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted(f for f in args.folder.rglob("*") if f.suffix.lower() in (".jpeg", ".jpg"))[: args.limit]
    images = [decode(file) for file in files]
    there = [torch.from_numpy(np.array(image))[None].to(args.device) for image in images]
    print("| filter | images | Pillow, ms an image | torch, ms an image | Pillow / torch | other bits |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in args.interpolation:
        views = [View(side, interpolation=name) for side in SHORT_SIDES]
        sizes = [[resized_shape(image.height, image.width, view) for view in views] for image in images]

        def by_pillow(sizes: Any = sizes, views: Any = views) -> list[Any]:
            pairs = zip(images, sizes, strict=True)
            return [resize(image, *size, view) for image, own in pairs for size, view in zip(own, views, strict=True)]

        def by_torch(sizes: Any = sizes, name: str = name) -> list[Any]:
            return [resized(x, *size, name, pillow()) for x, own in zip(there, sizes, strict=True) for size in own]

        pairs = zip(by_pillow(), by_torch(), strict=True)
        other = sum(not np.array_equal(one, two[0].cpu().numpy()) for one, two in pairs)
        spent = [[milliseconds(args.device, work) for work in (by_pillow, by_torch)] for _ in range(args.rounds)]
        host, device = (statistics.median(column) / len(images) for column in zip(*spent, strict=True))
        print(f"| {name} | {len(images)} | {host:.1f} | {device:.1f} | {host / device:.2f} | {other} |")


if __name__ == "__main__":
    main()
