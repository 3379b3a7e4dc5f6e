"""``benchsuite.reproduce``: published figures measured again, each with a verdict."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from benchsuite.api.options import Options, run_request, surroundings
from benchsuite.api.shown import Section, Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.explanation.ladder_plan import Cost
from benchsuite.explanation.reproduce import run as reproducing
from benchsuite.explanation.reproduce.plan import (
    PlannedTraining,
    ReproductionPlan,
    ReproductionRequest,
    make_plan,
)
from benchsuite.explanation.reproduce.run import Outcome
from benchsuite.progress import Progress
from benchsuite.report.tables import reproductions
from benchsuite.report.tables.text import NAMED, Table
from benchsuite.storage.files import writing

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class PlannedReproduction(Shown):
    """What will be run for some figures, what it costs, which choices it makes, and what is missing for others."""

    plan: ReproductionPlan

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``reproduce --plan --json``."""
        plan = self.plan
        return {
            "name": plan.request.name,
            "passes": [{"network": name, **dataclasses.asdict(cost)} for name, cost in plan.costs],
            "trainings": [_training_data(one) for one in plan.trainings],
            "figures": [
                {
                    "id": one.row.id,
                    "printed": float(one.row.error or 0),
                    "value": one.row.value,
                    "runs": [question.run_id for question in one.questions],
                    "protocols": [question.bound.label for question in one.questions],
                    "open": [dataclasses.asdict(choice) for choice in one.choices],
                    "reasons": list(one.reasons),
                    "assumed": list(one.assumed),
                }
                for one in plan.runs
            ],
            "missing": [{"id": one.row.id, "missing": list(one.missing)} for one in plan.missing],
        }

    @property
    def table(self) -> pd.DataFrame:
        """One row for each figure that evaluations measure."""
        import pandas as pd

        return pd.DataFrame(self.record["figures"])

    def lines(self) -> Sequence[str]:
        """What will be run, then what is missing for other figures."""
        missing = [(one.row.id, one.missing) for one in self.plan.missing]
        return [*self.work(), *reproductions.missing_lines(missing)]

    def work(self) -> list[str]:
        """How many figures are measured, then the cost of each pass and training, and the choices that are open.

        Choices are listed for a few figures only; the record has all.
        """
        plan = self.plan
        lacking = f"; {len(plan.missing)} cannot be measured here" if plan.missing else ""
        parts = [_several(len(plan.runs), "figure") + " by evaluations"] if plan.runs else []
        parts += [_several(len(plan.trainings), "figure") + " by trainings"] if plan.trainings else []
        lines = [f"{plan.request.name}: {' and '.join(parts) or 'nothing to measure'}{lacking}"]
        lines += [f"{name}: {cost_words(cost)}" for name, cost in plan.costs]
        if len(plan.costs) > 1:
            forward = sum(cost.views * cost.images for _, cost in plan.costs)
            runs = _several(sum(cost.runs for _, cost in plan.costs), "run")
            lines.append(f"in all {runs}, at most {forward} forward passes")
        lines += dict.fromkeys(_training_words(one) for one in plan.trainings)
        if len(plan.runs) <= NAMED:
            lines += [f"{one.row.id} does not state {choice}" for one in plan.runs for choice in one.choices]
        return [*lines, *dict.fromkeys(words for one in plan.runs for words in one.assumed)]

    def measure(self, progress: Progress) -> Reproduction:
        """Runs what is not finished yet. With several figures, writes their table as Markdown, LaTeX and HTML."""
        request = self.plan.request
        outcomes = reproducing.carry_out(self.plan, progress)
        files = _written(outcomes, request) if len(outcomes) > 1 else ()
        return Reproduction(request.name, outcomes, files)


def cost_words(cost: Cost) -> str:
    """``2 runs of 1000 images; 10 views of each, at most 10000 forward passes, 0.502 megapixels an image``."""
    runs = f"{_several(cost.runs, 'run')} of {cost.images} images"
    if not cost.views:
        return f"{runs}, finished already: nothing is computed"
    finished = f", {cost.answered} of them finished" if cost.answered else ""
    passes = f"{_several(cost.views, 'view')} of each, at most {cost.views * cost.images} forward passes"
    return f"{runs}{finished}; {passes}, {cost.pixels / 1e6:.3f} megapixels an image"


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _training_words(one: PlannedTraining) -> str:
    if one.seconds is None:
        return f"{one.job.what}: trained already"
    hours, rest = one.seconds / 3600, f"scale {one.job.scale}, {one.job.recipe.epochs} epochs"
    rest += f", {len(one.trainings)} seeds" if len(one.trainings) > 1 else ""
    long = f"{hours:.1f} hours" if hours >= 1 else f"{one.seconds / 60:.1f} minutes"
    return f"trains {one.job.what} ({rest}): about {long} here, estimated from its first steps, without the tests"


def _training_data(one: PlannedTraining) -> dict[str, Any]:
    runs = [job.run_id for _, job in one.trainings]
    return {"id": one.row.id, "runs": runs, "recipe": one.job.recipe.name, "seconds": one.seconds}


@dataclass(frozen=True, slots=True, repr=False)
class Reproduction(Shown):
    """Published figures beside measured ones, each with a verdict. ``files`` are the tables that were written."""

    name: str
    outcomes: tuple[Outcome, ...]
    files: tuple[Path, ...] = ()

    @property
    def fine(self) -> bool:
        """Whether no figure was found not to be reproduced; those that are not comparable do not count."""
        return all(one.verdict != "not reproduced" for one in self.outcomes)

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``reproduce --json``."""
        figures = [reproducing.flat(one) for one in self.outcomes]
        return {"name": self.name, "figures": figures, "files": [str(path) for path in self.files]}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each figure: printed, measured, verdict, and why."""
        import pandas as pd

        whys = [reproductions.why(one) for one in self.outcomes]
        return pd.DataFrame(self.record["figures"]).drop(columns="reasons").assign(why=whys)

    def lines(self) -> Sequence[str]:
        """The verdict, or how many figures have which; then why, what is missing, and the files."""
        answer = reproductions.answer(self.outcomes, self.name)
        if len(self.outcomes) == 1:
            return [answer, *reproductions.details(self.outcomes[0])]
        written = ", ".join([str(self.files[0]), *(path.suffix for path in self.files[1:])])
        return [answer, *reproductions.notes(self.outcomes), f"written: {written}"]

    def cells(self) -> Table:
        """A line for each measured figure; for one figure a line for each combination of its open choices."""
        if len(self.outcomes) == 1:
            return reproductions.choices_table(self.outcomes[0])
        return reproductions.narrow(self.outcomes)


def _written(outcomes: Sequence[Outcome], request: ReproductionRequest) -> tuple[Path, ...]:
    """The table of several figures in RESULTS/reproductions, as Markdown, LaTeX and HTML."""
    from benchsuite.report.export import latex_table

    sheet = reproductions.sheet(outcomes, request.name)
    titles, rows = [column.title for column in sheet.columns], [[cell.text for cell in row] for row in sheet.rows]
    shown = Section(sheet.remarks[0], (titles, rows), sheet.remarks[1:])
    stem = request.run.results / "reproductions" / re.sub(r"[^\w.-]+", "_", request.name)
    paths = tuple(stem.with_name(f"{stem.name}.{suffix}") for suffix in ("md", "tex", "html"))
    for path, text in zip(paths, (f"{shown.markdown}\n", f"{latex_table(sheet)}\n"), strict=False):
        with writing(path) as part:
            part.write_text(text, encoding="utf-8")
    shown.write_html(paths[-1])
    return paths


def reproduce(
    name: str,
    *,
    plan: bool = False,
    train: bool = False,
    scale: str = "full",
    seeds: int = 1,
    **options: Unpack[Options],
) -> PlannedReproduction | Reproduction:
    """Measures published figures again, as ``benchsuite reproduce`` does, and judges whether they were reproduced.

    ``name`` is the id of a figure of the ledger (``list_entries("published")``), a pattern of ids such as
    ``"he-t4-*"``, or a model such as ``"resnet50"`` for all of its figures. Network, weights, protocol and accounting
    are those of the source as far as it states them; of its open choices, all combinations that need no other views are
    counted. The options are those of ``evaluate``. ``weights`` are used for a single figure, and otherwise for figures
    whose weights benchsuite does not have; ``data`` is the copy of the data set that they were published on.

    ``plan`` only says what would be run. Figures of trainings need ``train=True``, which starts their recipes at
    ``scale`` (``"full"`` or ``"mini"``); finished trainings are used in any case. With two or more ``seeds``, a figure
    is judged by how much they differ. Several figures are also written as one table, in ``RESULTS/reproductions``.
    Raises a ``BenchsuiteError`` for every mistake of a user.
    """
    catalog, progress = surroundings(options)
    request = run_request((), (), options, "reproduce")
    if request.processes != 1:
        raise BadParameter(expected("processes", "1 in reproduce", request.processes))
    if seeds < 1:
        raise BadParameter(expected("seeds", "at least 1", seeds))
    planned = PlannedReproduction(make_plan(ReproductionRequest(name, request, train, scale, seeds), catalog))
    if plan:
        return planned
    for line in planned.work():
        progress.note(line)
    return planned.measure(progress)
