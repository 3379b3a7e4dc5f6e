"""The files in a folder of the cache."""

from __future__ import annotations

from pathlib import Path


def files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]
