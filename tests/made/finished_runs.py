"""Runs made from given scores, in memory or on disk as ``benchsuite run`` writes them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import Combine, Sample
from benchsuite.evaluation.predictions import count, join, rows
from benchsuite.explanation.comparison import Run
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.specs.view import view_data
from benchsuite.storage.run_folder import write_run


def scores(n: int, classes: int, seed: int, *, shared: int = 0, noise: float = 1.0) -> Any:
    """Logits (n, classes): the sum of a part common to runs with the same ``shared`` and a part of each ``seed``."""
    common = np.random.default_rng(shared).normal(size=(n, classes))
    common[np.arange(n), np.arange(n) % classes] += 2
    return common + noise * np.random.default_rng(seed + 1000).normal(size=(n, classes))


def columns(logits: Any, labels: Any = None, ids: Any = None) -> dict[str, Any]:
    """The columns that a run stores for these logits; by default image i has class i modulo the number of classes."""
    n, classes = logits.shape
    labels = np.arange(n) % classes if labels is None else labels
    ids = [f"image-{i:05d}" for i in range(n)] if ids is None else ids
    samples = [Sample(name, int(label), "") for name, label in zip(ids, labels, strict=True)]
    return join([rows(samples, logits, Combine("mean", "logit"))], samples)


def described(name: str, made: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The manifest of a run with these columns."""
    n, counts = len(made["id"]), count(made, 1e-5)
    whole = manifest(
        run_id=name,
        created="2026-01-01T00:00:00+00:00",
        command=f"benchsuite run {name}",
        dataset={"name": "madeup", "n": n, "of": n, "classes": 10, "digest": "same", "fingerprint": "f"},
        counts={**counts, "tolerance": 1e-5},
        versions={"python": "3.11.0", "numpy": None},
        members=[{"architecture": "resnet50"}],
    )
    for path, value in changes.items():
        part, _, key = path.partition("__")
        whole[part] = {**whole[part], key: value} if key else value
    return whole


def run(name: str, logits: Any, **changes: Any) -> Run:
    """A run in memory."""
    made = columns(logits, changes.pop("labels", None), changes.pop("ids", None))
    arrays = {key: np.asarray(value) for key, value in made.items()}
    return Run(Path("results/runs") / name, described(name, made, **changes), arrays)


def saved(results: Path, name: str, logits: Any, **changes: Any) -> Path:
    """Writes a run; ``without=("brier",)`` leaves columns out, as in runs of older versions. Returns its folder."""
    without = changes.pop("without", ())
    made = columns(logits, changes.pop("labels", None), changes.pop("ids", None))
    folder = results / "runs" / name
    kept = {key: value for key, value in made.items() if key not in without}
    write_run(folder, json.loads(json.dumps(described(name, made, **changes))), kept)
    return folder


TORCHVISION = Preprocess(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def manifest(errors=11935, n=50_000, **changes):
    """The manifest of a run of resnet50 with torchvision's first weights, as it is on disk."""
    whole = {
        "run_id": "resnet50-1crop-imagenet-0123456789ab",
        "benchsuite": "0.1.0",
        "asked": {"loader": "pillow", "limit": None, "seed": 0},
        "architecture": {"name": "resnet50", "owner": "benchsuite.plugins.resnet", "note": ""},
        "weights": {"label": "IMAGENET1K_V1", "digest": "d", "file": ""},
        "protocol": {"label": "1crop", "parameters": {}, "combine": {}, "note": "", "source": ""},
        "views": [view_data(center(TORCHVISION))],
        "dataset": {"name": "imagenet", "split": "test", "n": n, "classes": 1000, "of": 50_000},
        "numerics": {"precision": "fp32", "device": "cpu", "batch_size": 8, "workers": 2},
        "counts": {
            "n": n,
            "top1_errors": errors,
            "top5_errors": errors // 3,
            "top1_near_ties": 2,
            "top5_near_ties": 1,
            "tolerance": 1e-5,
        },
        "seconds": {"decode": 1.25, "wait": 0.04, "resize": 0.5, "forward": 8.0, "total": 9.9},
        "images_per_second": 58.96,
    }
    for path, value in changes.items():
        part, _, key = path.partition("__")
        if key:
            whole[part] = {**whole[part], key: value}
        else:
            whole[part] = value
    return json.loads(json.dumps(copy.deepcopy(whole)))


def result(**changes):
    return run_manifest.result_row(manifest(**changes), "results/runs/x", cached=False)
