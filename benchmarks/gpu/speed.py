"""Measures images per second: the bare forward pass, whole evaluations, timm's loop."""

from __future__ import annotations

import importlib.util
import math
import os
import statistics
import time
from typing import Any

import numpy as np
import torch
from benchsuite.protocols.multi_scale import SHORT_SIDES
from gpu_check import made_up
from gpu_check.bench import Bench
from gpu_check.rows import Check, Outcome, Stage, measured, promised

from benchsuite.data.resize import resize
from benchsuite.models.precision import DTYPES, computing
from benchsuite.models.resize.coefficients import VERTICAL_FIRST
from benchsuite.models.resize.resampling import resized
from benchsuite.specs.view import View, resized_shape


def seconds(bench: Bench, module: Any, shape: tuple[int, int, int], precision: str, spend: float) -> float:
    """Seconds of a forward pass of (n, height, width) images in memory, from passes that take ``spend`` seconds."""
    x = torch.randn(shape[0], 3, *shape[1:], device=bench.name).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), computing(precision, torch.device(bench.name)):
        for _ in range(2):
            module(x)
        bench.wait()
        begun, rounds = time.perf_counter(), 0
        while not rounds or time.perf_counter() - begun < spend:
            for _ in range(3):
                module(x)
            bench.wait()
            rounds += 3
        return (time.perf_counter() - begun) / rounds


def bare(bench: Bench) -> Outcome:
    """The forward pass alone in every precision: batches that fill the device, an eighth of them, single images."""
    words, spend = list[str](), 0.5 if bench.real else 0.02
    for precision in bench.precisions:
        module = bench.network(precision).module
        sizes, rates = (bench.sizes.batch, max(1, bench.sizes.batch // 8), 1), []
        for n in sizes:
            rates.append(n / seconds(bench, module, (n, bench.sizes.crop, bench.sizes.crop), precision, spend))
        bench.rates[precision] = rates[0]
        smaller = ", ".join(f"{rate:.0f} in {n}" for n, rate in zip(sizes[1:], rates[1:], strict=True))
        words.append(f"{precision} {rates[0]:.0f} ({smaller})")
    text = f"images/s in batches of {bench.sizes.batch}: {', '.join(words)}"
    return measured(text, images_per_second=dict(bench.rates))


def bare_maps(bench: Bench) -> Outcome:
    """The forward pass of ``multiscale`` alone: 4:3 images at five scales, each also mirrored.

    The time is that of the pictures' own shapes, in proportion to their pixels.
    """
    module, spend, total = bench.network(bench.lower).module, 0.3 if bench.real else 0.01, 0.0
    shapes = [made_up.stored(i).shape[:2] for i in range(bench.sizes.pictures)]
    n = max(1, bench.sizes.batch // 8)
    for side in SHORT_SIDES:
        short = round(side * bench.sizes.crop / 224)
        one = seconds(bench, module, (n, short, short * 4 // 3), bench.lower, spend) / n
        pixels = statistics.mean(math.prod(resized_shape(*shape, View(short))) for shape in shapes)
        total += 2 * one * pixels / (short * (short * 4 // 3))
    bench.rates["multiscale"] = 1 / total
    return measured(f"{1 / total:.0f} images/s of 10 views in {bench.lower}", images_per_second=1 / total)


def resizing(bench: Bench) -> Outcome:
    """Images of one size to the five scales of ``multiscale``, on the device: alone and together; by Pillow here."""
    pictures = [made_up.stored(i) for i in range(bench.sizes.pictures)]
    usual = max({p.shape for p in pictures}, key=[p.shape for p in pictures].count)
    arrays = np.stack([p for p in pictures if p.shape == usual][: 64 if bench.real else 2])
    views = [View(round(side * bench.sizes.crop / 224)) for side in SHORT_SIDES]
    scales = [(*resized_shape(*usual[:2], view), view.interpolation) for view in views]
    images, words, spend = torch.from_numpy(arrays).to(bench.name), list[str](), 0.5 if bench.real else 0.02

    def spent(some: Any) -> float:
        """Milliseconds an image."""
        begun, rounds = time.perf_counter(), 0
        while not rounds or time.perf_counter() - begun < spend:
            for height, width, interpolation in scales:
                resized(some, height, width, interpolation, VERTICAL_FIRST)
            bench.wait()
            rounds += 1
        return 1000 * (time.perf_counter() - begun) / rounds / len(some)

    spent(images[:1])
    found = {n: spent(images[:n]) for n in (1, len(images))}
    words += [f"{ms:.2f} ms an image of {usual[1]}x{usual[0]}, {n} together" for n, ms in found.items()]
    if importlib.util.find_spec("PIL") is not None:
        begun = time.perf_counter()
        for height, width, _ in scales:
            resize(arrays[0], height, width, views[0])
        words.append(f"Pillow on the host {1000 * (time.perf_counter() - begun):.1f} ms")
    return measured("five scales: " + "; ".join(words), milliseconds={str(n): ms for n, ms in found.items()})


def walk(protocol: str, count: int, data: str, resize_on: str = "auto", least: float | None = None) -> Any:
    """A check that measures a whole evaluation; ``count`` images on a card.

    There it fails with fewer images/s than ``least`` of the bare pass.
    """

    def run(bench: Bench) -> Outcome:
        if data == "made-up:files":
            made_up.write_files()
        for i in range(bench.sizes.pictures):
            (made_up.resized if data == "made-up:resized" else made_up.stored)(i)
        if bench.cuda:
            torch.cuda.reset_peak_memory_stats()
        limit = count if bench.real else 24
        options: dict[str, Any] = {"data": data, "limit": limit, "resize_on": resize_on}
        found = bench.evaluate((protocol,), precision=bench.lower, **options)[protocol]
        bench.rates[f"{protocol} {data}"] = found.rate
        spent, memory = found.manifest["seconds"], found.manifest["profile"]
        limits = {"1crop": bench.rates.get(bench.lower, 0.0), "10crop": bench.rates.get(bench.lower, 0.0) / 10}
        limits["multiscale"] = bench.rates.get("multiscale", 0.0)
        of_bare = found.rate / limits[protocol] if limits[protocol] else None
        parts = ", ".join(f"{name} {spent[name]:.2f}" for name in ("wait", "prepare", "forward", "total"))
        text = f"{found.rate:.0f} images/s of {len(found.columns['top5'])}"
        text += f", {of_bare:.2f} of the bare pass" if of_bare else ""
        text += f"; seconds: {parts}, clock with opening {found.clock:.2f}"
        if memory["device_memory"]:
            text += f"; {memory['device_memory'] / 2**30:.1f} GiB on the device"
        if memory["peak_memory"]:
            text += f", {memory['peak_memory'] / 2**30:.1f} GiB on the host"
        kept = spent["total"] <= found.clock
        text += "" if kept else "; THE TOTAL IS LONGER THAN THE CLOCK"
        values = {"images_per_second": found.rate, "of_bare": of_bare, "seconds": spent, "profile": memory}
        if kept and (least is None or of_bare is None or not bench.real):
            return measured(text, **values)
        return promised(kept and of_bare >= least, text, **values)

    return run


def timm_loop(bench: Bench) -> Outcome:
    """The loader of timm and the loop of its validation script, with the same network, from the same files."""
    from timm.data import create_dataset, create_loader

    made_up.write_files()
    root, limit = made_up.work() / "folder", 4096 if bench.real else 24
    if not root.exists():
        (root / "one").mkdir(parents=True)
        for i in range(limit):
            (root / "one" / f"{i:06}.jpg").hardlink_to(made_up.work() / "pictures" / f"{i % bench.sizes.pictures}.jpg")
    module, crop = bench.network("fp32").module, bench.sizes.crop
    workers = max(1, len(os.sched_getaffinity(0)) - 1) if bench.real else 0
    loader = create_loader(
        create_dataset("", str(root)),
        input_size=(3, crop, crop),
        batch_size=256 if bench.real else 8,
        use_prefetcher=bench.cuda,
        interpolation="bilinear",
        num_workers=workers,
        crop_pct=crop / bench.sizes.resize,
        pin_memory=bench.cuda,
        device=torch.device(bench.name),
    )
    lower, marks, seen = bench.lower != "fp32", [time.perf_counter()], [0]
    with torch.inference_mode(), torch.autocast(bench.name, DTYPES[bench.lower] if lower else None, enabled=lower):
        for images, target in loader:
            x = images.to(bench.name).contiguous(memory_format=torch.channels_last)
            (module(x).argmax(1) == target.to(bench.name)).sum().item()
            marks.append(time.perf_counter())
            seen.append(seen[-1] + len(images))
    whole = seen[-1] / (marks[-1] - marks[0])
    later = (seen[-1] - seen[1]) / max(1e-9, marks[-1] - marks[1])
    text = f"{whole:.0f} images/s of {seen[-1]} with the start of {workers} workers, {later:.0f} after the first batch"
    ours = bench.rates.get("1crop made-up:files")
    if ours is not None:
        text += f"; 1crop of these files has {ours / whole:.2f} times the first, {ours / later:.2f} times the second"
    return measured(text, images_per_second=whole, after_first=later, ours_of_first=ours and ours / whole)


LEAST = 0.9
"""The part of the bare forward pass that a whole evaluation should reach, with images in memory."""

OF_BARE = f"{LEAST:.2f} of the bare pass or more"

SPEED = Stage(
    "speed",
    100,
    (
        Check("bare forward pass", bare, 8, "the limit of the next rows"),
        Check("1crop, resized images in memory", walk("1crop", 32768, "made-up:resized", least=LEAST), 10, OF_BARE),
        Check("10crop, resized images in memory", walk("10crop", 4096, "made-up:resized", least=LEAST), 10, OF_BARE),
        Check("bare forward pass at five scales", bare_maps, 6, "the limit of the next row"),
        Check("multiscale, images in memory", walk("multiscale", 1536, "made-up", least=LEAST), 18, OF_BARE),
        Check("1crop, JPEG files", walk("1crop", 4096, "made-up:files"), 8, "the host's limit"),
        Check("timm's validation loop, JPEG files", timm_loop, 15, "slower than 1crop, JPEG files"),
        Check("Pillow's resize on the device", resizing, 4, "faster than on the host"),
        Check("1crop, images in memory", walk("1crop", 8192, "made-up"), 8, "more than from JPEG files"),
        Check(
            "multiscale, images in memory, resized on the host",
            walk("multiscale", 384, "made-up", "host"),
            15,
            "slower than on the device",
        ),
    ),
)
