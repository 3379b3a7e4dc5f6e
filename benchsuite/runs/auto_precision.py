"""``--precision auto``: a lower precision only where a network has shown that it says the same as in float32.

A decision is about one network and one set of images. It is made once, from 64 of them, and kept in the user's cache.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.evaluate import OpenNetwork, Settings, fill, networks
from benchsuite.evaluation.question import TOLERANCE, Member, Question, at_precision
from benchsuite.specs.combine import softmax
from benchsuite.specs.dataset import Sample, Split, spread
from benchsuite.specs.loader import Loader
from benchsuite.specs.preprocess import center
from benchsuite.specs.view import View
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")


SAMPLE = 64
"""Images that are computed in both precisions, at even distances."""

WORTH = 4
"""How many times the pixels of that sample there must be to compute: twice the speed pays for the check from 3 on."""

USUAL = 224
"""The side in pixels below which a crop counts as one of this side: a run of small images is over soon anyway."""

BOUNDS = {"tf32": 0.01, "fp16": 0.01, "bf16": 0.05}
"""How far logits may be off, as a part of the largest one; both without the mean over classes, which means nothing."""

FLIPS = SAMPLE // 16
"""Near ties that may fall the other way."""

NetworkOpener = Callable[[Member, str], OpenNetwork]
"""Opens a network in a precision, for ``READER``."""


def _one_by_one(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
    return (then(split.read(sample), 0.0) for sample in samples)


READER = Loader("reference", images=_one_by_one, exact=True, note="the images of a check, whatever the run's loader is")


def settled(
    questions: Sequence[Question], device: str, open_network: NetworkOpener, trials: Callable[[], tuple[str, ...]]
) -> Iterator[Question]:
    """The questions, planned in float32, in the precision that ``auto`` comes to. ``device`` is what the user asked.

    Too little to compute stays in float32, unchecked. ``trials()`` are the precisions to try, the fastest first; like
    ``open_network``, it is called for what no decision is kept of. The networks of an ensemble share one precision.
    """
    if not worth_it(questions):
        yield from questions
        return
    found = {
        identity: decide(questions[0], member, device, open_network, trials)
        for identity, (member, _) in networks(questions).items()
    }
    for question in questions:
        chosen = tuple(found[m.identity] for m in question.members)
        names = {decision["precision"] for decision in chosen}
        yield at_precision(question, names.pop() if len(names) == 1 else "fp32", chosen)


def worth_it(questions: Sequence[Question]) -> bool:
    """Whether there is enough to compute, in views of all questions together, to look for a faster precision."""
    n = len(questions[0].samples)
    for member, views in networks(questions).values():
        crop = member.chosen.preprocess.crop
        if n * sum(_pixels(view) for view in views) >= WORTH * SAMPLE * max(crop, USUAL) ** 2:
            return True
    return False


def decide(
    question: Question, member: Member, device: str, open_network: NetworkOpener, trials: Callable[[], tuple[str, ...]]
) -> dict[str, Any]:
    """The decision about a network on the images of a question: the kept one, else one that is made and kept.

    ``{"precision", "images", "checks": [...]}``, the checks in the order in which precisions were tried.
    """
    path = cache_dir() / "precision" / f"{keys.digest(_about(question, member, device))[:32]}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = None
    if isinstance(kept, dict) and kept.get("precision") in TOLERANCE:
        return kept
    decision = _decided(question, member, open_network, trials())
    with writing(path) as part:
        part.write_text(json.dumps(decision, ensure_ascii=False) + "\n", encoding="utf-8")
    return decision


def _decided(question: Question, member: Member, open_network: NetworkOpener, trials: Sequence[str]) -> dict[str, Any]:
    """Computes the sample in float32 and in the precisions to try, until one passes."""
    samples, view = spread(question.samples, SAMPLE), center(member.chosen.preprocess)
    question = dataclasses.replace(question, loader=READER)
    settings, checks = Settings(batch_size=8, workers=1), list[dict[str, Any]]()

    def logits(precision: str) -> NDArray[np.float32]:
        (filled,) = fill(open_network(member, precision), question, [samples], (view,), settings, _silent)
        found: NDArray[np.float32] = filled[view][0]
        return found

    exact = logits("fp32") if trials else None
    for precision in trials:
        assert exact is not None, "float32 comes first"
        checks.append(compared(exact, logits(precision), [s.id for s in samples], precision))
        if checks[-1]["passed"]:
            break
    passed = [check["precision"] for check in checks if check["passed"]]
    return {"precision": passed[0] if passed else "fp32", "images": len(samples), "checks": checks}


def compared(
    exact: NDArray[np.float32], other: NDArray[np.float32], ids: Sequence[str], precision: str
) -> dict[str, Any]:
    """What a precision changes. (n, c) float32 logits of the same images in float32 and in ``precision``.

    It passes if every logit is finite and within ``BOUNDS``, and every image keeps its top-1 class but for at most
    ``FLIPS`` near ties: those whose two classes' probabilities in float32 are within ``TOLERANCE``. They are named.
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


def described(decision: dict[str, Any]) -> str:
    """A decision in one line."""
    words = [f"precision auto: {decision['precision']}"]
    if not decision["checks"]:
        words.append("this device computes nothing below float32 by itself")
    for check in decision["checks"]:
        words.append(f"{check['precision']} against float32 on {decision['images']} images: {_outcome(check)}")
    return "; ".join(words)


def _outcome(check: dict[str, Any]) -> str:
    if check["difference"] is None:
        return "logits that are no numbers, refused"
    flips = ", ".join(f"{c['id']} ({c['apart']:.2g} apart)" for c in check["changed"])
    top1 = f"another top-1 for {flips}" if flips else "the same top-1"
    off = f"logits off by {100 * check['difference']:.2g} % of the largest, {100 * check['bound']:g} % allowed"
    verdict = "passed" if check["passed"] else "refused"
    ties = f", near ties (within {check['tolerance']:g})" if flips and check["passed"] else ""
    return f"{top1}{ties}, {off}, {verdict}"


def _about(question: Question, member: Member, device: str) -> dict[str, Any]:
    """What a decision depends on. Known without torch, so that a kept one is found at once."""
    return {
        "rule": [SAMPLE, FLIPS, BOUNDS, TOLERANCE],
        "scores": keys.SCORES,
        "architecture": member.architecture.name,
        "owner": member.owner,
        "weights": member.chosen.key,
        "preprocess": dataclasses.asdict(member.chosen.preprocess),
        "dataset": question.split.name,
        "data": question.fingerprint,
        "device": [device, platform.node(), platform.machine(), os.environ.get("CUDA_VISIBLE_DEVICES")],
        "torch": metadata.version("torch"),
    }


def _pixels(view: View) -> int:
    """How many pixels of a square image a network sees in a view."""
    if view.crop is not None:
        return view.crop.size**2
    height, width = view.resize if isinstance(view.resize, tuple) else (view.resize, view.resize)
    return height * width


def _silent(steps: int) -> None:
    """The check is no part of the progress."""
