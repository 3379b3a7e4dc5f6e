"""The questions between two ends, and what they will cost, before anything is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.data import resize
from benchsuite.errors import BadParameter, DataError, expected
from benchsuite.evaluation.question import Question, RunRequest, networks
from benchsuite.explanation.ladder import Factor, carried, rungs, subsets
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.protocol_factors import ProtocolContext
from benchsuite.runs import manifest
from benchsuite.runs.plan import under
from benchsuite.specs import parameters
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import spread

LOOKED_AT = 16
"""Images whose sizes are looked at to say what a ladder costs."""


@dataclass(frozen=True, slots=True)
class LadderEnd:
    """One end of a ladder: a question, and the published figure that it stands for, if any."""

    question: Question
    printed: Published | None = None


@dataclass(frozen=True, slots=True)
class PlannedRung:
    """A rung before it is run: what changed since the one before, and the question."""

    factors: tuple[Factor, ...]
    question: Question


@dataclass(frozen=True, slots=True)
class Cost:
    """What a ladder costs at most: ``views`` distinct ones of each image; those whose logits are kept cost nothing.

    ``runs`` are the questions, ``answered`` those that have a run already; ``pixels`` are what a network sees of one
    image in all of the views, on average over the images looked at.
    """

    runs: int
    answered: int
    images: int
    views: int
    pixels: int


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """Everything that a ladder will ask, before anything is run. ``sets`` is empty unless orders are averaged."""

    ends: tuple[LadderEnd, LadderEnd]
    rungs: tuple[PlannedRung, ...]
    sets: Mapping[frozenset[str], Question]
    cost: Cost


def make_plan(start: LadderEnd, goal: LadderEnd, catalog: Catalog, *, fair: bool) -> LadderPlan:
    """The rungs from one question to another: network, weights, loader, precision and device, then the protocol.

    With ``fair``, also every set of the protocol's factors. Reads a few images for their sizes. Raises ``DataError``
    unless both ends are about the same images, and ``BadParameter`` for what no ladder leads to.
    """
    for end in (start, goal):
        if len(end.question.members) > 1:
            raise BadParameter(expected("an end of a ladder", "of one network", end.question.architecture))
    if start.question.data_digest != goal.question.data_digest:
        got = " and ".join(f"{len(e.question.samples)} of {e.question.split.name}" for e in (start, goal))
        raise DataError(expected("the ends of a ladder", "about the same images", got))
    planned = [PlannedRung((), start.question)]
    old, new = _frame(start.question, catalog), _frame(goal.question, catalog)
    protocol = carried(start.question.bound, old, new).label
    for factors, changed in _networks(start, goal):
        planned.append(PlannedRung(factors, under(goal.question, changed, protocol, catalog)))
    first = planned[-1].question.bound
    for rung in rungs(first, goal.question.bound, new)[1:]:
        planned.append(PlannedRung(rung.factors, _under(goal, rung.bound.label, catalog)))
    sets: dict[frozenset[str], Question] = {}
    if fair:
        sets = {s: _under(goal, b.label, catalog) for s, b in subsets(first, goal.question.bound, new).items()}
    return LadderPlan((start, goal), tuple(planned), sets, _cost(planned, goal.question.request, sets.values()))


def _under(goal: LadderEnd, protocol: str, catalog: Catalog) -> Question:
    """The question of the second end under another protocol."""
    return under(goal.question, goal.question.request, protocol, catalog)


def _networks(start: LadderEnd, goal: LadderEnd) -> Iterator[tuple[tuple[Factor, ...], RunRequest]]:
    """The steps that change the network or how it is computed, each with the request that makes all changes so far."""
    a, b = start.question, goal.question
    here, there = a.request, b.request
    if a.members[0].identity != b.members[0].identity:
        here = dataclasses.replace(here, **{f: getattr(there, f) for f in ("architectures", "weights", "seed")})
        both = (Factor("architecture", a.architecture, b.architecture), Factor("weights", a.weights, b.weights))
        yield tuple(f for f in both if f.before != f.after) or (Factor("weights", a.weights, "another file"),), here
    for factor, field in (
        (Factor("decoder", a.loader.name, b.loader.name), "loader"),
        (Factor("precision", a.precision, b.precision), "precision"),
        (Factor("device", a.request.device, there.device), "device"),
    ):
        if factor.before != factor.after:
            here = dataclasses.replace(here, **{field: getattr(there, field)})
            yield (factor,), here


def _frame(question: Question, catalog: Catalog) -> ProtocolContext:
    preprocess = question.members[0].weights.preprocess
    return ProtocolContext(parameters.finder(catalog.protocols), preprocess, question.split.mirror)


def _cost(planned: Sequence[PlannedRung], request: RunRequest, sets: Any) -> Cost:
    questions = {p.question.run_id: p.question for p in planned} | {q.run_id: q for q in sets}
    todo = [q for q in questions.values() if request.fresh or manifest.answered(request.results, q) is None]
    views = [v for _, made in networks(todo).values() for v in made]
    (first, *_) = planned
    split = first.question.split
    looked_at = spread(first.question.samples, LOOKED_AT) if views else ()
    seen = [view.pixels(*resize.size(split.read(sample))) for sample in looked_at for view in views]
    per_image = sum(seen) // len(looked_at) if looked_at else 0
    return Cost(len(questions), len(questions) - len(todo), len(first.question.samples), len(views), per_image)


def flat(plan: LadderPlan) -> dict[str, Any]:
    """A plan as one object."""
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
