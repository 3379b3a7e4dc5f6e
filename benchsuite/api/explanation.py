"""``benchsuite.explain``: why error rates differ: those published for a model, or two measured ones, step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from benchsuite.api.evaluation import Evaluation
from benchsuite.api.options import Options, run_request, surroundings
from benchsuite.api.shown import Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation import ladder_ends, ladder_plan, ladder_run, ledger, published_figures
from benchsuite.explanation.ladder_plan import LadderPlan
from benchsuite.explanation.ladder_run import Ladder
from benchsuite.explanation.published_figures import PublishedFigure
from benchsuite.progress import Progress
from benchsuite.report.tables.text import Table, image_count
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.catalog import Catalog
from benchsuite.stats.digits import p_value, places, signed, with_interval
from benchsuite.stats.metrics import Count
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class PublishedExplanation(Shown):
    """The published figures of a model, and ``runs``, the finished runs of the same model as rows of ``run --json``."""

    model: str
    figures: tuple[PublishedFigure, ...]
    runs: tuple[Mapping[str, Any], ...]

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --json``."""
        return {"model": self.model, "figures": published_figures.flat(self.figures), "runs": [*self.runs]}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each figure; ``nearest`` is the figure that it is compared with, and how it differs."""
        import pandas as pd

        return pd.DataFrame(self.record["figures"])

    def lines(self) -> Sequence[str]:
        """How many figures there are."""
        return [f"{self.model}: {len(self.figures)} published figures, {len(self.runs)} runs here"]

    def cells(self) -> Table:
        """A line for each figure: its error, its protocol, and what may be concluded from the nearest one."""
        rows = []
        for figure in self.figures:
            row, near = figure.row, figure.nearest
            said = ""
            if near is not None:
                said = f"{near.change:+} from {near.before}: {published_figures.verdict_words(near)}"
            rows.append([str(row.error), row.architecture, row.protocol_text, row.source, row.id, said])
        return ["error %", "network", "protocol", "source", "id", "compared with the nearest figure"], rows


@dataclass(frozen=True, slots=True, repr=False)
class PlannedExplanation(Shown):
    """The runs that a measured explanation needs, and an upper bound on their cost."""

    plan: LadderPlan

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --plan --json``."""
        return ladder_plan.flat(self.plan)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each rung."""
        import pandas as pd

        return pd.DataFrame([{**r, "factors": "; ".join(_factors(rung))} for r, rung in self._rungs()])

    def _rungs(self) -> list[tuple[dict[str, Any], Any]]:
        return list(zip(self.record["rungs"], self.plan.rungs, strict=True))

    def lines(self) -> Sequence[str]:
        """The number of rungs and their cost."""
        cost, split = self.plan.cost, self.plan.rungs[0].question.split.name
        passes = f"at most {cost.views} distinct views of {cost.images} images"
        return [f"{len(self.plan.rungs)} rungs on {split}: {cost.runs} runs, {cost.answered} finished; {passes}"]

    def cells(self) -> Table:
        """A line for each rung."""
        rows = [[r["protocol"], "; ".join(_factors(rung)) or "the start"] for r, rung in self._rungs()]
        return ["rung", "what changes"], rows

    def measure(self, progress: Progress, accounting: str | None = None) -> Explanation:
        """Runs what is not finished yet. ``accounting`` counts the second end in another way, such as smoothed:64."""
        counting = ladder_run.parse_accounting(accounting) if accounting else None
        return Explanation(ladder_run.measure(self.plan, progress, counting))


@dataclass(frozen=True, slots=True, repr=False)
class Explanation(Shown):
    """The measured change between two error rates, one factor at a time."""

    ladder: Ladder

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --json``."""
        return ladder_run.flat(self.ladder)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each rung: errors, the change with its interval, images fixed and broken, p-values."""
        import pandas as pd

        rungs = zip(self.record["rungs"], self.ladder.steps, strict=True)
        return pd.DataFrame([{**r, "factors": "; ".join(map(str, step.factors))} for r, step in rungs])

    @property
    def shares(self) -> pd.DataFrame:
        """With ``shapley=True`` each factor's effect in points, averaged over the orders of changing them."""
        import pandas as pd

        return pd.DataFrame(self.record["shapley"], columns=["factor", "mean", "least", "most"])

    def lines(self) -> Sequence[str]:
        """The whole change, and what the steps leave over."""
        ladder, digits = self.ladder, places(self.ladder.n)
        first, last = ladder.steps[0], ladder.steps[-1]
        whole = Fraction(100 * (last.top1_errors - first.top1_errors), ladder.n)
        steps = len(ladder.steps) - 1
        if ladder.counted is not None:
            whole, steps = whole + ladder.counted.change, steps + 1
        seen = image_count({"n": ladder.n, "of": ladder.of})
        answer = f"measured change: {signed(whole, digits)} points in {steps} steps"
        return [
            f"{answer}, on {seen} images of {ladder.dataset}",
            f"left over: {signed(ladder.left_over, digits)}",
            *ladder.because,
        ]

    def cells(self) -> Table:
        """A line for each rung."""
        digits, rows = places(self.ladder.n), []
        for step in self.ladder.steps:
            row = [step.protocol, "; ".join(map(str, step.factors)), with_interval(Count(step.top1_errors, step.n))]
            if step.top1 is None or step.p_holm is None:
                rows.append([*row, "", "", "", ""])
                continue
            counts = [str(step.top1.fixed), str(step.top1.broken), p_value(step.p_holm)]
            rows.append([*row, signed(100 * step.top1.change, digits), *counts])
        if self.ladder.counted is not None:
            counted = self.ladder.counted
            what = f"accounting: exact -> {counted.accounting}, batches of {counted.batch_size}"
            error, change = f"{float(counted.error):.{digits}f}", signed(counted.change, digits)
            rows.append([self.ladder.steps[-1].protocol, what, error, change, "", "", ""])
        return ["rung", "what changed", "top-1 error %", "change", "fixed", "broken", "p (Holm)"], rows


def explain(
    *names: str | Path | Evaluation,
    start: str | None = None,
    goal: str | None = None,
    plan: bool = False,
    shapley: bool = False,
    accounting: str | None = None,
    top5: bool = False,
    **options: Unpack[Options],
) -> PublishedExplanation | PlannedExplanation | Explanation:
    """Explains why error rates differ, as ``benchsuite explain`` does.

    ``explain("resnet50")`` compares the published figures of a model, at top-1 or with ``top5`` at top-5.
    ``explain("resnet50", start="1crop", goal="multiscale", data=...)`` measures what changes between two protocols (or
    ids of published figures), ``explain(run, run)`` between two runs, one factor at a time; with ``plan`` it only says
    which runs that needs. ``shapley`` averages each factor's effect over the orders of changing them; ``accounting``
    counts the second end in another way, such as ``"smoothed:64"``. The options are those of ``evaluate``.
    """
    catalog, progress = surroundings(options)
    if len(names) == 1 and start is None and goal is None:
        if plan or shapley or accounting:
            raise BadParameter(
                expected("plan, shapley and accounting", "used with two runs or start and goal", names[0])
            )
        request = run_request((), (), options, "explain")
        return explain_published(str(names[0]), request.results, catalog, top5=top5)
    if top5:
        raise BadParameter(expected("top5", "used only to explain published figures", "True"))
    planned = plan_explanation(names, start, goal, run_request((), (), options, "explain"), catalog, shapley=shapley)
    return planned if plan else planned.measure(progress, accounting)


def explain_published(model: str, results: Path, catalog: Catalog, *, top5: bool) -> PublishedExplanation:
    """The published figures of a model, and the finished runs of the same model in the results folder."""
    figures = published_figures.explain(model, catalog, k=5 if top5 else 1)
    rows = []
    for folder in run_folder.runs_in(results):
        manifest = run_folder.read_manifest(folder)
        if manifest is not None and ledger.base(manifest["architecture"]["name"]) == ledger.base(model):
            rows.append(run_manifest.result_row(manifest, str(folder), cached=True))
    return PublishedExplanation(model, figures, tuple(rows))


def plan_explanation(
    names: Sequence[str | Path | Evaluation],
    start: str | None,
    goal: str | None,
    request: RunRequest,
    catalog: Catalog,
    *,
    shapley: bool,
) -> PlannedExplanation:
    """The rungs between two protocols of one network, or between two runs. Else raises ``BadParameter``."""
    words = [str(name.path if isinstance(name, Evaluation) else name) for name in names]
    if (start is None) != (goal is None):
        raise BadParameter(expected("--from and --to", "given together", "only one of them"))
    if len(words) != (2 if start is None else 1):
        rule = "given one model, two runs, or one network with --from and --to"
        raise BadParameter(expected("explain", rule, " ".join(words) or "nothing"))
    if start is not None and goal is not None:
        request = dataclasses.replace(request, architectures=(words[0],))
        ends = ladder_ends.between_protocols(request, start, goal, catalog)
    else:
        ends = ladder_ends.between_runs(request, words[0], words[1], catalog)
    return PlannedExplanation(ladder_plan.make_plan(*ends, catalog, shapley=shapley))


def _factors(rung: Any) -> list[str]:
    return [str(factor) for factor in rung.factors]
