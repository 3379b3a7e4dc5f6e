"""Carries out a plan: runs and trainings as ``benchsuite run`` and ``train`` do them, and a verdict for each figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchsuite.errors import WeightsError
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.reproduce.choices import OpenChoice, open_accounting
from benchsuite.explanation.reproduce.plan import (
    NotPlanned,
    Planned,
    PlannedTraining,
    ReproductionPlan,
    passes,
)
from benchsuite.explanation.reproduce.verdict import Judgement, Verdict, judge, judge_seeds, judge_training, verdict
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

    ``what`` is the protocol; for a training ``counted ACCOUNTING, epoch N``. For trainings with several seeds,
    ``error`` is the mean of ``by_seed``, their errors by seed, and ``run_id`` the first of them.
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
    by_seed: tuple[tuple[int, Fraction], ...] = ()


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
        done = [training_run.carry_out(job, request, progress) for request, job in planned.trainings]
        results = planned.trainings[0][0].results
        return trained_outcome(planned.row, planned.accountings, done, results, planned.reasons)
    if lacks := tuple(dict.fromkeys(missing[q.run_id] for q in planned.questions if q.run_id in missing)):
        return Outcome(planned.row, verdict((), lacks), (), lacks)
    own = planned.questions[0].members[0].weights.recipe is not None
    measured = tuple(counted(planned.row, rows[question.run_id], own=own) for question in planned.questions)
    found = verdict([one.judgement for one in measured], planned.reasons)
    return Outcome(planned.row, found, measured, planned.reasons, planned.choices, planned.assumed)


def counted(figure: Published, row: Row, *, own: bool) -> Measured:
    """A run beside a figure. With ``own``, a recipe of the data set trained the weights here: another training."""
    printed, k = _printed(figure), f"top{figure.k}"
    wrong = Count(row[f"{k}_errors"], row["n"])
    if own:
        judgement = judge_training(printed, wrong.ratio, wrong.total)
    else:
        judgement = judge(printed, wrong, row["of"], row["near_ties"][k])
    names = ("run_id", "path", "architecture", "weights", "dataset", "n", "of")
    same = {name: row[name] for name in names}
    return Measured(what=row["protocol"], error=wrong.ratio, judgement=judgement, **same)


def _printed(figure: Published) -> Decimal:
    assert figure.error is not None, "only figures with a value are planned"
    return figure.error


def trained_outcome(
    figure: Published, accountings: Sequence[str], rows: Sequence[Row], results: Path, reasons: tuple[str, ...]
) -> Outcome:
    """A figure beside trainings by one recipe, a row for each seed, counted by each of the accountings."""
    measured = tuple(_trained(figure, name, rows, results) for name in accountings)
    found = verdict([one.judgement for one in measured], reasons)
    return Outcome(figure, found, measured, reasons, open_accounting(accountings))


def _trained(figure: Published, accounting: str, rows: Sequence[Row], results: Path) -> Measured:
    """A training beside the figure, with one seed or several, counted by an accounting that the source may have used.

    If the accounting reports nothing for so few epochs, the last epoch is counted exactly.
    """
    first, printed = rows[0], _printed(figure)
    counts = [_counted_as(results, accounting, row) for row in rows]
    errors, name = [error for error, _, _ in counts], counts[0][1]
    seeds = [row["seed"] for row in rows]
    if len(rows) == 1:
        judgement, which = judge_training(printed, errors[0], first["n"]), f"epoch {counts[0][2]}"
    else:
        judgement, which = judge_seeds(printed, errors), f"mean of {len(rows)} seeds"
    by = f"seed {seeds[0]}" if len(rows) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    return Measured(
        what=f"counted {name}, {which}",
        weights=f"trained by {first['recipe']}, {by}",
        error=sum(errors, start=Fraction(0)) / len(errors),
        of=first["n"],
        judgement=judgement,
        by_seed=tuple(zip(seeds, errors, strict=True)) if len(rows) > 1 else (),
        **{name: first[name] for name in ("run_id", "path", "architecture", "dataset", "n")},
    )


def _counted_as(results: Path, accounting: str, row: Row) -> tuple[Fraction, str, int]:
    """The error of a training as a share, the name of its accounting, and the epoch."""
    passes_ = correctness.read(results, row["path"])
    source = as_source(accounting, passes_.correct, passes_.batch_size or 1, passes_.heldout)
    if source is None:
        return Fraction(row["top1_errors"], row["n"]), "exact", row["epochs"]
    return Fraction(source["top1_error"]) / 100, source["accounting"], source["epoch"]


def flat(outcome: Outcome) -> dict[str, Any]:
    """An outcome as one object for JSON: errors, bounds and differences are unrounded percentages.

    ``value`` is the text of the figure as printed.
    """
    row, best, span = outcome.row, outcome.best, outcome.span
    data: dict[str, Any] = {
        "id": row.id,
        "verdict": outcome.verdict,
        "reasons": list(outcome.reasons),
        "assumed": list(outcome.assumed),
        "metric": f"top{row.k}_error",
        "printed": float(row.error or 0),
        **{name: getattr(row, name) for name in ("value", "model", "source", "url", "status", "accounting")},
        "open": [dataclasses.asdict(choice) for choice in outcome.choices],
        "least": None if span is None else float(span[0]),
        "most": None if span is None else float(span[1]),
        "measurements": [_flat_measured(one) for one in outcome.measured],
    }
    return data | {"measured": None if best is None else float(100 * best.error)}


def _flat_measured(one: Measured) -> dict[str, Any]:
    judgement = dataclasses.asdict(one.judgement)
    numbers = {name: float(judgement[name]) for name in ("off", "low", "high")}
    by_seed = [{"seed": seed, "error": float(100 * error)} for seed, error in one.by_seed]
    own = {"error": float(100 * one.error), "judgement": judgement | numbers, "by_seed": by_seed}
    return dataclasses.asdict(one) | own
