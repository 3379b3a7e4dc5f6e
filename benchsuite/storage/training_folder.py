"""The files of a training on disk: their names and columns, and which trainings a folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EPOCHS, CORRECT = "epochs.parquet", "correct.npz"


LAST, BEST, CHECKPOINT = "last.safetensors", "best-heldout.safetensors", "checkpoint.pt"


def folder(results: Path, run_id: str) -> Path:
    """Where a training is kept: RESULTS/training/RUN-ID."""
    return results / "training" / run_id


def read(path: Path, *, weights: bool = True) -> dict[str, Any] | None:
    """The manifest of a finished training, or None; committed trainings come without their weights."""
    try:
        found = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and ((path / LAST).is_file() or not weights) else None


def trainings_in(results: Path) -> list[Path]:
    """The folders of the finished trainings in a results folder, by name."""
    return sorted(p.parent for p in results.glob("training/*/manifest.json"))
