"""The manifest of a run: everything that is needed to repeat it. Also its flat form, a row of results."""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from benchsuite.evaluation import preprocessing
from benchsuite.evaluation.question import MODULE, TOLERANCE, Member, Question
from benchsuite.evaluation.timing import Seconds
from benchsuite.evaluator import Answer, OpenNetwork, Settings
from benchsuite.runs import auto_precision, group_errors, profile
from benchsuite.specs.parameters import show
from benchsuite.specs.view import view_data
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson
from benchsuite.storage.environment import environment
from benchsuite.storage.run_folder import read_manifest


def folder(results: Path, question: Question) -> Path:
    """The folder of a run: RESULTS/runs/RUN-ID."""
    return results / "runs" / question.run_id


def answered(results: Path, question: Question) -> dict[str, Any] | None:
    """The manifest of a finished run that answers the question; None if there is none.

    A run on files whose size or modification time has changed since does not count.
    """
    manifest = read_manifest(folder(results, question))
    same = manifest is not None and manifest["dataset"]["fingerprint"] == question.fingerprint
    return manifest if same else None


def make(answer: Answer, settings: Settings, device: str, shared: list[str]) -> dict[str, Any]:
    """The manifest of an answer, as JSON data. ``shared`` are the protocols that shared a network with it.

    A run on a cluster gets ``nodes`` in addition, and what its nodes say of the numerics.
    """
    q = answer.question
    request, names = q.request, q.split.groups
    seconds = sum((o.seconds for o in answer.opened), Seconds())
    rate = seconds.images / seconds.total if seconds.total else None
    return {
        "run_id": q.run_id,
        "benchsuite": metadata.version("benchsuite"),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command(q),
        "asked": {
            "architecture": q.architecture,
            "protocol": q.bound.label,
            **{k: getattr(request, k) for k in ("data", "weights", "loader", "precision", "device", "limit", "seed")},
            **({"preprocess": request.preprocess} if request.preprocess else {}),
            **({"transforms": list(request.transforms)} if request.transforms else {}),
            "question": q.identity,
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
        "numerics": _numerics(answer, settings, device),
        "counts": {**answer.counts, "tolerance": TOLERANCE[q.precision]},
        **({"groups": group_errors.section(names, answer.columns, q.dataset.baseline)} if names else {}),
        "seconds": {n: getattr(seconds, n) for n in ("decode", "wait", "resize", "prepare", "forward", "total")},
        "images_computed": seconds.images,
        "profile": profile.record(answer.opened, device),
        "images_per_second": rate,
        "shared_pass": shared,
        **environment(),
    }


def _member(member: Member, opened: OpenNetwork) -> dict[str, Any]:
    """One network of a run: its weights, preprocessing and views."""
    return {
        "architecture": member.architecture.name,
        "owner": member.owner,
        "weights": {
            "label": member.weights.label,
            "key": member.weights.key,
            "digest": opened.digest,
            **({"reading": opened.reading} if opened.reading else {}),
        },
        "preprocess": dataclasses.asdict(member.weights.preprocess),
        **preprocessing.recorded(member.weights, member.architecture),
        "views": [view_data(v) for v in member.views],
        "combine": dataclasses.asdict(member.combine),
    }


def _dataset(question: Question) -> dict[str, Any]:
    """The images of a run: how many of the split were evaluated, and digests that identify them."""
    split = question.split
    return {
        "name": split.name,
        "n": len(question.samples),
        "of": len(split.samples),
        "classes": len(split.classes),
        **({"among": len(split.among)} if split.among else {}),
        **({"conversion": split.conversion.options} if split.conversion.options else {}),
        "mirror": split.mirror,
        "digest": question.data_digest,
        "fingerprint": question.fingerprint,
    }


def _numerics(answer: Answer, settings: Settings, device: str) -> dict[str, Any]:
    """What affects rounding and speed: the precision and its checks, the device, the loader, batches, threads."""
    import torch

    return {
        "precision": answer.question.precision,
        "chosen": list(answer.question.precision_checks),
        "compiled": answer.question.request.compiled,
        "folded": sum(o.folded for o in answer.opened),
        "device": device,
        "loader": answer.question.loader.name,
        **({"decoder": decoder()} if (decoder := answer.question.loader.decoder) is not None else {}),
        "batch_size": settings.batch_size,
        "workers": settings.workers,
        "processes": int(os.environ.get("WORLD_SIZE", answer.question.request.processes)),
        "threads": torch.get_num_threads(),
    }


def command(question: Question) -> str:
    """The command line that repeats the run of a question; for a module, which has no name there, the call."""
    request, ensemble = question.request, question.bound.inner is not None
    if any(m.owner == MODULE for m in question.members):
        given = ", ".join(m.architecture.name for m in question.members)
        options = [f"{o}={getattr(request, o)!r}" for o in ("data", "limit") if getattr(request, o) is not None]
        words = [f"[{given}]", repr(question.bound.label), *options, f"precision={question.precision!r}"]
        return f"benchsuite.evaluate({', '.join(words)})"
    names = request.architectures if ensemble else [m.architecture.name for m in question.members]
    words = ["benchsuite", "run", *names, "-p", question.bound.label]
    for option in ("data", "weights", "preprocess", "limit"):
        value = getattr(request, option)
        words += [f"--{option}", str(value)] if value is not None else []
    words += [word for text in request.transforms for word in ("--transform", text)]
    words += ["--precision", question.precision] if not _by_default(question) else []
    words += ["--loader", question.loader.name] if not question.loader.exact else []
    words += ["--seed", str(request.seed)] if request.seed else []
    return " ".join(words)


def _by_default(question: Question) -> bool:
    """Whether ``--precision auto`` would choose this precision for the question alone, so that it need not be given."""
    checked = bool(question.precision_checks) or not auto_precision.worth_it([question])
    return question.request.precision == "auto" and question.precision == "fp32" and checked


def result_row(manifest: Mapping[str, Any], path: str, cached: bool) -> dict[str, Any]:
    """A run as the flat object of ``run --json``: counts are integers, errors and intervals unrounded percentages.

    ``resize``, ``crop`` and ``interpolation`` list the values of its views. ``of`` is the size of the whole split, and
    ``exact`` is true if the pixels were those of the reference decoder. ``among`` is the number of classes if answers
    were chosen from some classes only. ``conversion`` has the options by which images became RGB, if any were given. If
    labels were reassessed, ``real_n`` images have reassessed labels, and the answer to ``real_errors`` of these images
    is none of them. Under attack, ``vanished`` counts the images whose gradient is zero everywhere. ``groups``
    counts errors by groups of images, if there are any. ``reading`` says was done to files of weights, if anything was.
    ``preprocessing`` is a text for each network with another
    preprocessing. ``borders`` lists those that crops reach into, as ``[pixels, kind]``. ``own_size`` and ``enlarged``
    are the short side of weights without a margin and the larger ones of the views, if there are any.
    """
    request, counts, views = manifest["asked"], manifest["counts"], manifest["views"]
    weights = [m["weights"] for m in manifest.get("members", ()) if "weights" in m]
    prepared = preprocessing.of_manifest(manifest)
    readings = [w["reading"] for w in weights if "reading" in w]
    n, top1, top5 = counts["n"], counts["top1_errors"], counts["top5_errors"]
    sizes = {tuple(v["resize"]) if isinstance(v["resize"], list) else v["resize"] for v in views}
    return {
        "run_id": manifest["run_id"],
        "path": path,
        "architecture": manifest["architecture"]["name"],
        "weights": manifest["weights"]["label"],
        "protocol": manifest["protocol"]["label"],
        "dataset": manifest["dataset"]["name"],
        "n": n,
        "top1_errors": top1,
        "top1_error": 100 * top1 / n,
        "top1_interval": [100 * bound for bound in wilson(Count(top1, n))],
        "top5_errors": top5,
        "top5_error": 100 * top5 / n,
        "views": len(views),
        "precision": manifest["numerics"]["precision"],
        "loader": request["loader"],
        "exact": request.get("question", {}).get("loader") is None,
        "images_per_second": manifest["images_per_second"],
        "seconds": dict(manifest["seconds"]),
        "cached": cached,
        "limit": request["limit"],
        "near_ties": {k: counts[f"{k}_near_ties"] for k in ("top1", "top5")} | {"tolerance": counts["tolerance"]},
        "of": manifest["dataset"]["of"],
        "resize": sorted(sizes, key=lambda size: size if isinstance(size, tuple) else (size, size)),
        "crop": sorted({view["crop"]["size"] for view in views if view["crop"]}),
        "interpolation": sorted({view["interpolation"] for view in views}),
        **{name: manifest["dataset"][name] for name in ("among", "conversion") if name in manifest["dataset"]},
        **_real(counts),
        **({"vanished": counts["vanished"]} if "vanished" in counts else {}),
        **group_errors.keys(manifest),
        **({"reading": readings} if readings else {}),
        **_made_room(manifest),
        **({"preprocessing": prepared} if prepared else {}),
    }


def _made_room(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """``borders``, if a view has one; ``own_size`` and ``enlarged``, if there is no margin and a view makes one."""
    borders = sorted({(v["pad"], v["border"]) for v in manifest["views"] if "pad" in v})
    row: dict[str, Any] = {"borders": [list(border) for border in borders]} if borders else {}
    for member in (m for m in manifest.get("members", ()) if "preprocess" in m):
        own, shorts = _short(member["preprocess"]), {_short(view) for view in member["views"]}
        larger = sorted(short for short in shorts if short > own)
        if own == member["preprocess"]["crop"] and larger:
            row |= {"own_size": own, "enlarged": larger}
    return row


def _short(sizes: Mapping[str, Any]) -> int:
    """The shorter side that a view or a preprocessing resizes to."""
    resize = sizes["resize"]
    return int(resize if isinstance(resize, int) else min(resize))


def _real(counts: Mapping[str, int]) -> dict[str, Any]:
    """The keys about reassessed labels, if there are any. Error and interval are None if no image has such a label."""
    if "real_n" not in counts:
        return {}
    n, errors = counts["real_n"], counts["real_errors"]
    interval = [100 * bound for bound in wilson(Count(errors, n))] if n else None
    return {
        "real_n": n,
        "real_errors": errors,
        "real_error": 100 * errors / n if n else None,
        "real_interval": interval,
    }
