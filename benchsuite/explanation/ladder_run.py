"""A ladder measured: each rung is an ordinary run, each step is paired, and what is left over is said."""

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
    """A rung that was measured. ``top1`` and ``top5`` are paired with the rung before; None for the first.

    ``p_holm`` is the p-value at top-1, corrected for all rungs of the ladder.
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


@dataclass(frozen=True, slots=True)
class Counted:
    """The last rung as a program would have printed it that counts otherwise: the same answers, no image changed.

    ``error`` is in percent, ``change`` is from the exact one in percent points; both exactly.
    """

    accounting: str
    batch_size: int
    note: str
    error: Fraction
    change: Fraction


@dataclass(frozen=True, slots=True)
class Ladder:
    """A whole explanation. ``left_over`` is what the rungs do not account for, in percent points, exactly.

    It is zero unless an end stands for a printed figure; ``because`` says in words what may be behind it. ``shares``
    are the fair ones of the protocol's factors, averaged over ``orders`` orders; empty unless that was asked.
    ``counted`` is the accounting of the second end, where another one than the exact was asked.
    """

    dataset: str
    n: int
    of: int
    cost: Cost
    steps: tuple[MeasuredRung, ...]
    printed: tuple[Published | None, Published | None]
    left_over: Fraction
    because: tuple[str, ...]
    shares: tuple[tuple[str, Share], ...]
    orders: int
    counted: Counted | None = None


def way_of_counting(text: str) -> tuple[Accounting, int]:
    """``NAME:BATCH``, such as ``smoothed:64``: an accounting of a single pass, and the size of its batches.

    Raises ``UnknownName`` for one that is not known, and ``BadParameter`` for one that chooses among epochs.
    """
    name, _, size = text.partition(":")
    how = accounting.find(name)
    if how.choice is not accounting.LAST or not size.isdecimal() or not int(size):
        raise BadParameter(expected("--accounting", "NAME:BATCH, of an accounting that needs a single pass", text))
    return how, int(size)


def climb(plan: LadderPlan, progress: Progress, counting: tuple[Accounting, int] | None = None) -> Ladder:
    """Answers the rungs of a plan, as ``benchsuite run`` would, and pairs each with the one before.

    A rung costs forward passes only for views whose logits are not kept yet. ``counting`` is how the second end is
    counted in place of the exact way: the last step, which costs nothing.
    """
    rows = list(_answered(plan.rungs, progress))
    steps = list(_paired(plan.rungs, rows))
    printed = plan.ends[0].printed, plan.ends[1].printed
    measured = [Fraction(rows[i]["top1_errors"], rows[i]["n"]) for i in (0, -1)]
    ends = [here if p is None else _error(p) for p, here in zip(printed, measured, strict=True)]
    explained = sum((step.top1.change for step in steps if step.top1 is not None), Fraction(0))
    counted = _counted(rows[-1], *counting) if counting else None
    if counted is not None:
        explained += counted.change / 100
        ends[1] = counted.error / 100 if printed[1] is None else ends[1]
    shares, orders = _fair(plan, progress)
    return Ladder(
        dataset=rows[0]["dataset"],
        n=rows[0]["n"],
        of=rows[0]["of"],
        cost=plan.cost,
        steps=tuple(steps),
        printed=printed,
        left_over=100 * (ends[1] - ends[0] - explained),
        because=tuple(
            dict.fromkeys(w for p, row in zip(printed, (rows[0], rows[-1]), strict=True) for w in _because(p, row))
        ),
        shares=tuple(sorted(shares.items(), key=lambda share: share[1].mean)),
        orders=orders,
        counted=counted,
    )


def _counted(row: Mapping[str, Any], how: Accounting, batch_size: int) -> Counted:
    """A run under an accounting, its images in the order of their ids."""
    right = run_folder.read_columns(Path(row["path"]), ("rank",))["rank"] == 0
    _, value = accounting.printed(how, right[None, :], batch_size)
    error = 100 * (1 - value)
    return Counted(how.name, batch_size, how.note, error, error - Fraction(100 * row["top1_errors"], row["n"]))


def _answered(planned: Sequence[PlannedRung], progress: Progress) -> Iterator[dict[str, Any]]:
    """The rows of ``benchsuite run`` for each rung; those that differ only in their protocol share one pass."""
    for _, same in groupby(planned, key=lambda p: dataclasses.replace(p.question.request, protocols=())):
        group = [p.question for p in same]
        yield from answer(group[0].request, group, progress)


def _paired(planned: Sequence[PlannedRung], rows: Sequence[Mapping[str, Any]]) -> Iterator[MeasuredRung]:
    """Each rung with its statistics: the run before it on the ladder is what it is paired with."""
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
            **{field: row[field] for field in same},
        )


def _fair(plan: LadderPlan, progress: Progress) -> tuple[dict[str, Share], int]:
    if not plan.sets:
        return {}, 0
    questions = {q.run_id: q for q in plan.sets.values()}
    counts = tally(plan.ends[1].question.request, list(questions.values()), progress)
    return shapley.shapley({s: counts[q.run_id]["top1_errors"] for s, q in plan.sets.items()})


def _error(printed: Published) -> Fraction:
    assert printed.error is not None, "an end stands for a figure"
    return Fraction(printed.error) / 100


def _because(printed: Published | None, row: Mapping[str, Any]) -> list[str]:
    """What keeps a printed figure and the end of the ladder that stands for it from being one measurement."""
    if printed is None:
        return []
    sizes = ("with ", "other size", "other resampling")
    said = [f"{printed.id}: {words}" for words in differences(printed, row) if not words.startswith(sizes)]
    if not printed.accounting.startswith("exact"):
        said.append(f"{printed.id}: accounting {printed.accounting or 'not stated'}")
    return said


def flat(ladder: Ladder) -> dict[str, Any]:
    """A ladder as one object: counts are integers, errors and changes unrounded percentages."""
    printed = {w: p and p.id for w, p in zip(("printed_before", "printed_after"), ladder.printed, strict=True)}
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


def _flat_counted(counted: Counted) -> dict[str, Any]:
    return dataclasses.asdict(counted) | {field: float(getattr(counted, field)) for field in ("error", "change")}


def _flat_step(step: MeasuredRung) -> dict[str, Any]:
    own = ("run_id", "path", "architecture", "weights", "protocol", "command", "views", "n", "near_ties", "p_holm")
    data: dict[str, Any] = {"factors": [dataclasses.asdict(f) for f in step.factors]}
    data |= {field: getattr(step, field) for field in own}
    for k, errors, pair in (("top1", step.top1_errors, step.top1), ("top5", step.top5_errors, step.top5)):
        data |= {f"{k}_errors": errors, f"{k}_error": 100 * errors / step.n}
        data |= {f"{k}_{name}": value for name, value in paired_data(pair).items()} if pair else {}
    return data
