"""Trainings made from given predictions, on disk as ``benchsuite train`` writes them, without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite.training.history import History
from benchsuite.training.manifest import as_source


def correct(epochs: int, n: int, seed: int = 0) -> Any:
    """Which of n images are right after each epoch, (epochs, n) bool; their share rises from 0.2 to 0.8."""
    rng = np.random.default_rng(seed)
    return rng.random((epochs, n)) < np.linspace(0.2, 0.8, epochs)[:, None]


def learned(results: Path, name: str, right: Any, batch_size: int = 10, **changes: Any) -> Path:
    """Writes a finished training, returns its folder. ``heldout``: errors of each epoch on 50 held-out images.

    ``watched``: by name of a perturbation, the errors of each epoch on 20 training images.
    """
    heldout, watched = changes.pop("heldout", None), changes.pop("watched", {})
    folder, history = results / "training" / name, History(right.shape[1], batch_size, tuple(watched))
    for number, row in enumerate(right, 1):
        data = {"epoch": number, "step": 5 * number, "loss": 2 / number, "learning_rate": 0.1, "train_errors": 40}
        data |= {"train_n": 100, "heldout_errors": None, "heldout_n": None, "train_seconds": 1.5, "test_seconds": 0.5}
        data |= {} if heldout is None else {"heldout_errors": int(heldout[number - 1]), "heldout_n": 50}
        data |= {f"train_errors {kind}": errors[number - 1] for kind, errors in watched.items()} | {"watched_n": 20}
        history.add(data, row)
    history.write(folder)
    accounting = changes.pop("accounting", "smoothed-best")
    best, short = history.best("heldout_errors"), ("epoch", "heldout_errors", "heldout_n", "test_errors", "test_n")
    errors = None if heldout is None else np.array(heldout)
    manifest = {
        "run_id": name,
        "benchsuite": "0.1.0",
        "created": "2026-01-02T00:00:00+00:00",
        "command": "benchsuite train pnn --recipe tiny-1 --data cifar10:/home/me/cifar --scale mini",
        "scale": "mini",
        "architecture": {"name": "pnn:level=0.1", "parameters": 1234, "frozen": 0, "masks": 56},
        "recipe": {
            "name": "tiny-1@mini",
            "accounting": accounting,
            "expected": "90.53 %",
            "source": "a page",
            "seed": 1,
        },
        "dataset": {"name": "toy", "learned": 100},
        "last": history.rows[-1],
        "best_heldout": best and {key: best[key] for key in short},
        "as_source": as_source(accounting, right, batch_size, errors),
        "numerics": {"precision": "fp32", "processes": 1},
        "images_per_second": 100.0,
        "seconds": {"load": 1.0, "train": 60.0, "test": 59.0, "save": 0.0},
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
