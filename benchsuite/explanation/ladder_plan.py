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
from benchsuite.evaluation.question import Question, RunRequest, networks
from benchsuite.explanation.ladder import Factor, carried_over, rungs, subsets
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.protocol_factors import ProtocolContext
from benchsuite.runs import manifest
from benchsuite.runs.plan import under
from benchsuite.specs import parameters
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import spread

LOOKED_AT = 16
"""Number of images that are read, for their sizes, to estimate the pixels of a ladder."""


@dataclass(frozen=True, slots=True)
class LadderEnd:
    """One end of a ladder: a question, and the published figure that it reproduces, if any."""

    question: Question
    published: Published | None = None


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
    protocol = carried_over(start.question.bound, old, new).label
    for factors, changed in _network_steps(start, goal):
        planned.append(PlannedRung(factors, under(goal.question, changed, protocol, catalog)))
    first = planned[-1].question.bound
    for rung in rungs(first, goal.question.bound, new)[1:]:
        planned.append(PlannedRung(rung.factors, _with_protocol(goal, rung.bound.label, catalog)))
    sets: dict[frozenset[str], Question] = {}
    if shapley:
        sets = {s: _with_protocol(goal, b.label, catalog) for s, b in subsets(first, goal.question.bound, new).items()}
    return LadderPlan((start, goal), tuple(planned), sets, cost_of([*(p.question for p in planned), *sets.values()]))


def _with_protocol(goal: LadderEnd, protocol: str, catalog: Catalog) -> Question:
    """The question of the second end, with another protocol."""
    return under(goal.question, goal.question.request, protocol, catalog)


def _network_steps(start: LadderEnd, goal: LadderEnd) -> Iterator[tuple[tuple[Factor, ...], RunRequest]]:
    """The changes of the network and of how it is computed, each with the request that has all changes so far."""
    a, b = start.question, goal.question
    request, wanted = a.request, b.request
    if a.members[0].identity != b.members[0].identity:
        network = ("architectures", "weights", "preprocess", "transforms", "seed")
        request = dataclasses.replace(request, **{f: getattr(wanted, f) for f in network})
        both = (Factor("architecture", a.architecture, b.architecture), Factor("weights", a.weights, b.weights))
        yield tuple(f for f in both if f.before != f.after) or (Factor("weights", a.weights, "another file"),), request
    for factor, field in (
        (Factor("decoder", a.loader.name, b.loader.name), "loader"),
        (Factor("precision", a.precision, b.precision), "precision"),
        (Factor("device", a.request.device, wanted.device), "device"),
    ):
        if factor.before != factor.after:
            request = dataclasses.replace(request, **{field: getattr(wanted, field)})
            yield (factor,), request


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
