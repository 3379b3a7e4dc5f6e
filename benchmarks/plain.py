"""The protocols as they are usually written: torchvision's transforms, and one image at a time for score maps.

The scripts beside this one compare benchsuite with it. Each way is timed in a process of its own: benchsuite tells the
C library to keep freed memory, which would make the plain way faster too.
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
"""Of the clock, and of the processor: on a machine that does something else too, these say more."""


def now() -> Seconds:
    """Both clocks."""
    return [time.perf_counter(), time.process_time()]


def since(start: Seconds) -> Seconds:
    """What has passed on both."""
    return [b - a for a, b in zip(start, now(), strict=True)]


def asked(args: argparse.Namespace, protocols: tuple[str, ...], results: str = "results") -> RunRequest:
    """What ``benchsuite run`` would be asked."""
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
    """A whole run, with the check of ``--precision auto``, and [top-1, top-5] errors by protocol."""
    catalog = load_plugins()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHSUITE_CACHE"] = folder
        start = now()
        rows = run(asked(args, tuple(args.protocols), folder), catalog, Progress())
        spent = since(start)
    return spent, {row["protocol"]: [row["top1_errors"], row["top5_errors"]] for row in rows}


def plain(args: argparse.Namespace) -> tuple[Seconds, Counts]:
    """The protocols one after the other, and their errors."""
    args.precision = args.plain_precision
    (question,) = plan(asked(args, ("1crop",)), load_plugins())
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
    """The mean softmax of ten crops, image by image: (c,) float64."""
    p = question.members[0].weights.preprocess
    crops = transforms.Compose([resized(question, p.resize), transforms.TenCrop(p.crop)])
    tensor = to_tensor(question)
    for sample in question.samples:
        x = torch.stack([tensor(crop) for crop in crops(question.split.read(sample))])
        yield module(x).double().softmax(1).mean(0)


def dense(question: Question, module: Any, mapped: Any, scales: tuple[int, ...]) -> Iterator[Any]:
    """The mean over scales and mirror images of the softmax of the mean score map, image by image: (c,) float64."""
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
    """``Resize`` of torchvision as the weights ask for it."""
    mode = transforms.InterpolationMode(question.members[0].weights.preprocess.interpolation)
    return transforms.Resize(size, mode)


def to_tensor(question: Question) -> Any:
    """``ToTensor`` and ``Normalize`` of torchvision."""
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
"""What is timed, and how it is called in the table."""


def compare(description: str, protocols: tuple[str, ...]) -> None:
    """Times all ways in turn, each in a process of its own; prints medians and ratios. Exit 1 for other counts."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="imagenet:PATH or folder:PATH")
    parser.add_argument("--architecture", default="efficientnet_lite0")
    parser.add_argument("--weights", help="default: the declared ones; or random")
    parser.add_argument("--plain-precision", default="fp32", help="of the plain way (default: %(default)s)")
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
    found: dict[str, list[tuple[Seconds, Counts]]] = {way: [] for way in WAYS if args.compile or way != "compiled"}
    for _ in range(args.rounds):
        for way, kept in found.items():
            command = [sys.executable, *sys.argv, "--way", way]
            told = {} if way == "plain" else {"GOMP_SPINCOUNT": str(SPINS)}  # as the command sets it
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **told})
            kept.append(json.loads(done.stdout))
    sys.exit(report(args, found))


def report(args: argparse.Namespace, found: dict[str, list[tuple[Seconds, Counts]]]) -> int:
    """Prints the table. 1 if errors differ between any two measurements, else 0."""
    threads = torch.get_num_threads()
    print(f"{args.architecture}, {args.limit} images, {' + '.join(args.protocols)}, {threads} threads")
    for way, kept in found.items():
        clock, processor = (statistics.median(spent[i] for spent, _ in kept) for i in (0, 1))
        pairs = list(zip(found["plain"], kept, strict=True))
        ratios = [statistics.median(a[i] / b[i] for (a, _), (b, _) in pairs) for i in (0, 1)]
        name = WAYS[way].format(args.plain_precision)
        counts = ", ".join(f"{p} {one}/{five}" for p, (one, five) in kept[0][1].items())
        print(f"{name:28} {clock:8.1f} s   x {ratios[0]:.2f}   errors {counts}")
        print(f"{'':19}processor {processor:8.1f} s   x {ratios[1]:.2f}")
    same = all(counts == found["plain"][0][1] for kept in found.values() for _, counts in kept)
    print("the same counts everywhere" if same else "COUNTS DIFFER")
    return 0 if same else 1
