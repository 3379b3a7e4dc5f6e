"""``benchsuite.explain``: why error rates differ: those published for a model, or two measured ones, step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from benchsuite.api.evaluation import Evaluation
from benchsuite.api.frequency import FrequencyExplanation, PlannedFrequency, plan_frequency
from benchsuite.api.options import Options, run_request, surroundings
from benchsuite.api.published.run_explanation import RunExplanation, explain_run
from benchsuite.api.shown import Section, Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation import ladder_ends, ladder_plan, ladder_run, ledger, published_figures
from benchsuite.explanation.frequency.plan import is_architecture
from benchsuite.explanation.ladder_plan import LadderPlan
from benchsuite.explanation.ladder_run import Ladder
from benchsuite.explanation.published_figures import Answer, PublishedFigure
from benchsuite.progress import Progress
from benchsuite.report.tables import published
from benchsuite.report.tables.text import Table, image_count, preprocessing_lines, preprocessing_of, result_table
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.catalog import Catalog
from benchsuite.stats.digits import p_value, places, signed, with_interval
from benchsuite.stats.metrics import Count
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result", bound=Shown)

ASKED: dict[str, Any] = {"data": None, "weights": None, "loader": "torch", "device": "auto", "precision": "auto"}
ASKED |= {"limit": None, "seed": 0, "preprocess": None, "transforms": ()}
"""The options that set what is evaluated, and their defaults."""

PUBLISHED: dict[str, Any] = {"top5": False, "every": False}
"""The options that only published figures use, and their defaults."""

LADDER: dict[str, Any] = {"start": None, "goal": None, "shapley": False, "accounting": None, "top5": False}
"""The options that a frequency analysis does not use, and their defaults."""

OPTIONS = {"start": "from", "goal": "to", "transforms": "transform", "every": "all"}
"""The names on the command line of options that are named otherwise here."""


FEW = 3
"""At most this many runs are shown below published figures, unless all are wanted, ..."""

RUNS = ("architecture", "weights", "protocol", "dataset", "n", "top-1 error %")
"""... and these columns of them."""

EVERY = "every figure, below the one that it differs least from"


@dataclass(frozen=True, slots=True, repr=False)
class PublishedExplanation(Shown):
    """The published figures of a model, and ``runs``, the finished runs of the same model as rows of ``run --json``.

    ``answer`` are the few figures that show why they differ; with ``every`` all of them are shown, at top-``k``.
    """

    model: str
    figures: tuple[PublishedFigure, ...]
    runs: tuple[Mapping[str, Any], ...]
    answer: Answer
    k: int
    every: bool

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --json``."""
        claims = {f.nearest.claim for f in self.figures if f.nearest and f.nearest.claim} | {*self.answer.claims}
        return {
            "model": self.model,
            "answer": self.lines()[0],
            "figures": published_figures.flat(self.figures),
            "claims": [dataclasses.asdict(claim) for claim in ledger.claims() if claim in claims],
            "runs": [*self.runs],
        }

    @property
    def table(self) -> pd.DataFrame:
        """One row for each figure; ``nearest`` is the figure that it is compared with, and how it differs."""
        import pandas as pd

        return pd.DataFrame(self.record["figures"])

    def lines(self) -> Sequence[str]:
        """Why the figures differ; below the table what authors say about them, and how to see the others."""
        claims = [f"[{number}] {published.claim_words(c)}" for number, c in enumerate(self.answer.claims, 1)]
        more = len(self.figures) - len(self.answer.steps)
        rest = f"{more} more figures, open choices" if more else "Open choices"
        all_of_it = f"{rest} and the commands that measure each step: benchsuite explain {self.model} --all"
        sentence = published.answer_sentence(self.model, self.answer, self.figures, self.k)
        return [sentence, *claims, *([] if self.every else [all_of_it + " --top5" * (self.k == 5)])]

    def cells(self) -> Table:
        """A line for each figure of the answer."""
        return published.answer_table(self.answer.steps, self.answer.claims)

    def below(self) -> Sequence[Shown]:
        """The runs here; with ``every`` also each figure."""
        headers, rows = result_table(self.runs)
        wanted = [headers.index(name) for name in (headers if self.every else RUNS)]
        shown = rows if self.every else rows[:FEW]
        more = [f"{len(rows) - len(shown)} more runs: --all"] if len(rows) > len(shown) else []
        table = [headers[i] for i in wanted], [[row[i] for i in wanted] for row in shown]
        here = Section("measured here", table, (*more, *preprocessing_lines(self.runs)))
        ladder = [f"from the first to the last: {self.answer.ladder}"] if self.answer.ladder else []
        details = Section(EVERY, notes=(*ladder, *published.figure_lines(self.figures)))
        return [*([here] if rows else []), *([details] if self.every else [])]


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

    def measure(self, progress: Progress, accounting: str | None = None, html: str | Path | None = None) -> Explanation:
        """Runs what is not finished yet. ``accounting`` counts the second end in another way, such as smoothed:64.

        ``html`` is the file of a page.
        """
        counting = ladder_run.parse_accounting(accounting) if accounting else None
        return _written(Explanation(ladder_run.measure(self.plan, progress, counting)), html)


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
            *preprocessing_of(ladder.steps),
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


def explain(  # noqa: PLR0913, each is an option of the command
    *names: str | Path | Evaluation,
    start: str | None = None,
    goal: str | None = None,
    plan: bool = False,
    shapley: bool = False,
    accounting: str | None = None,
    top5: bool = False,
    every: bool = False,
    frequency: bool = False,
    radii: Sequence[int] | str | None = None,
    radius: int | str | None = None,
    html: str | Path | None = None,
    **options: Unpack[Options],
) -> PublishedExplanation | RunExplanation | PlannedExplanation | Explanation | PlannedFrequency | FrequencyExplanation:
    """Explains why error rates differ, as ``benchsuite explain`` does.

    ``explain("resnet50")`` says why the published figures of a model differ, at top-1 or with ``top5`` at top-5; with
    ``every`` each of them is shown; ``explain(run)`` says in what a run differs from them.
    ``explain("resnet50", start="1crop", goal="multiscale", data=...)`` measures what changes between two protocols (or
    ids of published figures), ``explain(run, run)`` between two runs, one factor at a time; with ``plan`` it only says
    which runs that needs. ``shapley`` averages each factor's effect over the orders of changing them; ``accounting``
    counts the second end in another way, such as ``"smoothed:64"``. The options are those of ``evaluate``.

    ``explain(run, frequency=True)`` finds which spatial frequencies the network of a run uses, or a named network with
    the options of ``evaluate``: at ``radii`` in waves per side, by default in proportion to 4, 8 ... 28 of 32 pixels,
    with pictures at ``radius``. ``html`` is the file of a page, which has plots if frequencies are explained. Raises
    ``BadParameter`` for options that would have no effect.
    """
    catalog, progress = surroundings(options)
    words = [str(name.path if isinstance(name, Evaluation) else name) for name in names]
    request = run_request((), (), options, "explain")
    given: dict[str, Any] = {
        "start": start,
        "goal": goal,
        "plan": plan,
        "shapley": shapley,
        "accounting": accounting,
        "top5": top5,
        "every": every,
    }
    given |= {"radii": radii, "radius": radius, "html": html, **{name: getattr(request, name) for name in ASKED}}
    _refuse_idle(words, given, catalog, frequency=frequency)
    if frequency:
        analysis = plan_frequency(words, request, catalog, radii, radius)
        return analysis if plan else _measured(analysis, progress, html, every=every)
    if len(words) == 1 and start is None and goal is None:
        if not is_architecture(words[0], catalog) and ladder_ends.is_run(request.results, words[0]):
            return _written(explain_run(words[0], request.results, top5=top5, every=every), html)
        known = explain_published(words[0], request.results, catalog, top5=top5, every=every)
        return _written(known, html)
    planned = plan_explanation(words, start, goal, request, catalog, shapley=shapley)
    return planned if plan else planned.measure(progress, accounting, html)


def _written(found: Result, html: str | Path | None) -> Result:
    """The result, which is also written to the file of a page if one is wanted."""
    if html is not None:
        found.write_html(Path(html))
    return found


def _measured(
    analysis: PlannedFrequency, progress: Progress, html: str | Path | None, *, every: bool
) -> FrequencyExplanation:
    """Says what the analysis costs, and carries it out."""
    progress.note(analysis.lines()[0])
    return analysis.measure(progress, html, every=every)


def _refuse_idle(words: Sequence[str], given: Mapping[str, Any], catalog: Catalog, *, frequency: bool) -> None:
    """Raises ``BadParameter`` for an option that is not at its default although it would have no effect."""

    def refuse(usual: Mapping[str, Any], rule: str) -> None:
        for name, value in usual.items():
            got = given[name]
            if got != value:
                text = " ".join(map(str, got)) if isinstance(got, list | tuple) else str(got)
                raise BadParameter(expected(f"--{OPTIONS.get(name, name)}", rule, text, " ".join(words)))

    if frequency:
        refuse(LADDER, "used only without --frequency")
        if words and not is_architecture(words[0], catalog):
            refuse(ASKED, "used only with a network, as a run is explained with its own options")
        return
    refuse({"radii": None, "radius": None}, "used only with --frequency")
    if given["plan"]:
        refuse({"html": None}, "used only without --plan")
    ends = given["start"] is not None or given["goal"] is not None
    if not ends and len(words) > 1:
        refuse(ASKED, "used only with --from and --to, as a run is measured with its own options")
    if ends or len(words) > 1:
        refuse(PUBLISHED, "used only to explain published figures")
    else:
        only = {"plan": False, "shapley": False, "accounting": None}
        refuse(ASKED | only, "used only with --from and --to, or with two runs")


def explain_published(model: str, results: Path, catalog: Catalog, *, top5: bool, every: bool) -> PublishedExplanation:
    """The published figures of a model, and the finished runs of the same model in the results folder."""
    k = 5 if top5 else 1
    figures = published_figures.explain(model, catalog, k=k)
    answer = published_figures.answer(figures, catalog, None if every else published_figures.MOST)
    rows = []
    for folder in run_folder.runs_in(results):
        manifest = run_folder.read_manifest(folder)
        if manifest is not None and ledger.base(manifest["architecture"]["name"]) == ledger.base(model):
            rows.append(run_manifest.result_row(manifest, str(folder), cached=True))
    return PublishedExplanation(model, figures, tuple(rows), answer, k, every)


def plan_explanation(
    words: Sequence[str],
    start: str | None,
    goal: str | None,
    request: RunRequest,
    catalog: Catalog,
    *,
    shapley: bool,
) -> PlannedExplanation:
    """The rungs between two protocols of one network, or between two runs. Else raises ``BadParameter``."""
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
