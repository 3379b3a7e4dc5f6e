"""Plans how published figures are measured again: networks, weights, protocols, images; what is missing for others."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, BenchsuiteError, DataError, expected, unknown_name
from benchsuite.evaluation.question import Question, RunRequest
from benchsuite.explanation import ledger
from benchsuite.explanation.ladder_plan import Cost, context_of, cost_of
from benchsuite.explanation.ledger import Published, Trained
from benchsuite.explanation.reproduce import choices, estimate
from benchsuite.explanation.reproduce.choices import OpenChoice
from benchsuite.explanation.reproduction import label, missing_part, network
from benchsuite.models.weights import ChosenWeights, declared_as
from benchsuite.runs.plan import plan, under
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import split_conversion
from benchsuite.storage import training_folder
from benchsuite.storage.data_places import located
from benchsuite.training import job as jobs
from benchsuite.training.job import Job, TrainRequest


@dataclass(frozen=True, slots=True)
class ReproductionRequest:
    """What ``reproduce`` was asked: the ``name`` of figures, and ``run``, how networks are evaluated.

    ``run`` names no architecture and no protocol. With ``train``, trainings at this ``scale`` are started; each with as
    many ``seeds``, from that of ``run`` or of the recipe on.
    """

    name: str
    run: RunRequest
    train: bool = False
    scale: str = "full"
    seeds: int = 1


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A figure that evaluations measure: ``questions``, the protocol as stated first, then other open choices.

    ``reasons`` say in what the measurement is another one than the published, ``assumed`` what the user vouches for.
    """

    row: Published
    questions: tuple[Question, ...]
    choices: tuple[OpenChoice, ...]
    reasons: tuple[str, ...]
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlannedTraining:
    """A figure that trainings by one recipe measure, one for each seed.

    ``accountings`` are those that the source may have counted by. ``seconds`` is what the unfinished trainings will
    take, about; None if there are none.
    """

    row: Published
    trainings: tuple[tuple[TrainRequest, Job], ...]
    accountings: tuple[str, ...]
    seconds: float | None
    reasons: tuple[str, ...]

    @property
    def job(self) -> Job:
        """The training with the first seed."""
        return self.trainings[0][1]


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """A figure that cannot be measured here, and what is missing, in words."""

    row: Published
    missing: tuple[str, ...]


Planned = PlannedRun | PlannedTraining | NotPlanned


@dataclass(frozen=True, slots=True)
class ReproductionPlan:
    """All figures of a request in the order of the ledger, and the cost of each pass over images."""

    request: ReproductionRequest
    planned: tuple[Planned, ...]
    costs: tuple[tuple[str, Cost], ...]

    @property
    def runs(self) -> list[PlannedRun]:
        """The figures that evaluations measure."""
        return [one for one in self.planned if isinstance(one, PlannedRun)]

    @property
    def missing(self) -> list[NotPlanned]:
        """The figures that cannot be measured here."""
        return [one for one in self.planned if isinstance(one, NotPlanned)]

    @property
    def trainings(self) -> list[PlannedTraining]:
        """The figures that trainings measure."""
        return [one for one in self.planned if isinstance(one, PlannedTraining)]


def make_plan(request: ReproductionRequest, catalog: Catalog) -> ReproductionPlan:
    """The plan for the figures that a name means. Reads a few images for their sizes.

    Builds a network only to time a few steps of a training that is allowed and not finished. A mistake of the user is
    raised if it is one for every figure; else the figures have it as what is missing. Raises ``UnknownName`` for a name
    without figures, and ``BadParameter`` for a file of weights that several sources might mean.
    """
    rows = figures(request.name)
    _check_weights(request.run.weights, rows)
    opening = {name: dataclasses.replace(d, open=functools.cache(d.open)) for name, d in catalog.datasets.items()}
    planner = _Planner(request, dataclasses.replace(catalog, datasets=opening), single=len(rows) == 1)
    planned, errors = list[Planned](), list[Exception]()
    for row in rows:
        try:
            planned.append(planner.of(row))
        except BenchsuiteError as error:
            errors.append(error)
            planned.append(NotPlanned(row, (str(error),)))
    if len(errors) == len(rows):
        raise errors[0]
    runs = [one for one in planned if isinstance(one, PlannedRun)]
    costs = ((_network_words(same[0]), cost_of(same)) for same in passes(runs))
    return ReproductionPlan(request, tuple(planned), tuple(costs))


def figures(name: str) -> tuple[Published, ...]:
    """The figures with this id, whose ids match a pattern such as ``he-*``, or of this model.

    Raises ``UnknownName``, and ``BadParameter`` for an id that has no figure in print.
    """
    every = ledger.load()
    known = [row for row in every if row.error is not None]
    if any(row.id == name for row in every):
        rows = [row for row in known if row.id == name]
        if not rows:
            raise BadParameter(expected("a published figure", "one with a value", f"{name}, whose value was not seen"))
    elif any(sign in name for sign in "*?["):
        rows = [row for row in known if fnmatch.fnmatchcase(row.id, name)]
    else:
        rows = [row for row in known if ledger.is_of(row, name)]
    if not rows:
        models = {ledger.base(row.architecture) for row in known if row.architecture}
        raise unknown_name("model, published figure or pattern of ids", name, {*models, *(row.id for row in known)})
    return tuple(rows)


def passes(runs: Sequence[PlannedRun]) -> list[list[Question]]:
    """The questions of all figures, those that share a pass over the images together; none is asked twice."""
    groups: dict[RunRequest, dict[str, Question]] = {}
    for question in (q for one in runs for q in one.questions):
        shared = dataclasses.replace(question.request, protocols=())
        groups.setdefault(shared, {})[question.run_id] = question
    return [list(group.values()) for group in groups.values()]


def _network_words(question: Question) -> str:
    return f"{question.architecture}, weights {question.weights}, on {question.split.name}"


def _check_weights(weights: str | None, rows: Sequence[Published]) -> None:
    """Raises ``BadParameter`` for a file that would stand for the weights of several sources."""
    sources = dict.fromkeys(row.run or row.source for row in rows if not row.weights)
    if weights is not None and Path(weights.partition(",")[0]).exists() and len(sources) > 1:
        rule = "for the figures of one source, named by an id or a pattern such as 'he-*'"
        raise BadParameter(expected("a file of weights", rule, f"those of {len(sources)}: {'; '.join(sources)}"))


@dataclass(slots=True)
class _Planner:
    """Plans figures one after another.

    ``single``: it is the only figure, so weights and images that the user gives are used even if the source had others.
    ``opened`` has a question for each network and data set, ``timed`` the seconds of each training.
    """

    request: ReproductionRequest
    catalog: Catalog
    single: bool
    opened: dict[tuple[str, str, str], Question] = field(default_factory=dict)
    timed: dict[str, float] = field(default_factory=dict)

    def of(self, row: Published) -> Planned:
        """The plan for a figure. Raises a ``BenchsuiteError`` for values of the user that do not fit."""
        known, given = ledger.trained().get(row.id), self.request.run.weights
        if row.dataset == "imagenet" and row.split == "test":
            return NotPlanned(row, ("the labels of ImageNet's test images, which are not public",))
        if missing := "" if known and not row.architecture else missing_part(self.catalog, row):
            return NotPlanned(row, (missing,))
        if not row.architecture and known is not None:
            return self._training(row, known)
        name, found = network(self.catalog, row)
        declared = found.name if found else None
        weights = given if given is not None and (self.single or declared is None) else declared
        if weights is None and known is not None:
            return self._training(row, known)
        missing_data = self._missing_data(row)
        if weights is None and (missing_data or self.catalog.find("dataset", row.dataset).recipe is None):
            needs = f"the weights of {row.run or row.source}: --weights FILE (docs/weights.md)"
            return NotPlanned(row, tuple(filter(None, (needs, missing_data))))
        return NotPlanned(row, (missing_data,)) if missing_data else self._run(row, name, weights)

    def _missing_data(self, row: Published) -> str:
        """What to give for a data set whose place is not known; empty if it opens, or if the user named it.

        For a single figure any other one may be named, which is then not comparable. Raises ``DataError`` if the place
        that was added is gone.
        """
        need, given = f"the images: --data {row.dataset}:PATH (benchsuite show {row.dataset})", self.request.run.data
        if given is not None:
            name = split_conversion(given)[0].partition(":")[0]
            return "" if self.single or name == row.dataset else need
        place = located(row.dataset, self.catalog)
        try:
            self.catalog.open_dataset(place)
        except DataError:
            return need
        return ""

    def _run(self, row: Published, name: str, weights: str | None) -> PlannedRun:
        data = self.request.run.data or row.dataset
        key = (name, str(weights), data)
        if key not in self.opened:
            asked = dataclasses.replace(self.request.run, architectures=(name,), weights=weights, data=data)
            (self.opened[key],) = plan(dataclasses.replace(asked, protocols=("1crop",)), self.catalog)
        question, origin = self.opened[key], ledger.quoted(row) or row
        context, chosen = context_of(question, self.catalog), question.members[0].weights
        stated = self.catalog.protocol(label(self.catalog, origin, chosen.preprocess))
        left_open = choices.open_choices(row, stated, context)
        labels = choices.combinations(left_open, stated, context)
        questions = tuple(under(question, question.request, text, self.catalog) for text in labels)
        reasons = tuple(_reasons(row, questions[0]))
        vouched = f"{chosen.label} is taken for the weights of {row.run or row.source}"
        assumed = (vouched,) if _vouched(row, chosen) and chosen.recipe is None else ()
        return PlannedRun(row, questions, left_open, reasons, assumed)

    def _training(self, row: Published, known: Trained) -> PlannedTraining | NotPlanned:
        """The training by the recipe behind a figure; if it is neither finished nor allowed, what allows it."""
        architecture = _architecture(self.catalog, known.recipe)
        missing_data, asked = self._missing_data(row), self.request.run
        recipe = next(r for r in architecture.recipes if r.name == known.recipe)
        which = f"{recipe.name} ({recipe.cost})" if self.single else "their recipe"
        first = asked.seed or recipe.seed
        seeds = range(first, first + self.request.seeds)
        which += f" with seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else ""
        need = f"a training by {which}: --train{', or --weights FILE' if row.architecture else ''}"
        if missing_data:
            return NotPlanned(row, (need, missing_data))
        request = TrainRequest(
            architecture.name,
            recipe.name,
            data=asked.data,
            scale=self.request.scale,
            device=asked.device,
            precision=asked.precision,
            compiled=asked.compiled,
            fresh=asked.fresh,
            results=asked.results,
        )
        requests = [dataclasses.replace(request, seed=None if seed == recipe.seed else seed) for seed in seeds]
        trainings = tuple((one, jobs.plan(one, self.catalog)) for one in requests)
        left = [one for one in trainings if asked.fresh or not _finished(*one)]
        if left and not self.request.train:
            return NotPlanned(row, (need,))
        job = trainings[0][1]
        reasons = tuple(training_reasons(row, job.scale, job.test.name))
        if left and job.run_id not in self.timed:
            self.timed[job.run_id] = estimate.seconds(job, request)
        seconds = len(left) * self.timed[job.run_id] if left else None
        accountings = tuple(known.accounting.split()) or (recipe.accounting,)
        return PlannedTraining(row, trainings, accountings, seconds, reasons)


def _finished(request: TrainRequest, job: Job) -> bool:
    return training_folder.read(training_folder.folder(request.results, job.run_id)) is not None


def _architecture(catalog: Catalog, recipe: str) -> Architecture:
    """The network that a recipe of the ledger trains."""
    plain = (a for a in catalog.architectures.values() if isinstance(a, Architecture))
    return next(a for a in plain if recipe in {r.name for r in a.recipes})


def _reasons(row: Published, question: Question) -> Iterator[str]:
    """In words, in what a question is another measurement than the published one.

    A file that the user gives for weights that benchsuite does not have is taken for theirs.
    """
    (member,) = question.members
    chosen = member.weights
    same = None if chosen.path is None else declared_as(member.architecture, chosen.key.partition(",")[0])
    facts = {
        "dataset": question.split.name,
        "n": len(question.split.samples),
        "architecture": question.architecture,
        "weights": same.name if same and _plain(chosen) else chosen.label,
        "exact": question.loader.exact,
        "loader": question.loader.name,
    }
    yield from run_reasons(row, facts, vouched=_vouched(row, chosen))


def run_reasons(row: Published, facts: Mapping[str, Any], *, vouched: bool) -> Iterator[str]:
    """In words, in what a run is another measurement than the published one, apart from a limit of the images.

    ``facts`` has the run's dataset, its number ``n`` of images, architecture, weights, loader, and ``exact``. Sizes and
    resampling are those of the source. With ``vouched`` the weights are, too.
    """
    sizes: dict[str, Any] = dict.fromkeys(("resize", "crop", "interpolation"), ())
    own = ("other size", "other resampling", *(["other weights"] if vouched else []))
    found = ledger.differences(row, {**facts, **sizes, "protocol": ""})
    yield from (_needing(row, words) for words in found if words not in own)


def training_reasons(row: Published, scale: str, dataset: str) -> Iterator[str]:
    """In words, in what a training at a scale on a data set is another one than the published."""
    if scale != "full":
        yield f"scale {scale}: smaller than the recipe"
    if dataset != row.dataset:
        yield _needing(row, f"other dataset ({dataset})")


def _needing(row: Published, difference: str) -> str:
    """A difference from the published measurement with what is needed instead."""
    if difference == "other weights":
        return f"{difference}: needed are {row.weights or f'those of {row.run or row.source}'}"
    if difference.startswith("other dataset") or " images, not the " in difference:
        return f"{difference}: needed is the published {row.dataset} (benchsuite show {row.dataset})"
    return difference


def _vouched(row: Published, chosen: ChosenWeights) -> bool:
    """Whether weights, which the ledger has no name for, are taken for those of the source."""
    return not row.weights and chosen.path is not None and not chosen.transforms


def _plain(chosen: ChosenWeights) -> bool:
    """Whether nothing was changed in weights from a file."""
    return not chosen.transforms and "," not in chosen.key
