"""Manifests: what a run was, whole enough to do it again, and whether it still answers a question."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchsuite import parity, profiles
from benchsuite.binding import show
from benchsuite.evaluate import Answer, Settings
from benchsuite.pieces import Seconds
from benchsuite.plan import TOLERANCE, Asked, Question
from benchsuite.predictions import read_manifest
from benchsuite.view import view_data

PACKAGES = ("benchsuite", "numpy", "pillow", "torch", "torchvision", "timm", "pyarrow")


def folder(results: Path, question: Question) -> Path:
    """Where a run is kept: RESULTS/runs/RUN-ID."""
    return results / "runs" / question.run_id


def answered(results: Path, question: Question) -> dict[str, Any] | None:
    """The manifest of a finished run that asked the same of the same files; None where there is none.

    Files whose size or time of change differs since then make the question new.
    """
    manifest = read_manifest(folder(results, question))
    same = manifest is not None and manifest["dataset"]["fingerprint"] == question.fingerprint
    return manifest if same else None


def make(answer: Answer, asked: Asked, settings: Settings, device: str, shared: list[str]) -> dict[str, Any]:
    """The manifest of an answer: plain JSON data. ``shared`` are the protocols that the pass computed together."""
    import torch

    q = answer.question
    seconds = sum((o.seconds for o in answer.opened), Seconds())
    rate = seconds.images / seconds.total if seconds.total else None
    return {
        "run_id": q.run_id,
        "benchsuite": metadata.version("benchsuite"),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command(asked, q),
        "asked": {
            "architecture": q.architecture,
            "protocol": q.bound.label,
            **{k: getattr(asked, k) for k in ("data", "weights", "loader", "precision", "device", "limit", "seed")},
            "question": q.asked,
        },
        "architecture": {
            "name": q.architecture,
            "owner": ", ".join(dict.fromkeys(m.owner for m in q.members)),
            "note": q.members[0].architecture.note if len(q.members) == 1 else "",
        },
        "weights": {"label": q.weights, "digest": "+".join(o.digest for o in answer.opened)},
        "members": [
            {
                "architecture": m.architecture.name,
                "owner": m.owner,
                "weights": {"label": m.chosen.label, "key": m.chosen.key, "digest": o.digest},
                "preprocess": dataclasses.asdict(m.chosen.preprocess),
                "views": [view_data(v) for v in m.views],
                "combine": dataclasses.asdict(m.combine),
            }
            for m, o in zip(q.members, answer.opened, strict=True)
        ],
        "protocol": {
            "label": q.bound.label,
            "parameters": {k: show(v) for k, v in (*q.bound.parameters, *q.bound.overrides)},
            "combine": dataclasses.asdict(q.bound.combine),
            "note": q.bound.protocol.note,
            "source": q.bound.protocol.source,
        },
        "views": [view_data(v) for m in q.members for v in m.views],
        "dataset": {
            "name": q.split.name,
            "n": len(q.samples),
            "of": len(q.split.samples),
            "classes": len(q.split.classes),
            **({"among": len(q.split.among)} if q.split.among else {}),
            "mirror": q.split.mirror,
            "digest": q.data_digest,
            "fingerprint": q.fingerprint,
        },
        "numerics": {
            "precision": q.precision,
            "chosen": list(q.chosen),
            "compiled": asked.compiled,
            "folded": sum(getattr(o.predict, "folded", 0) for o in answer.opened),
            "device": device,
            "loader": q.loader.name,
            "batch_size": settings.batch_size,
            "workers": settings.workers,
            "processes": int(os.environ.get("WORLD_SIZE", asked.processes)),
            "threads": torch.get_num_threads(),
        },
        "counts": {**answer.counts, "tolerance": TOLERANCE[q.precision]},
        "seconds": {n: getattr(seconds, n) for n in ("decode", "wait", "resize", "forward", "total")},
        "images_computed": seconds.images,
        "profile": profiles.record(answer.opened, device),
        "images_per_second": rate,
        "shared_pass": shared,
        **surroundings(),
    }


def surroundings() -> dict[str, Any]:
    """What a result was made with: the ``versions`` of the packages, and the ``hardware``."""
    return {
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()},
    }


def command(asked: Asked, question: Question) -> str:
    """The command line that asks this question again."""
    words = ["benchsuite", "run", *(m.architecture.name for m in question.members), "-p", question.bound.label]
    for option in ("data", "weights", "limit"):
        value = getattr(asked, option)
        words += [f"--{option}", str(value)] if value is not None else []
    words += ["--precision", question.precision] if not _by_default(asked, question) else []
    words += ["--loader", question.loader.name] if not question.loader.exact else []
    words += ["--seed", str(asked.seed)] if asked.seed else []
    return " ".join(words)


def _by_default(asked: Asked, question: Question) -> bool:
    """Whether ``auto`` comes to this precision for this question alone."""
    checked = bool(question.chosen) or not parity.worth_it([question])
    return asked.precision == "auto" and question.precision == "fp32" and checked


def _version(package: str) -> str | None:
    module = sys.modules.get("PIL" if package == "pillow" else package)
    if module is not None and isinstance(getattr(module, "__version__", None), str):
        return str(module.__version__)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
