"""The files of a training on disk: their names, its manifest, and the trainings in a results folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EPOCHS, CORRECT = "epochs.parquet", "correct.npz"

LAST, BEST, CHECKPOINT = "last.safetensors", "best-heldout.safetensors", "checkpoint.pt"


def folder(results: Path, run_id: str) -> Path:
    """The folder of a training: RESULTS/training/RUN-ID."""
    return results / "training" / run_id


def read(path: Path, *, weights: bool = True) -> dict[str, Any] | None:
    """The manifest of a finished training, or None. ``weights`` requires its last weights, which are not committed."""
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and ((path / LAST).is_file() or not weights) else None


def trainings_in(results: Path) -> list[Path]:
    """The folders of the finished trainings in a results folder, sorted by name."""
    return sorted(p.parent for p in results.glob("training/*/manifest.json"))
