"""Manifests: what a run was, whole enough to do it again, and whether it still answers a question."""

from __future__ import annotations

import dataclasses
import datetime
import os
from importlib import metadata
from pathlib import Path
from typing import Any

from benchsuite import parity, profiles
from benchsuite.evaluate import Answer, Opened, Settings
from benchsuite.evaluation.question import TOLERANCE, Member, Question
from benchsuite.evaluation.timing import Seconds
from benchsuite.plan import Asked
from benchsuite.specs.parameters import show
from benchsuite.specs.view import view_data
from benchsuite.storage.environment import surroundings
from benchsuite.storage.run_folder import read_manifest


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
        "members": [_member(m, o) for m, o in zip(q.members, answer.opened, strict=True)],
        "protocol": {
            "label": q.bound.label,
            "parameters": {k: show(v) for k, v in (*q.bound.parameters, *q.bound.overrides)},
            "combine": dataclasses.asdict(q.bound.combine),
            "note": q.bound.protocol.note,
            "source": q.bound.protocol.source,
        },
        "views": [view_data(v) for m in q.members for v in m.views],
        "dataset": _dataset(q),
        "numerics": _numerics(answer, asked, settings, device),
        "counts": {**answer.counts, "tolerance": TOLERANCE[q.precision]},
        "seconds": {n: getattr(seconds, n) for n in ("decode", "wait", "resize", "forward", "total")},
        "images_computed": seconds.images,
        "profile": profiles.record(answer.opened, device),
        "images_per_second": rate,
        "shared_pass": shared,
        **surroundings(),
    }


def _member(member: Member, opened: Opened) -> dict[str, Any]:
    """One network of a run: its weights and what it was shown."""
    return {
        "architecture": member.architecture.name,
        "owner": member.owner,
        "weights": {"label": member.chosen.label, "key": member.chosen.key, "digest": opened.digest},
        "preprocess": dataclasses.asdict(member.chosen.preprocess),
        "views": [view_data(v) for v in member.views],
        "combine": dataclasses.asdict(member.combine),
    }


def _dataset(question: Question) -> dict[str, Any]:
    """The images of a run: how many of how many, and digests of what they are."""
    split = question.split
    return {
        "name": split.name,
        "n": len(question.samples),
        "of": len(split.samples),
        "classes": len(split.classes),
        **({"among": len(split.among)} if split.among else {}),
        "mirror": split.mirror,
        "digest": question.data_digest,
        "fingerprint": question.fingerprint,
    }


def _numerics(answer: Answer, asked: Asked, settings: Settings, device: str) -> dict[str, Any]:
    """What rounds and what hurries: the precision and why it was chosen, the device, the loader, batches, threads."""
    import torch

    return {
        "precision": answer.question.precision,
        "chosen": list(answer.question.chosen),
        "compiled": asked.compiled,
        "folded": sum(getattr(o.predict, "folded", 0) for o in answer.opened),
        "device": device,
        "loader": answer.question.loader.name,
        "batch_size": settings.batch_size,
        "workers": settings.workers,
        "processes": int(os.environ.get("WORLD_SIZE", asked.processes)),
        "threads": torch.get_num_threads(),
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
