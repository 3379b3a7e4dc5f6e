"""Measures a ladder: each rung is an ordinary run, compared image by image with the rung before.

The modules in the order of their work: ``ladder_ends``, ``ladder_plan``, ``ladder``, ``ladder_run`` (this one).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, expected
from benchsuite.explanation.comparison import Paired, paired, paired_data
from benchsuite.explanation.ladder import Factor
from benchsuite.explanation.ladder_plan import Cost, LadderPlan, PlannedRung
from benchsuite.explanation.ledger import Published, differences
from benchsuite.progress import Progress
from benchsuite.runs import manifest
from benchsuite.runs.run import answer, tally
from benchsuite.stats import accounting, shapley, significance
from benchsuite.stats.accounting import Accounting
from benchsuite.stats.shapley import Share
from benchsuite.storage import run_folder


@dataclass(frozen=True, slots=True)
class MeasuredRung:
    """A rung that was measured. ``top1`` and ``top5`` compare it with the rung before; None for the first rung.

    ``p_holm`` is the p-value at top-1, corrected for all rungs of the ladder (Holm). ``near_ties`` counts images whose
    top-1 answer a rounding error could change.
    """

    factors: tuple[Factor, ...]
    run_id: str
    path: str
    architecture: str
    weights: str
    protocol: str
    command: str
    views: int
    n: int
    top1_errors: int
    top5_errors: int
    near_ties: int
    top1: Paired | None = None
    top5: Paired | None = None
    p_holm: float | None = None
    preprocessing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recounted:
    """The error rate of the last rung under another accounting: the same predictions, counted as another program would.

    ``error`` is in percent; ``change`` is its difference from the exact error rate, in percentage points. Both are
    exact fractions.
    """

    accounting: str
    batch_size: int
    note: str
    error: Fraction
    change: Fraction


@dataclass(frozen=True, slots=True)
class Ladder:
    """A measured ladder. ``left_over`` is the change that its steps do not explain, in percentage points, exactly.

    It is zero unless an end stands for a published figure (``published``: one for each end, or None). ``because`` lists
    possible reasons in words. ``shares`` are the Shapley values of the protocol's factors, in errors, averaged over
    ``orders`` orders of changing them; empty unless they were requested. ``counted`` is the second end under another
    accounting than the exact one; None unless that was requested.
    """

    dataset: str
    n: int
    of: int
    cost: Cost
    steps: tuple[MeasuredRung, ...]
    published: tuple[Published | None, Published | None]
    left_over: Fraction
    because: tuple[str, ...]
    shares: tuple[tuple[str, Share], ...]
    orders: int
    counted: Recounted | None = None


def parse_accounting(text: str) -> tuple[Accounting, int]:
    """Parses ``NAME:BATCH``, such as ``smoothed:64``: an accounting of a single pass, and its batch size.

    Raises ``UnknownName`` for an unknown accounting, and ``BadParameter`` for one that chooses among epochs or a batch
    size below 1.
    """
    name, _, size = text.partition(":")
    how = accounting.find(name)
    if how.choice is not accounting.LAST or not size.isdecimal() or not int(size):
        raise BadParameter(expected("--accounting", "NAME:BATCH, with an accounting of a single pass", text))
    return how, int(size)


def measure(plan: LadderPlan, progress: Progress, counting: tuple[Accounting, int] | None = None) -> Ladder:
    """Runs the rungs of a plan, as ``benchsuite run`` would, and compares each with the one before.

    A rung costs forward passes only for views whose logits are not cached. ``counting`` is an accounting and a batch
    size: a last step then counts the second end that way in place of the exact one, which needs no forward pass.
    """
    rows = list(_run_rungs(plan.rungs, progress))
    steps = list(_compared(plan.rungs, rows))
    published = plan.ends[0].published, plan.ends[1].published
    measured = [Fraction(rows[i]["top1_errors"], rows[i]["n"]) for i in (0, -1)]
    ends = [own if p is None else _error(p) for p, own in zip(published, measured, strict=True)]
    explained = sum((step.top1.change for step in steps if step.top1 is not None), Fraction(0))
    counted = _counted(rows[-1], *counting) if counting else None
    if counted is not None:
        explained += counted.change / 100
        ends[1] = counted.error / 100 if published[1] is None else ends[1]
    shares, orders = _shares(plan, progress)
    return Ladder(
        dataset=rows[0]["dataset"],
        n=rows[0]["n"],
        of=rows[0]["of"],
        cost=plan.cost,
        steps=tuple(steps),
        published=published,
        left_over=100 * (ends[1] - ends[0] - explained),
        because=tuple(
            dict.fromkeys(w for p, row in zip(published, (rows[0], rows[-1]), strict=True) for w in _reasons(p, row))
        ),
        shares=tuple(sorted(shares.items(), key=lambda share: share[1].mean)),
        orders=orders,
        counted=counted,
    )


def _counted(row: Mapping[str, Any], how: Accounting, batch_size: int) -> Recounted:
    """A run under an accounting, with its images in the order in which its predictions are stored."""
    right = run_folder.read_columns(Path(row["path"]), ("rank",))["rank"] == 0
    _, value = accounting.printed_accuracy(how, right[None, :], batch_size)
    error = 100 * (1 - value)
    return Recounted(how.name, batch_size, how.note, error, error - Fraction(100 * row["top1_errors"], row["n"]))


def _run_rungs(planned: Sequence[PlannedRung], progress: Progress) -> Iterator[dict[str, Any]]:
    """Runs all rungs, and yields the row of ``benchsuite run`` for each.

    Consecutive rungs that differ only in their protocol share one pass over the images.
    """
    for _, group in groupby(planned, key=lambda p: dataclasses.replace(p.question.request, protocols=())):
        questions = [p.question for p in group]
        yield from answer(questions[0].request, questions, progress)


def _compared(planned: Sequence[PlannedRung], rows: Sequence[Mapping[str, Any]]) -> Iterator[MeasuredRung]:
    """Each rung with its statistics, compared image by image with the rung before."""
    ranks = [run_folder.read_columns(Path(row["path"]), ("rank",))["rank"] for row in rows]
    pairs = [(paired(a >= 1, b >= 1), paired(a >= 5, b >= 5)) for a, b in pairwise(ranks)]
    corrected = significance.holm([top1.p for top1, _ in pairs])
    compared = [(None, None, None), *((*pair, p) for pair, p in zip(pairs, corrected, strict=True))]
    for rung, row, (top1, top5, p_holm) in zip(planned, rows, compared, strict=True):
        same = ("run_id", "path", "architecture", "weights", "protocol", "views", "n", "top1_errors", "top5_errors")
        yield MeasuredRung(
            factors=rung.factors,
            command=manifest.command(rung.question),
            near_ties=row["near_ties"]["top1"],
            top1=top1,
            top5=top5,
            p_holm=p_holm,
            preprocessing=tuple(row.get("preprocessing", ())),
            **{field: row[field] for field in same},
        )


def _shares(plan: LadderPlan, progress: Progress) -> tuple[dict[str, Share], int]:
    """The Shapley value of each factor, in errors, and the number of orders; none and 0 unless they are planned."""
    if not plan.sets:
        return {}, 0
    questions = {q.run_id: q for q in plan.sets.values()}
    counts = tally(plan.ends[1].question.request, list(questions.values()), progress)
    return shapley.shapley({s: counts[q.run_id]["top1_errors"] for s, q in plan.sets.items()})


def _error(published: Published) -> Fraction:
    assert published.error is not None, "the figure of an end has a value"
    return Fraction(published.error) / 100


def _reasons(published: Published | None, row: Mapping[str, Any]) -> list[str]:
    """In words, in what a published figure and the end of the ladder that stands for it differ as measurements.

    Sizes, resampling and other parameters are left out, since the end was run with those of the source.
    """
    if published is None:
        return []
    sizes = ("with ", "other size", "other resampling")
    reasons = [f"{published.id}: {words}" for words in differences(published, row) if not words.startswith(sizes)]
    if not published.accounting.startswith("exact"):
        reasons.append(f"{published.id}: accounting {published.accounting or 'not stated'}")
    return reasons


def flat(ladder: Ladder) -> dict[str, Any]:
    """A ladder as one object for JSON: counts are integers, errors and changes are unrounded percentages."""
    printed = {w: p and p.id for w, p in zip(("printed_before", "printed_after"), ladder.published, strict=True)}
    return {
        **{field: getattr(ladder, field) for field in ("dataset", "n", "of")},
        "cost": dataclasses.asdict(ladder.cost),
        "rungs": [_flat_step(step) for step in ladder.steps],
        **printed,
        "left_over": float(ladder.left_over),
        "because": list(ladder.because),
        "counted": None if ladder.counted is None else _flat_counted(ladder.counted),
        "orders": ladder.orders,
        "shapley": [
            {"factor": name} | {f: 100 * float(getattr(share, f)) / ladder.n for f in ("mean", "least", "most")}
            for name, share in ladder.shares
        ],
    }


def _flat_counted(counted: Recounted) -> dict[str, Any]:
    return dataclasses.asdict(counted) | {field: float(getattr(counted, field)) for field in ("error", "change")}


def _flat_step(step: MeasuredRung) -> dict[str, Any]:
    own = ("run_id", "path", "architecture", "weights", "protocol", "command", "views", "n", "near_ties", "p_holm")
    data: dict[str, Any] = {"factors": [dataclasses.asdict(f) for f in step.factors]}
    data["preprocessing"] = list(step.preprocessing)
    data |= {field: getattr(step, field) for field in own}
    for k, errors, pair in (("top1", step.top1_errors, step.top1), ("top5", step.top5_errors, step.top5)):
        data |= {f"{k}_errors": errors, f"{k}_error": 100 * errors / step.n}
        data |= {f"{k}_{name}": value for name, value in paired_data(pair).items()} if pair else {}
    return data
