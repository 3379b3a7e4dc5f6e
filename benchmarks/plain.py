"""The protocols as they are usually written: torchvision's transforms, and one image at a time for score maps.

``multiscale.py`` and ``protocols.py`` compare benchsuite with it. Each way is timed in a process of its own: benchsuite
makes the C library keep freed memory, which would make the plain way faster too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torchvision import transforms

from benchsuite import load_plugins
from benchsuite.data.prefetch import SPINS
from benchsuite.evaluation.question import Question, RunRequest
from benchsuite.models.precision import computing
from benchsuite.models.score_map import derive, score_map
from benchsuite.models.weights import build
from benchsuite.progress import Progress
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run

SCALES = {"fullconv": (256,), "multiscale": (224, 256, 384, 480, 640)}
Counts = dict[str, list[int]]
Seconds = list[float]
"""[wall-clock, processor] seconds; on a busy machine the second ones are more reliable."""


def now() -> Seconds:
    """The current time of both clocks."""
    return [time.perf_counter(), time.process_time()]


def since(start: Seconds) -> Seconds:
    """The seconds since ``start`` on both clocks."""
    return [b - a for a, b in zip(start, now(), strict=True)]


def request(args: argparse.Namespace, protocols: tuple[str, ...], results: str = "results") -> RunRequest:
    """The request of ``benchsuite run`` for these options."""
    return RunRequest(
        (args.architecture,),
        protocols,
        data=args.data,
        weights=args.weights,
        device="cpu",
        precision=args.precision,
        compiled=args.way == "compiled",
        limit=args.limit,
        fresh=True,
        results=Path(results),
    )


def ours(args: argparse.Namespace) -> tuple[Seconds, Counts]:
    """A whole run, with the check of ``--precision auto``: seconds, and [top-1, top-5] errors by protocol."""
    catalog = load_plugins()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHSUITE_CACHE"] = folder
        start = now()
        rows = run(request(args, tuple(args.protocols), folder), catalog, Progress())
        spent = since(start)
    return spent, {row["protocol"]: [row["top1_errors"], row["top5_errors"]] for row in rows}


def plain(args: argparse.Namespace) -> tuple[Seconds, Counts]:
    """The protocols one after the other: seconds, and [top-1, top-5] errors by protocol."""
    args.precision = args.plain_precision
    (question,) = plan(request(args, ("1crop",)), load_plugins())
    (member,) = question.members
    module = build(member.architecture, member.weights, len(question.split.classes)).eval()
    mapped = derive(member.architecture, module, member.weights.preprocess.crop)
    counts: Counts = {}
    start = now()
    with torch.inference_mode(), computing(args.precision, torch.device("cpu")):
        for protocol in args.protocols:
            if protocol == "10crop":
                counts[protocol] = errors(question, ten_crop(question, module))
            else:
                counts[protocol] = errors(question, dense(question, module, mapped, SCALES[protocol]))
    return since(start), counts


def ten_crop(question: Question, module: Any) -> Iterator[Any]:
    """Yields the mean softmax of the ten crops of each image: (c,) float64."""
    p = question.members[0].weights.preprocess
    crops = transforms.Compose([resized(question, p.resize), transforms.TenCrop(p.crop)])
    tensor = to_tensor(question)
    for sample in question.samples:
        x = torch.stack([tensor(crop) for crop in crops(question.split.read(sample))])
        yield module(x).double().softmax(1).mean(0)


def dense(question: Question, module: Any, mapped: Any, scales: tuple[int, ...]) -> Iterator[Any]:
    """Yields the mean over scales and flips of the softmax of the mean score map of each image: (c,) float64."""
    tensor = to_tensor(question)
    sizes = [resized(question, scale) for scale in scales]
    for sample in question.samples:
        image, scores = question.split.read(sample), []
        for size in sizes:
            x = tensor(size(image)).unsqueeze(0)
            for one in (x, x.flip(3)):
                logits, _ = score_map(module, mapped, one)
                scores.append(logits.float().mean(1)[0].double().softmax(0))
        yield torch.stack(scores).mean(0)


def resized(question: Question, size: Any) -> Any:
    """``Resize`` of torchvision with the interpolation of the weights."""
    mode = transforms.InterpolationMode(question.members[0].weights.preprocess.interpolation)
    return transforms.Resize(size, mode)


def to_tensor(question: Question) -> Any:
    """``ToTensor`` and ``Normalize`` of torchvision, with the mean and std of the weights."""
    p = question.members[0].weights.preprocess
    return transforms.Compose([transforms.ToTensor(), transforms.Normalize(p.mean, p.std)])


def errors(question: Question, scores: Iterator[Any]) -> list[int]:
    """[top-1, top-5] errors; of equal scores the lower class comes first."""
    ranks = []
    for sample, score in zip(question.samples, scores, strict=True):
        true = score[sample.label]
        ranks.append(int((score > true).sum() + (score[: sample.label] == true).sum()))
    return [sum(rank >= k for rank in ranks) for k in (1, 5)]


WAYS = {
    "plain": "plain ({})",
    "fp32": "benchsuite, --precision fp32",
    "auto": "benchsuite, --precision auto",
    "compiled": "the same with --compile",
}
"""What is timed, and its name in the table."""


def compare(description: str, protocols: tuple[str, ...]) -> None:
    """Times all ways in turn, each in its own process; prints medians and ratios. Exits with 1 if counts differ."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="imagenet:PATH or folder:PATH")
    parser.add_argument("--architecture", default="efficientnet_lite0")
    parser.add_argument("--weights", help="default: the first declared weights; or random")
    parser.add_argument("--plain-precision", default="fp32", help="precision of the plain way (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--protocols", nargs="+", default=list(protocols), choices=["10crop", *SCALES])
    parser.add_argument("--compile", action="store_true", help="time --precision auto --compile as well")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        args.precision = "fp32" if args.way == "fp32" else "auto"
        print(json.dumps(plain(args) if args.way == "plain" else ours(args)))
        return
    measured: dict[str, list[tuple[Seconds, Counts]]] = {way: [] for way in WAYS if args.compile or way != "compiled"}
    for _ in range(args.rounds):
        for way, kept in measured.items():
            command = [sys.executable, *sys.argv, "--way", way]
            own = {} if way == "plain" else {"GOMP_SPINCOUNT": str(SPINS)}  # as the command on a quiet machine
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **own})
            kept.append(json.loads(done.stdout))
    sys.exit(report(args, measured))


def report(args: argparse.Namespace, measured: dict[str, list[tuple[Seconds, Counts]]]) -> int:
    """Prints the table. Returns 1 if errors differ between any two measurements, else 0."""
    threads = torch.get_num_threads()
    print(f"{args.architecture}, {args.limit} images, {' + '.join(args.protocols)}, {threads} threads")
    for way, kept in measured.items():
        clock, processor = (statistics.median(spent[i] for spent, _ in kept) for i in (0, 1))
        pairs = list(zip(measured["plain"], kept, strict=True))
        ratios = [statistics.median(a[i] / b[i] for (a, _), (b, _) in pairs) for i in (0, 1)]
        name = WAYS[way].format(args.plain_precision)
        counts = ", ".join(f"{p} {one}/{five}" for p, (one, five) in kept[0][1].items())
        print(f"{name:28} {clock:8.1f} s   x {ratios[0]:.2f}   errors {counts}")
        print(f"{'':19}processor {processor:8.1f} s   x {ratios[1]:.2f}")
    same = all(counts == measured["plain"][0][1] for kept in measured.values() for _, counts in kept)
    print("the same counts everywhere" if same else "COUNTS DIFFER")
    return 0 if same else 1
