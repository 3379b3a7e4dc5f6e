"""The check of a reporter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import Any

from benchsuite.specs import parameters
from benchsuite.specs.reporter import FinishedRun, Rate, Reporter
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson
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


def finished(architecture: str, protocol: str) -> FinishedRun:
    """An invented run on all of ImageNet; the text of an export is made of it. Its folder does not exist."""
    counts = {"n": 50_000, "top1_errors": 18_750, "top5_errors": 6_250}
    about = {"of": 50_000, "dataset": "imagenet", "near_ties": {"top1": 0, "top5": 0, "tolerance": 1e-5}, "exact": True}
    row = result(architecture, protocol) | counts | about
    manifest = {
        "run_id": row["run_id"],
        "benchsuite": "0.0",
        "created": "2026-01-01T00:00:00+00:00",
        "command": f"benchsuite run {architecture} -p {protocol}",
        "asked": {"seed": 0, "loader": "probe", "limit": None},
        "weights": {"label": "probe", "digest": "probe"},
        "protocol": {"label": protocol, "parameters": {}},
        "views": [{}],
        "dataset": {"name": "imagenet", "n": 50_000, "of": 50_000, "classes": 1000, "digest": "probe"},
        "numerics": {"precision": "fp32", "device": "cpu", "batch_size": 8},
        "counts": {**counts, **{f"{top}_near_ties": 0 for top in ("top1", "top5")}, "tolerance": 1e-5},
    }
    rates = tuple(
        Rate(top, counts[f"{top}_errors"], 50_000, wilson(Count(counts[f"{top}_errors"], 50_000)))
        for top in ("top1", "top5")
    )
    return FinishedRun(row, manifest, Path(row["path"]), rates)


def check_reporter(r: Reporter) -> None:
    """Checks that ``render`` and ``export`` return the same text each time and name every result.

    ``render`` must not change the rows, and options need defaults. Nothing is sent.
    """
    it = Checker(f"reporter {r.name}")
    it.declares(r.name, note=r.note)
    needed = [key for key, (_, default) in parameters.keywords(r.work).items() if default is Parameter.empty]
    it.needs(not needed, "each option", "one with a default", ", ".join(needed))
    if r.render is not None:
        _check_render(it, r.render)
    if r.export is not None:
        _check_export(it, r.export)


def _check_export(it: Checker, export: Callable[..., str]) -> None:
    for run in (finished("probenet", "1crop"), finished("othernet", "10crop")):
        name = run.row["architecture"]
        with it.runs("export"):
            text, again = export((run,)), export((run,))
        it.needs(isinstance(text, str), "what export returns", "text", type(text).__name__)
        it.needs(text == again, "what export returns", "the same each time", "two different texts")
        it.needs(name in text, "the text", "one that names every run", f"one without {name}")


def _check_render(it: Checker, render: Callable[[Sequence[Mapping[str, Any]]], str]) -> None:
    rows = (result("probenet", "1crop"), result("othernet", "10crop", limit=8))
    before = json.dumps(rows)
    with it.runs("render"):
        nothing, text, again = render(()), render(rows), render(rows)
    it.needs(isinstance(text, str) and isinstance(nothing, str), "what render returns", "text", type(text).__name__)
    it.needs(json.dumps(rows) == before, "the rows", "unchanged by render", "changed ones")
    it.needs(text == again, "what render returns", "the same each time", "two different texts")
    for name in ("probenet", "othernet"):
        it.needs(name in text, "the text", "one that names every result", f"one without {name}")
