"""Plans a ladder: the questions between its two ends and what they will cost. Nothing is run here.

The modules in the order of their work: ``ladder_ends``, ``ladder_plan`` (this one), ``ladder``, ``ladder_run``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.data import resize
from benchsuite.errors import BadParameter, DataError, expected
from benchsuite.evaluation.question import Member, Question, RunRequest, networks
from benchsuite.explanation.ladder import Factor, carried_over, rungs, subsets
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.protocol_factors import ProtocolContext
from benchsuite.runs import manifest
from benchsuite.runs.plan import plan, under
from benchsuite.specs import parameters
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import spread
from benchsuite.specs.parameters import Bound
from benchsuite.specs.preprocess import in_words, normalisation_in_words

LOOKED_AT = 16
"""Number of images that are read, for their sizes, to estimate the pixels of a ladder."""


@dataclass(frozen=True, slots=True)
class LadderEnd:
    """One end of a ladder: a question, and the published figure that it reproduces, if any.

    ``digest`` is that of the tensors that a finished run was computed with; empty if none is finished.
    """

    question: Question
    published: Published | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """A rung before it is run: its question, and the factors that changed since the rung before."""

    factors: tuple[Factor, ...]
    question: Question


@dataclass(frozen=True, slots=True)
class Cost:
    """An upper bound on the cost of some questions; it is less where logits are cached.

    ``runs`` counts the questions, ``answered`` those that have a finished run already. ``views`` counts the distinct
    views of each image that the others need. ``pixels`` is the number of input pixels of one image over all these
    views, averaged over the images that were read.
    """

    runs: int
    answered: int
    images: int
    views: int
    pixels: int


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """All questions of a ladder, before anything is run.

    ``sets`` has the question for each set of changed factors, by their names; empty unless orders are averaged.
    """

    ends: tuple[LadderEnd, LadderEnd]
    rungs: tuple[PlannedRung, ...]
    sets: Mapping[frozenset[str], Question]
    cost: Cost


def make_plan(start: LadderEnd, goal: LadderEnd, catalog: Catalog, *, shapley: bool) -> LadderPlan:
    """The plan of a ladder between two questions. Network and weights change first, then loader, precision and device.

    If the weights are the same tensors, their normalisation and their transforms change instead, one after the other.
    The factors of the protocol change last. With ``shapley``, the plan also has a question for every set of these
    factors. Reads a few images for their sizes. Raises ``DataError`` unless both ends have the same images, and
    ``BadParameter`` for an ensemble; with ``shapley`` also for protocols whose orders cannot be averaged.
    """
    for end in (start, goal):
        if len(end.question.members) > 1:
            raise BadParameter(expected("an end of a ladder", "of one network", end.question.architecture))
    if start.question.data_digest != goal.question.data_digest:
        got = " and ".join(f"{len(e.question.samples)} of {e.question.split.name}" for e in (start, goal))
        raise DataError(expected("the ends of a ladder", "evaluated on the same images", got))
    planned = [PlannedRung((), start.question)]
    old, new = context_of(start.question, catalog), context_of(goal.question, catalog)
    protocol = carried_over(start.question.bound, old, new)
    network, changed = _networks(start, goal, protocol, catalog)
    planned += network
    for factor, request in _ways_to_compute(start, goal, changed):
        planned.append(PlannedRung((factor,), under(goal.question, request, protocol.label, catalog)))
    first = planned[-1].question.bound if len(planned) > 1 else protocol
    for rung in rungs(first, goal.question.bound, new)[1:]:
        planned.append(PlannedRung(rung.factors, _with_protocol(goal, rung.bound.label, catalog)))
    sets: dict[frozenset[str], Question] = {}
    if shapley:
        sets = {s: _with_protocol(goal, b.label, catalog) for s, b in subsets(first, goal.question.bound, new).items()}
    return LadderPlan((start, goal), tuple(planned), sets, cost_of([*(p.question for p in planned), *sets.values()]))


def _with_protocol(goal: LadderEnd, protocol: str, catalog: Catalog) -> Question:
    """The question of the second end, with another protocol."""
    return under(goal.question, goal.question.request, protocol, catalog)


def _networks(
    start: LadderEnd, goal: LadderEnd, protocol: Bound, catalog: Catalog
) -> tuple[list[PlannedRung], RunRequest]:
    """The rungs that change the network, under the protocol of the start, and the request that has all their changes.

    Other weights come with their normalisation: one rung for all. For the same tensors, each change has its own rung,
    and there is none where only sizes or resampling differ, as these are factors of the protocol.
    """
    a, b = start.question.members[0], goal.question.members[0]
    request, wanted = start.question.request, goal.question.request
    if a.identity == b.identity:
        return [], request
    fields = ("architectures", "weights", "preprocess", "transforms", "seed")
    request = dataclasses.replace(request, **{f: getattr(wanted, f) for f in fields})
    last = under(goal.question, request, protocol.label, catalog)
    names = [Factor("architecture", a.architecture.name, b.architecture.name)]
    changed = [", ".join(t.name for t in m.weights.transforms) or "none" for m in (a, b)]
    normalisation, transforms = _normalisation(a, b), Factor("transforms", *changed)
    if not _same_tensors(start, goal):
        factors = (*names, Factor("weights", a.weights.label, b.weights.label), normalisation)
        different = tuple(f for f in factors if f.before != f.after)
        return [PlannedRung(different or (Factor("weights", a.weights.label, "another file"),), last)], request
    each = [f for f in (normalisation, transforms) if f.before != f.after]
    if len(each) == 2:
        between = dataclasses.replace(request, transforms=start.question.request.transforms)
        (middle,) = plan(dataclasses.replace(between, protocols=(protocol.label,)), catalog)
        return [PlannedRung((each[0],), middle), PlannedRung((each[1],), last)], request
    if not each and protocol.label != goal.question.bound.label and last.members[0].views == a.views:
        return [], request
    return [PlannedRung((each[0] if each else _unlike(a, b),), last)], request


def _same_tensors(start: LadderEnd, goal: LadderEnd) -> bool:
    """Whether both ends are one network with the same tensors, before any transform of them."""
    a, b = start.question.members[0], goal.question.members[0]
    if a.architecture.name != b.architecture.name:
        return False
    own: dict[str, Any] = {"label": "", "key": "", "origin": "", "transforms": (), "preprocess": a.weights.preprocess}
    if dataclasses.replace(a.weights, **own) == dataclasses.replace(b.weights, **own):
        return True
    return a.weights.transforms == b.weights.transforms and "" != start.digest == goal.digest


def _normalisation(a: Member, b: Member) -> Factor:
    """The mean, the deviation, the order and the range of the channels, those that differ; empty where none does."""
    words = zip(*(normalisation_in_words(m.weights.preprocess) for m in (a, b)), strict=True)
    different = [pair for pair in words if pair[0] != pair[1]]
    before, after = (", ".join(pair[i] for pair in different) for i in (0, 1))
    return Factor("normalisation", before, after)


def _unlike(a: Member, b: Member) -> Factor:
    """What differs between two members of the same tensors and the same normalisation."""
    sizes = [in_words(m.weights.preprocess) for m in (a, b)]
    if sizes[0] != sizes[1]:
        return Factor("preprocessing", *sizes)
    return Factor("weights", a.weights.label, f"{b.weights.label}, the same tensors")


def _ways_to_compute(start: LadderEnd, goal: LadderEnd, request: RunRequest) -> Iterator[tuple[Factor, RunRequest]]:
    """The changes of how the network is computed, each with ``request`` and all changes so far."""
    a, b = start.question, goal.question
    for factor, field in (
        (Factor("decoder", a.loader.name, b.loader.name), "loader"),
        (Factor("precision", a.precision, b.precision), "precision"),
        (Factor("device", a.request.device, b.request.device), "device"),
    ):
        if factor.before != factor.after:
            request = dataclasses.replace(request, **{field: getattr(b.request, field)})
            yield factor, request


def context_of(question: Question, catalog: Catalog) -> ProtocolContext:
    """What the views of a protocol depend on, for the network and the images of a question."""
    preprocess = question.members[0].weights.preprocess
    return ProtocolContext(parameters.finder(catalog.protocols), preprocess, question.split.mirror)


def cost_of(asked: Sequence[Question]) -> Cost:
    """The cost of questions about the same images, those asked twice counted once. Reads a few images for their sizes.

    Finished runs count as answered, unless the request of the first question is to evaluate again.
    """
    first, questions = asked[0], {q.run_id: q for q in asked}
    fresh, results = first.request.fresh, first.request.results
    todo = [q for q in questions.values() if fresh or manifest.answered(results, q) is None]
    views = [v for _, distinct_views in networks(todo).values() for v in distinct_views]
    looked_at = spread(first.samples, LOOKED_AT) if views else ()
    pixels = [view.pixels(*resize.size(first.split.read(sample))) for sample in looked_at for view in views]
    per_image = sum(pixels) // len(looked_at) if looked_at else 0
    return Cost(len(questions), len(questions) - len(todo), len(first.samples), len(views), per_image)


def flat(plan: LadderPlan) -> dict[str, Any]:
    """A plan as one object for JSON, with the command of each rung; of ``sets`` only their number."""
    rungs = [
        {
            "run_id": rung.question.run_id,
            "architecture": rung.question.architecture,
            "weights": rung.question.weights,
            "protocol": rung.question.bound.label,
            "factors": [dataclasses.asdict(factor) for factor in rung.factors],
            "command": manifest.command(rung.question),
        }
        for rung in plan.rungs
    ]
    return {"rungs": rungs, "sets": len(plan.sets), "cost": dataclasses.asdict(plan.cost)}
