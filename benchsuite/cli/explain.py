"""``benchsuite explain``: why error rates differ: those printed for a model, or two measured ones, rung by rung."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from benchsuite.cli.bars import bars
from benchsuite.cli.console import columns, out, print_json, print_table
from benchsuite.cli.run import add_evaluation, asked
from benchsuite.errors import BadParameter, expected
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.explanation.ladder_plan import Cost, LadderEnd, LadderPlan
    from benchsuite.explanation.ladder_run import Ladder, MeasuredRung
    from benchsuite.explanation.published_figures import Difference, PublishedFigure
    from benchsuite.specs.catalog import Catalog

ASKED: dict[str, Any] = {"data": None, "weights": None, "loader": "torch", "device": "auto", "precision": "auto"}
ASKED |= {"limit": None, "seed": 0}
"""The options that say what is evaluated, and their defaults."""

RUNGS = ("rung", "what changed", "top-1 error %", "change", "fixed", "broken", "p", "p (Holm)", "top-5 error %")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A model, two runs, or a network with two protocols."""
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a model (its printed figures); two runs, or a run and the id of a printed figure (measured)",
    )
    add = parser.add_argument
    add("--from", dest="start", metavar="PROTOCOL|ID", help="measure NAME from this protocol or printed figure ...")
    add("--to", dest="goal", metavar="PROTOCOL|ID", help="... to this one")
    add("--plan", action="store_true", help="only say which runs a measured explanation needs, and what they cost")
    add("--shapley", action="store_true", help="also average each factor's effect over the orders of changing them")
    add("--accounting", metavar="NAME:BATCH", help="the second end counted otherwise, such as smoothed:64 (see audit)")
    add("--top5", action="store_true", help="printed figures at top-5 in place of top-1")
    add_evaluation(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the explanation; a measured one says first what it will cost."""
    catalog = load_plugins()
    for name, reason in catalog.broken:
        print(f"Not loaded: {name}: {' '.join(reason.split())}", file=sys.stderr)
    ends = _ends(args, catalog)
    if ends is None:
        return _printed(args, catalog)
    return _measured(args, ends, catalog)


def _ends(args: argparse.Namespace, catalog: Catalog) -> tuple[LadderEnd, LadderEnd] | None:
    """The ends of a ladder, or None where printed figures are asked for."""
    from benchsuite.explanation import ladder_ends

    told = " ".join(args.names)
    if (args.start is None) != (args.goal is None):
        raise BadParameter(expected("--from and --to", "given together", "only one of them"))
    if len(args.names) > 2 or (len(args.names) == 2 and args.start is not None):
        raise BadParameter(expected("explain", "asked of one model, of two runs, or of one network with --from", told))
    if args.start is not None:
        _refuse(args, {"top5": False}, "used for printed figures")
        return ladder_ends.between_protocols(asked(args, args.names, ()), args.start, args.goal, catalog)
    if len(args.names) == 2:
        _refuse(args, ASKED | {"top5": False}, "used with --from and --to: a run knows what it was")
        return ladder_ends.between_runs(asked(args, (), ()), args.names[0], args.names[1], catalog)
    _refuse(
        args,
        ASKED | {"plan": False, "shapley": False, "accounting": None},
        "used with --from and --to, or with two runs",
    )
    return None


def _refuse(args: argparse.Namespace, usual: Mapping[str, Any], rule: str) -> None:
    """An option that would have no effect is a mistake."""
    for name, value in usual.items():
        if getattr(args, name) != value:
            raise BadParameter(expected(f"--{name}", rule, str(getattr(args, name)), " ".join(args.names)))


def _printed(args: argparse.Namespace, catalog: Catalog) -> int:
    from benchsuite.explanation import published_figures

    lines = published_figures.explain(args.names[0], catalog, k=5 if args.top5 else 1)
    rows = _runs(args)
    if args.json:
        print_json({"model": args.names[0], "figures": published_figures.flat(lines), "runs": rows})
        return 0
    print(*printed_text(lines), sep="\n")
    if rows:
        from benchsuite.report.tables import text

        print("measured here")
        headers, cells = text.result_table(rows)
        print(*columns([headers, *cells]), sep="\n")
    return 0


def _runs(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The runs of the same model in the results folder, as rows of ``run --json``."""
    from benchsuite.explanation import ledger
    from benchsuite.runs import manifest as run_manifest
    from benchsuite.storage import run_folder

    rows = []
    for folder in run_folder.runs_in(args.results):
        manifest = run_folder.read_manifest(folder)
        if manifest is not None and ledger.base(manifest["architecture"]["name"]) == ledger.base(args.names[0]):
            rows.append(run_manifest.result_row(manifest, str(folder), cached=True))
    return rows


def _measured(args: argparse.Namespace, ends: tuple[LadderEnd, LadderEnd], catalog: Catalog) -> int:
    from benchsuite.explanation import ladder_plan, ladder_run

    counting = ladder_run.way_of_counting(args.accounting) if args.accounting else None
    plan = ladder_plan.make_plan(*ends, catalog, fair=args.shapley)
    if args.plan:
        if args.json:
            print_json(ladder_plan.flat(plan))
        else:
            print(*plan_text(plan), sep="\n")
        return 0
    progress = bars()
    for line in plan_text(plan):
        progress.note(line)
    ladder = ladder_run.climb(plan, progress, counting)
    if args.json:
        print_json(ladder_run.flat(ladder))
    else:
        print_table(out(), "", RUNGS, [*(_cells(step) for step in ladder.steps), *_counted_cells(ladder)])
        print(*ladder_text(ladder), sep="\n")
    return 0


def printed_text(lines: Sequence[PublishedFigure]) -> Iterator[str]:
    """Each printed figure, what it differs from least, and what may be concluded from that."""
    for line in lines:
        row = line.row
        size = "/".join(str(part) for part in (row.short_side, row.crop) if part)
        mark = "" if row.status == "verified" else " (unverified)"
        words = (f"{row.error} %", row.architecture, " ".join(w for w in (row.protocol, row.scales or size) if w))
        yield f"{'  '.join(words)}  {row.weights or row.run}; {row.source}{mark}  [{row.id}]"
        for found in (line.nearest, line.across):
            yield from () if found is None else (f"    {words}" for words in difference_text(found))
        if line.ladder:
            yield f"    measured, a factor at a time: {line.ladder}"


def difference_text(found: Difference) -> Iterator[str]:
    """What lies between two figures, in words that claim no more than the sources allow."""
    sign = "+" if found.change > 0 else ""
    from benchsuite.explanation.published_figures import verdict_words

    change = f"{sign}{found.change} (+-{found.rounding.normalize():f} as printed)"
    yield f"from {found.before}: {change}, {verdict_words(found)}"
    if found.open:
        yield f"  open, as a source does not state it: {'; '.join(map(str, found.open))}"
    if found.unexplained:
        yield f"  unexplained: {sign}{found.unexplained}, which these figures alone attribute to nothing"


def plan_text(plan: LadderPlan) -> Iterator[str]:
    """The rungs and what they cost at most, before anything is run."""
    yield f"{len(plan.rungs)} rungs on {plan.cost.images} images of {plan.rungs[0].question.split.name}"
    yield from columns((r.question.bound.label, "; ".join(map(str, r.factors)) or "the start") for r in plan.rungs)
    yield cost_text(plan.cost)


def cost_text(cost: Cost) -> str:
    """``9 runs, 2 of them answered already; at most 20 views of 360 images: 7200 forward passes, ...``."""
    if not cost.views:
        return f"{cost.runs} runs, all of them answered already: nothing is computed"
    passes = f"{cost.views * cost.images} forward passes, {cost.pixels} pixels an image"
    known = f", {cost.answered} of them answered already" if cost.answered else ""
    return f"{cost.runs} runs{known}; at most {cost.views} distinct views of {cost.images} images: {passes}"


def ladder_text(ladder: Ladder) -> Iterator[str]:
    """What stands below the rungs: their sum, what is left over, and fair shares where they were asked for."""
    from benchsuite.stats.digits import places, signed

    first, last, digits = ladder.steps[0], ladder.steps[-1], places(ladder.n)
    whole = Fraction(100 * (last.top1_errors - first.top1_errors), ladder.n)
    steps = len(ladder.steps) - 1
    if ladder.counted is not None:
        whole, steps = whole + ladder.counted.change, steps + 1
    yield f"measured: {signed(whole, digits)} in {steps} steps, on {_images(ladder)}"
    for when, row in zip(("from", "to"), ladder.printed, strict=True):
        if row is not None:
            yield f"printed, {when}: {row.error} % [{row.id}]"
    yield f"left over: {signed(ladder.left_over, digits)}"
    yield from (f"  {words}" for words in ladder.because)
    ties = sum(step.near_ties for step in ladder.steps)
    if ties:
        yield f"within rounding of a tie: {ties} answers over all rungs"
    if ladder.shares:
        yield f"fair shares (Shapley), averaged over {ladder.orders} orders of changing the protocol's factors"
        shares = [
            (name, *(signed(Fraction(100 * v) / ladder.n, digits) for v in (s.mean, s.least, s.most)))
            for name, s in ladder.shares
        ]
        yield from columns([("factor", "on average", "at least", "at most"), *shares])
    yield f"each rung is a run: benchsuite compare {first.run_id} {last.run_id}"


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
    """The step of counting otherwise: no image is fixed or broken by it, so nothing is tested."""
    from benchsuite.stats.digits import decimals, places, signed

    if ladder.counted is not None:
        found, digits = ladder.counted, places(ladder.n)
        what = f"accounting: exact -> {found.accounting}, batches of {found.batch_size}"
        numbers = decimals(found.error, digits), signed(found.change, digits)
        yield (ladder.steps[-1].protocol, what, *numbers, "0", "0", "", "", "")


def _images(ladder: Ladder) -> str:
    part = "" if ladder.n == ladder.of else f" of {ladder.of}"
    return f"{ladder.n}{part} images of {ladder.dataset}"
