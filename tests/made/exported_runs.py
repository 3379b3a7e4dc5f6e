"""A results folder with runs as they are exported: of two protocols, and one on a part of the images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finished_runs import saved, scores

from benchsuite import FinishedRun
from benchsuite.runs.export import finished

A, B, PART = "resnet50-1crop-imagenet-aaa", "resnet50-10crop-imagenet-bbb", "resnet50-1crop-imagenet-ccc"


def of_imagenet(results: Path, name: str, n: int = 80, **changes: Any) -> Path:
    """Writes a run that says it is of ImageNet; returns its folder."""
    data = {"name": "imagenet", "n": n, "of": n, "classes": 1000, "digest": "images", "fingerprint": "f"}
    protocol = {"label": name.split("-")[1], "parameters": {"flip": "true"}, "combine": {}, "note": "", "source": ""}
    return saved(results, name, scores(n, 10, len(name)), **({"dataset": data, "protocol": protocol} | changes))


def whole(results: Path, name: str, *, errors: tuple[int, int] = (11_935, 3_551), **changes: Any) -> FinishedRun:
    """A run on all 50,000 images by its counts; its predictions are those of 80."""
    folder = of_imagenet(results, name, **changes)
    run = finished(folder)
    counts = dict(run.manifest["counts"]) | {"n": 50_000, "top1_errors": errors[0], "top5_errors": errors[1]}
    data = dict(run.manifest["dataset"]) | {"n": 50_000, "of": 50_000}
    return finished(of_imagenet(results, name, **({"dataset": data} | changes | {"counts": counts})))
