"""Carries out a plan: runs and trainings as ``benchsuite run`` and ``train`` do them, and a verdict for each figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchsuite.errors import WeightsError
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.reproduce.choices import OpenChoice
from benchsuite.explanation.reproduce.plan import (
    NotPlanned,
    Planned,
    PlannedRun,
    PlannedTraining,
    ReproductionPlan,
    passes,
)
from benchsuite.explanation.reproduce.verdict import Judgement, Verdict, judge, judge_training, verdict
from benchsuite.progress import Progress
from benchsuite.runs.run import answer
from benchsuite.stats.metrics import Count
from benchsuite.storage import correctness
from benchsuite.training import run as training_run
from benchsuite.training.manifest import as_source

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement of a figure. ``error`` is a share of ``n`` images, of the ``of`` in the split.

    ``what`` is the protocol; for a training ``counted ACCOUNTING, epoch N``.
    """

    what: str
    run_id: str
    path: str
    architecture: str
    weights: str
    dataset: str
    error: Fraction
    n: int
    of: int
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Outcome:
    """A figure beside its measurements: the protocol as stated first, then other open choices of the same views.

    ``reasons`` say why a figure is not comparable, what is missing if nothing was measured. ``assumed`` is what the
    user vouches for.
    """

    row: Published
    verdict: Verdict
    measured: tuple[Measured, ...]
    reasons: tuple[str, ...]
    choices: tuple[OpenChoice, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def best(self) -> Measured | None:
        """The first measurement that agrees, if any may, else the one as stated; None if nothing was measured."""
        agreeing = (one for one in self.measured if one.judgement.agrees and not self.reasons)
        return next(agreeing, next(iter(self.measured), None))

    @property
    def span(self) -> tuple[Fraction, Fraction] | None:
        """The least and the greatest measured error rate in percent, over the open choices; None without a choice."""
        errors = [100 * one.error for one in self.measured]
        return (min(errors), max(errors)) if len(errors) > 1 else None


def carry_out(plan: ReproductionPlan, progress: Progress) -> tuple[Outcome, ...]:
    """The outcomes of a plan, in its order. Finished runs and trainings are read; views are shared and cached.

    Weights that cannot be had, for want of a connection or for another reason, are a reason of their figures. Any other
    error of a run is raised; what was finished before it is kept.
    """
    rows, missing = dict[str, Row](), dict[str, str]()
    noted = dict.fromkeys(line for one in plan.runs for line in one.questions[0].split.notes)
    for line in noted:
        progress.note(line)
    for questions in passes(plan.runs):
        try:
            rows |= {row["run_id"]: row for row in answer(questions[0].request, questions, progress)}
        except WeightsError as error:
            missing |= {question.run_id: str(error) for question in questions}
    return tuple(_outcome(one, rows, missing, progress) for one in plan.planned)


def _outcome(planned: Planned, rows: Mapping[str, Row], missing: Mapping[str, str], progress: Progress) -> Outcome:
    if isinstance(planned, NotPlanned):
        return Outcome(planned.row, verdict((), planned.missing), (), planned.missing)
    if isinstance(planned, PlannedTraining):
        trained = _trained(planned, progress)
        return Outcome(planned.row, verdict([trained.judgement], planned.reasons), (trained,), planned.reasons)
    if lacks := tuple(dict.fromkeys(missing[q.run_id] for q in planned.questions if q.run_id in missing)):
        return Outcome(planned.row, verdict((), lacks), (), lacks)
    measured = tuple(_counted(planned, rows[question.run_id]) for question in planned.questions)
    found = verdict([one.judgement for one in measured], planned.reasons)
    return Outcome(planned.row, found, measured, planned.reasons, planned.choices, planned.assumed)


def _counted(planned: PlannedRun, row: Row) -> Measured:
    """A run beside the figure. Weights that a recipe of the data set trained here are another training."""
    printed, k = planned.row.error, f"top{planned.row.k}"
    assert printed is not None, "only figures with a value are planned"
    wrong = Count(row[f"{k}_errors"], row["n"])
    if planned.questions[0].members[0].weights.recipe is None:
        judgement = judge(printed, wrong, row["of"], row["near_ties"][k])
    else:
        judgement = judge_training(printed, wrong.ratio, wrong.total)
    names = ("run_id", "path", "architecture", "weights", "dataset", "n", "of")
    same = {name: row[name] for name in names}
    return Measured(what=row["protocol"], error=wrong.ratio, judgement=judgement, **same)


def _trained(planned: PlannedTraining, progress: Progress) -> Measured:
    """A training beside the figure, counted as its source counted."""
    row = training_run.carry_out(planned.job, planned.request, progress)
    passes_, printed = correctness.read(planned.request.results, row["path"]), planned.row.error
    assert printed is not None, "only figures with a value are planned"
    source = as_source(planned.accounting, passes_.correct, passes_.batch_size or 1, passes_.heldout)
    error, what = Fraction(row["top1_errors"], row["n"]), f"exact, epoch {row['epochs']}"
    if source is not None:
        error = Fraction(source["top1_error"]) / 100
        what = f"{source['accounting']}, epoch {source['epoch']}"
    return Measured(
        what=f"counted {what}",
        weights=f"trained by {row['recipe']}, seed {row['seed']}",
        error=error,
        of=row["n"],
        judgement=judge_training(printed, error, row["n"]),
        **{name: row[name] for name in ("run_id", "path", "architecture", "dataset", "n")},
    )


def flat(outcome: Outcome) -> dict[str, Any]:
    """An outcome as one object for JSON: errors, bounds and differences are unrounded percentages."""
    row, best, span = outcome.row, outcome.best, outcome.span
    data: dict[str, Any] = {
        "id": row.id,
        "verdict": outcome.verdict,
        "reasons": list(outcome.reasons),
        "assumed": list(outcome.assumed),
        "metric": f"top{row.k}_error",
        "printed": float(row.error or 0),
        **{name: getattr(row, name) for name in ("model", "source", "url", "status", "accounting")},
        "open": [dataclasses.asdict(choice) for choice in outcome.choices],
        "least": None if span is None else float(span[0]),
        "most": None if span is None else float(span[1]),
        "measurements": [_flat_measured(one) for one in outcome.measured],
    }
    return data | {"measured": None if best is None else float(100 * best.error)}


def _flat_measured(one: Measured) -> dict[str, Any]:
    judgement = dataclasses.asdict(one.judgement)
    numbers = {name: float(judgement[name]) for name in ("off", "low", "high")}
    return dataclasses.asdict(one) | {"error": float(100 * one.error)} | {"judgement": judgement | numbers}
