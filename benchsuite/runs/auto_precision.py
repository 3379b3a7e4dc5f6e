"""``--precision auto``: a lower precision, if a check shows that the network then gives the same answers.

A decision is about one network and one set of images. It is made once, from 64 of the images, and kept in the cache.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.evaluation.question import TOLERANCE, ImageSource, Member, Question, at_precision, networks
from benchsuite.evaluator import OpenNetwork, Settings, fill
from benchsuite.specs.combine import softmax
from benchsuite.specs.dataset import Sample, Split, spread
from benchsuite.specs.loader import Loader
from benchsuite.specs.perturbation import Perturbation, perturbation_data
from benchsuite.specs.preprocess import center
from benchsuite.specs.view import View
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")

SAMPLE = 64
"""How many images, evenly spaced, are computed in float32 and in a lower precision."""

WORTH = 4
"""A check is made only if a run has this many times the pixels of the sample. At twice the speed it pays from 3 on."""

USUAL = 224
"""Side in pixels. Smaller crops count as crops of this side, because runs on small images are short anyway."""

BOUNDS = {"tf32": 0.01, "fp16": 0.01, "bf16": 0.05}
"""Largest allowed difference of logits, relative to the largest one, after subtracting each image's mean over classes.

Softmax does not depend on that mean.
"""

FLIPS = SAMPLE // 16
"""How many of the sample's images may change their top-1 class, if each is a near tie."""

NetworkOpener = Callable[[Member, str], OpenNetwork]
"""Opens a network in a precision. Its images are read by ``READER``."""


def _one_by_one(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
    return (then(split.read(sample), 0.0) for sample in samples)


READER = Loader("reference", images=_one_by_one, exact=True, note="the images of a check, whatever the run's loader is")


@dataclass(frozen=True, slots=True)
class Trial:
    """How precisions are tried. ``device`` is the device's name as the user gave it.

    ``precisions()`` returns the precisions to try, the fastest first. It and ``open_network`` are called only if the
    cache holds no decision.
    """

    device: str
    open_network: NetworkOpener
    precisions: Callable[[], tuple[str, ...]]


def in_chosen_precision(questions: Sequence[Question], trial: Trial) -> Iterator[Question]:
    """The questions, planned in float32, in the precision that ``auto`` chooses.

    If there is little to compute they stay in float32, unchecked. The networks of an ensemble share one precision.
    """
    if not worth_it(questions):
        yield from questions
        return
    decisions = {
        identity: decide(questions[0], member, trial, perturbations(views))
        for identity, (member, views) in networks(questions).items()
    }
    for question in questions:
        checks = tuple(decisions[m.identity] for m in question.members)
        names = {decision["precision"] for decision in checks}
        yield at_precision(question, names.pop() if len(names) == 1 else "fp32", checks)


def worth_it(questions: Sequence[Question]) -> bool:
    """Whether the questions need enough computation, all views together, to make a check worth its time."""
    n = len(questions[0].samples)
    for member, views in networks(questions).values():
        crop = member.weights.preprocess.crop
        if n * sum(view.pixels(1, 1) for view in views) >= WORTH * SAMPLE * max(crop, USUAL) ** 2:
            return True
    return False


def perturbations(views: Sequence[View]) -> tuple[Perturbation, ...]:
    """The distinct perturbations of the views: a precision must give the same answers for each of them too."""
    return tuple(dict.fromkeys(v.perturbation for v in views if v.perturbation is not None and not v.attacked))


def decide(question: Question, member: Member, trial: Trial, changes: tuple[Perturbation, ...] = ()) -> dict[str, Any]:
    """The decision about a network on the images of a question: read from the cache, else made and written there.

    The centre crops are compared as they are, and with each of the ``changes``.
    ``{"precision", "images", "checks": [...]}``, the checks in the order in which precisions were tried.
    """
    identity = _identity(question, member, trial.device)
    if changes:
        identity["perturbations"] = [perturbation_data(p) for p in changes]
    path = cache_dir() / "precision" / f"{keys.digest(identity)[:32]}.json"
    try:
        decision = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        decision = None
    if isinstance(decision, dict) and decision.get("precision") in TOLERANCE:
        return decision
    decision = _checked(question, member, trial, changes)
    with writing(path) as part:
        part.write_text(json.dumps(decision, ensure_ascii=False) + "\n", encoding="utf-8")
    return decision


def _checked(question: Question, member: Member, trial: Trial, changes: tuple[Perturbation, ...]) -> dict[str, Any]:
    """Computes the sample in float32 and in the precisions to try, until one passes."""
    samples, crop = spread(question.samples, SAMPLE), center(member.weights.preprocess)
    views = [crop, *(dataclasses.replace(crop, perturbation=change) for change in changes)]
    ids = [s.id for s in samples]
    source, settings = ImageSource(question.split, READER), Settings(batch_size=8, workers=1)
    precisions, checks = trial.precisions(), list[dict[str, Any]]()

    def logits(precision: str) -> list[NDArray[np.float32]]:
        network = dataclasses.replace(trial.open_network(member, precision), views=tuple(views))
        (chunk,) = fill(network, source, [samples], settings, _silent)
        return [chunk[view][0] for view in views]

    exact = logits("fp32") if precisions else None
    for precision in precisions:
        assert exact is not None, "float32 comes first"
        pairs = zip(exact, logits(precision), strict=True)
        checks.append(_worst([compared(a, b, ids, precision) for a, b in pairs]))
        if checks[-1]["passed"]:
            break
    passed = [check["precision"] for check in checks if check["passed"]]
    return {"precision": passed[0] if passed else "fp32", "images": len(samples), "checks": checks}


def compared(
    exact: NDArray[np.float32], other: NDArray[np.float32], ids: Sequence[str], precision: str
) -> dict[str, Any]:
    """Compares the logits of the same images in float32 and in ``precision``, both (n, c) float32.

    A precision passes if every logit is finite and within ``BOUNDS``, and every image keeps its top-1 class except for
    at most ``FLIPS`` near ties. A near tie is an image whose probabilities of the two classes in float32 differ by at
    most ``TOLERANCE``. ``changed`` lists the images whose class changes.
    """
    import numpy as np

    finite = bool(np.isfinite(exact).all() and np.isfinite(other).all())
    difference, changed = None, list[dict[str, Any]]()
    if finite:
        a, b = (x - x.mean(1, keepdims=True) for x in (exact.astype(np.float64), other.astype(np.float64)))
        difference = float(np.abs(a - b).max() / max(np.abs(a).max(), np.finfo(np.float64).tiny))
        before, after, p = exact.argmax(1), other.argmax(1), softmax(a)
        for i in np.flatnonzero(before != after).tolist():
            changed.append({"id": ids[i], "apart": float(p[i, before[i]] - p[i, after[i]])})
    near = len(changed) <= FLIPS and all(c["apart"] <= TOLERANCE[precision] for c in changed)
    return {
        "precision": precision,
        "difference": difference,
        "bound": BOUNDS[precision],
        "changed": changed,
        "tolerance": TOLERANCE[precision],
        "passed": difference is not None and difference <= BOUNDS[precision] and near,
    }


def _worst(checks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The checks of several views as one: it passes if all do, and has the largest difference of all."""
    differences = [check["difference"] for check in checks]
    return checks[0] | {
        "difference": None if None in differences else max(differences),
        "changed": [image for check in checks for image in check["changed"]],
        "passed": all(check["passed"] for check in checks),
    }


def describe_decision(decision: dict[str, Any]) -> str:
    """A decision in one line."""
    words = [f"precision auto: {decision['precision']}"]
    if not decision["checks"]:
        words.append("this device computes no precision below float32 natively")
    for check in decision["checks"]:
        words.append(f"{check['precision']} against float32 on {decision['images']} images: {_outcome(check)}")
    return "; ".join(words)


def _outcome(check: dict[str, Any]) -> str:
    if check["difference"] is None:
        return "some logits are not finite, refused"
    flips = ", ".join(f"{c['id']} ({c['apart']:.2g} apart)" for c in check["changed"])
    top1 = f"a different top-1 for {flips}" if flips else "the same top-1"
    off = f"logits off by {100 * check['difference']:.2g} % of the largest, {100 * check['bound']:g} % allowed"
    verdict = "passed" if check["passed"] else "refused"
    ties = f", near ties (within {check['tolerance']:g})" if flips and check["passed"] else ""
    return f"{top1}{ties}, {off}, {verdict}"


def _identity(question: Question, member: Member, device: str) -> dict[str, Any]:
    """What a decision depends on. Computed without importing torch, so that a cached decision is read at once."""
    return {
        "rule": [SAMPLE, FLIPS, BOUNDS, TOLERANCE],
        "scores": keys.SCORES,
        "architecture": member.architecture.name,
        "owner": member.owner,
        "weights": member.weights.key,
        "preprocess": dataclasses.asdict(member.weights.preprocess),
        "dataset": question.split.name,
        "data": question.fingerprint,
        "device": [device, platform.node(), platform.machine(), os.environ.get("CUDA_VISIBLE_DEVICES")],
        "torch": metadata.version("torch"),
    }


def _silent(steps: int) -> None:
    """Ignores progress: that of a check is not shown."""
