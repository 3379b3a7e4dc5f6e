"""``benchsuite explain``: why error rates differ, published or measured, step by step; which frequencies matter."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from benchsuite.api.bars import bars
from benchsuite.api.shown import Section, columns
from benchsuite.cli import _explain_frequency
from benchsuite.cli.console import print_json, print_shown, width
from benchsuite.cli.run import add_evaluation, evaluation_options
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.explanation.ladder_plan import Cost, LadderPlan
    from benchsuite.explanation.ladder_run import Ladder, MeasuredRung

RUNGS = ("rung", "what changed", "top-1 error %", "change", "fixed", "broken", "p", "p (Holm)", "top-5 error %")
NARROW = ("rung", "what changed", "top-1 error %", "change", "fixed", "broken", "p (Holm)")
"""The columns in fewer than ``WIDE`` characters."""
WIDE = 120


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments: a model, two runs, or a network with two protocols."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a model: explains its published figures; a run: in what it differs from them; two runs, or a run and the "
        "id of a published figure: measures what changes between them; with --frequency, one run or network",
    )
    add = parser.add_argument
    add("--from", dest="start", metavar="PROTOCOL|ID", help="measure NAME from this protocol or published figure ...")
    add("--to", dest="goal", metavar="PROTOCOL|ID", help="... to this one, one factor at a time")
    add("--plan", action="store_true", help="only print which runs a measured explanation needs and what they cost")
    add("--shapley", action="store_true", help="also average each factor's effect over the orders of changing them")
    add(
        "--accounting",
        metavar="NAME:BATCH",
        help="count the errors of the second end in another way, such as smoothed:64 (see audit)",
    )
    add("--top5", action="store_true", help="published figures at top-5 instead of top-1")
    whole = "every published figure, and what its source leaves open; with --frequency, also the energy by radius"
    add("--all", action="store_true", dest="every", help=whole)
    add("--markdown", action="store_true", help="print Markdown instead of text")
    _explain_frequency.add_arguments(parser)
    add_evaluation(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the explanation. A measured one prints first which runs it needs and what they cost."""
    from benchsuite.api.explanation import Explanation, PlannedExplanation, PublishedExplanation, explain

    progress = bars()
    names = ("start", "goal", "shapley", "accounting", "top5", "every", "frequency", "radii", "radius", "html")
    options = {name: getattr(args, name) for name in names} | evaluation_options(args)
    if _plans(args) and not args.plan:
        options["html"] = None  # written when it is measured
    found = explain(*args.names, plan=_plans(args), **options, catalog=load_plugins(), progress=progress)
    if isinstance(found, PlannedExplanation) and not args.plan:
        for line in plan_text(found.plan):
            progress.note(line)
        found = found.measure(progress, args.accounting, args.html)
    if args.json:
        print_json(found.record)
    elif args.markdown:
        print(found.markdown)
    elif isinstance(found, PublishedExplanation):
        print_shown(found)
    elif isinstance(found, PlannedExplanation):
        answer, *_, cost = plan_text(found.plan)
        print_shown(Section(answer, found.cells(), (cost,)))
    elif isinstance(found, Explanation):
        ladder = found.ladder
        answer, *rest = ladder_text(ladder)
        rungs = [*map(_cells, ladder.steps), *_counted_cells(ladder)]
        at = [RUNGS.index(name) for name in (RUNGS if width() >= WIDE else NARROW)]
        table = [RUNGS[i] for i in at], [[cells[i] for i in at] for cells in rungs]
        print_shown(Section(answer, table, tuple(rest)))
    else:
        print_shown(found, whole=args.every)
    return 0


def _plans(args: argparse.Namespace) -> bool:
    """Whether a plan is wanted: alone, or to be printed before two ends are measured."""
    ends = args.start is not None or args.goal is not None or len(args.names) > 1
    return args.plan or (ends and not args.frequency)


def plan_text(plan: LadderPlan) -> Iterator[str]:
    """The lines of a plan: its rungs, and the upper bound on their cost."""
    yield f"{len(plan.rungs)} rungs on {plan.cost.images} images of {plan.rungs[0].question.split.name}"
    yield from columns((r.question.bound.label, "; ".join(map(str, r.factors)) or "the start") for r in plan.rungs)
    yield cost_text(plan.cost)


def cost_text(cost: Cost) -> str:
    """``9 runs, 2 of them finished already; at most 20 distinct views of 360 images: 7200 forward passes, ...``."""
    if not cost.views:
        return f"{cost.runs} runs, all of them finished already: nothing is computed"
    passes = f"{cost.views * cost.images} forward passes, {cost.pixels} pixels per image"
    finished = f", {cost.answered} of them finished already" if cost.answered else ""
    return f"{cost.runs} runs{finished}; at most {cost.views} distinct views of {cost.images} images: {passes}"


def ladder_text(ladder: Ladder) -> Iterator[str]:
    """The lines below the table of rungs: the whole change, what the steps leave over, and the fair shares if any."""
    from benchsuite.report.tables.text import preprocessing_of
    from benchsuite.stats.digits import places, signed

    first, last, digits = ladder.steps[0], ladder.steps[-1], places(ladder.n)
    whole = Fraction(100 * (last.top1_errors - first.top1_errors), ladder.n)
    steps = len(ladder.steps) - 1
    if ladder.counted is not None:
        whole, steps = whole + ladder.counted.change, steps + 1
    yield f"measured change: {signed(whole, digits)} in {steps} steps, on {_images(ladder)}"
    for when, row in zip(("from", "to"), ladder.published, strict=True):
        if row is not None:
            yield f"published figure ({when}): {row.error} % [{row.id}]"
    yield f"left over: {signed(ladder.left_over, digits)}"
    yield from (f"  {reason}" for reason in ladder.because)
    yield from preprocessing_of(ladder.steps)
    ties = sum(step.near_ties for step in ladder.steps)
    if ties:
        yield f"near ties, which a rounding error could change: {ties} answers over all rungs"
    if ladder.shares:
        yield f"fair shares (Shapley), averaged over {ladder.orders} orders of changing the protocol's factors"
        shares = [
            (name, *(signed(Fraction(100 * v) / ladder.n, digits) for v in (s.mean, s.least, s.most)))
            for name, s in ladder.shares
        ]
        yield from columns([("factor", "on average", "at least", "at most"), *shares])
    yield f"each rung is a run; to compare the first and the last: benchsuite compare {first.run_id} {last.run_id}"


def _cells(step: MeasuredRung) -> tuple[str, ...]:
    from benchsuite.stats.digits import p_value, places, signed, with_interval
    from benchsuite.stats.metrics import Count

    errors = with_interval(Count(step.top1_errors, step.n))
    top5 = with_interval(Count(step.top5_errors, step.n))
    if step.top1 is None or step.p_holm is None:
        return step.protocol, "", errors, "", "", "", "", "", top5
    low, high = (signed(100 * Fraction(b), places(step.n)) for b in (step.top1.low, step.top1.high))
    change = f"{signed(100 * step.top1.change, places(step.n))} [{low}, {high}]"
    counts = str(step.top1.fixed), str(step.top1.broken)
    factors = "; ".join(map(str, step.factors))
    return step.protocol, factors, errors, change, *counts, p_value(step.top1.p), p_value(step.p_holm), top5


def _counted_cells(ladder: Ladder) -> Iterator[tuple[str, ...]]:
    """The row of the step to another accounting: it changes no prediction, so it fixes and breaks none and has no p."""
    from benchsuite.stats.digits import decimals, places, signed

    if ladder.counted is not None:
        counted, digits = ladder.counted, places(ladder.n)
        what = f"accounting: exact -> {counted.accounting}, batches of {counted.batch_size}"
        numbers = decimals(counted.error, digits), signed(counted.change, digits)
        yield (ladder.steps[-1].protocol, what, *numbers, "0", "0", "", "", "")


def _images(ladder: Ladder) -> str:
    part = "" if ladder.n == ladder.of else f" of {ladder.of}"
    return f"{ladder.n}{part} images of {ladder.dataset}"
