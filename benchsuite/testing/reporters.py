"""The check of a reporter."""

from __future__ import annotations

import json
from typing import Any

from benchsuite.specs.reporter import Reporter
from benchsuite.testing.checker import Checker


def result(architecture: str, protocol: str, limit: int | None = None) -> dict[str, Any]:
    """An invented result in the format of ``benchsuite run --json``; reporters are tried on two of them."""
    run = f"{architecture}-{protocol}-probe-0123456789ab"
    named = {"run_id": run, "path": f"results/runs/{run}", "architecture": architecture, "protocol": protocol}
    counts = {"n": 8, "top1_errors": 3, "top1_error": 37.5, "top5_errors": 1, "top5_error": 12.5, "views": 1}
    speed: dict[str, Any] = {"images_per_second": 21.5, "cached": False, "limit": limit}
    speed["seconds"] = {"decode": 0.1, "wait": 0.0, "resize": 0.05, "prepare": 0.01, "forward": 0.2, "total": 0.37}
    how = {"weights": "probe", "dataset": "probe", "precision": "fp32", "loader": "probe"}
    return named | counts | speed | how | {"top1_interval": [13.684429, 69.425748]}


def check_reporter(r: Reporter) -> None:
    """Checks that ``render`` returns the same text each time, names every result and does not change the rows."""
    it = Checker(f"reporter {r.name}")
    it.declares(r.name, note=r.note)
    rows = (result("probenet", "1crop"), result("othernet", "10crop", limit=8))
    before = json.dumps(rows)
    with it.runs("render"):
        nothing, text, again = r.render(()), r.render(rows), r.render(rows)
    it.needs(isinstance(text, str) and isinstance(nothing, str), "what render returns", "text", type(text).__name__)
    it.needs(json.dumps(rows) == before, "the rows", "unchanged by render", "changed ones")
    it.needs(text == again, "what render returns", "the same each time", "two different texts")
    for name in ("probenet", "othernet"):
        it.needs(name in text, "the text", "one that names every result", f"one without {name}")
