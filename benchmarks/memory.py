"""Peak memory of a run over many small JPEG files, compared with a tenth of them. Aim: at most 1.1 times as much.

``python benchmarks/memory.py [--images 50000] [--classes 100] [--architecture NAME] [--protocol NAME] [--folder DIR]``

The files are generated in ``--folder`` if it is given, and then only once; else in a temporary folder. Each run is a
process of its own with an empty cache. Its peak is the largest resident set counted by the kernel. Without
``--architecture`` the network is a pooling and a linear layer, so that memory is used mainly for reading, batching and
logits. The size of the logits on disk is printed too, as a multiple of images x views x classes x 4 bytes; the rest is
a header for each chunk and view.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchsuite import Architecture, Preprocess, hookimpl, load_plugins

SIZE = 40
PREPROCESS = Preprocess(36, 32, "bilinear", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def build(num_classes: int) -> Any:
    """A pooling to 4 x 4 and a linear layer."""
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, num_classes))


class Plugin:
    """A plugin with the network ``pooled``."""

    __name__ = "memory"

    @hookimpl
    def benchsuite_architectures(self) -> list[Architecture]:
        """``pooled``."""
        return [Architecture("pooled", build, PREPROCESS, note="A pooling and a linear layer.")]


def generate(folder: Path, images: int, classes: int) -> Path:
    """Writes ``images`` JPEG files in class folders and returns their root; existing files are kept."""
    root = folder / f"{images}-{classes}"
    chance = np.random.default_rng(0)
    pool = []
    for _ in range(97):
        buffer = io.BytesIO()
        Image.fromarray(chance.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(buffer, "JPEG", quality=80)
        pool.append(buffer.getvalue())
    for i in range(images):
        path = root / f"class{i % classes:04}" / f"image-{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(pool[i % len(pool)])
    return root


def child(arguments: list[str]) -> None:
    """Runs once; prints as JSON the peak in MiB, the seconds, and the bytes and number of the chunk files."""
    from benchsuite.evaluation.question import RunRequest
    from benchsuite.progress import Progress
    from benchsuite.runs.run import run

    architecture, data, protocol, results = arguments
    request = RunRequest((architecture,), (protocol,), data=data, weights="random", device="cpu", results=Path(results))
    start = time.perf_counter()
    (row,) = run(request, load_plugins(extra=[Plugin()]), Progress())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    chunks = [p.stat().st_size for p in Path(os.environ["BENCHSUITE_CACHE"]).rglob("*.logits")]
    usage = {"peak": peak, "seconds": time.perf_counter() - start, "bytes": sum(chunks), "files": len(chunks)}
    print(json.dumps(usage | {"n": row["n"], "views": row["views"]}))


def measure(architecture: str, data: Path, protocol: str) -> dict[str, Any]:
    """Runs ``child`` in a process of its own and returns what it prints."""
    with tempfile.TemporaryDirectory() as scratch:
        own = {"BENCHSUITE_CACHE": str(Path(scratch, "cache"))}
        command = [sys.executable, __file__, "--child", architecture, f"folder:{data}", protocol, scratch]
        done = subprocess.run(command, env=os.environ | own, stdout=subprocess.PIPE, text=True, check=True)
    usage: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return usage


def main() -> None:
    """Prints a line for each run, and the ratio of the peaks."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--architecture", default="pooled")
    parser.add_argument("--protocol", default="10crop")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = []
        for images in (args.images // 10, args.images):
            data = generate(args.folder or Path(scratch), images, args.classes)
            one = measure(args.architecture, data, args.protocol)
            runs.append(one)
            planned = one["n"] * one["views"] * args.classes * 4
            print(
                f"{one['n']:7} images  peak {one['peak']:7.1f} MiB  {one['seconds']:6.1f} s  logits on disk "
                f"{one['bytes'] / 2**20:.1f} MiB in {one['files']} files, {one['bytes'] / planned:.3f} of the plan",
                flush=True,
            )
    print(f"peak of {args.images} over that of {args.images // 10}: {runs[1]['peak'] / runs[0]['peak']:.3f}")


if __name__ == "__main__":
    main()
