"""``benchsuite.evaluate``: networks under test protocols, by name or as a module; the results are kept on disk."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack, overload

from benchsuite.api.options import Options, run_request, surroundings
from benchsuite.api.shown import Section, Shown
from benchsuite.distributed.places import place
from benchsuite.errors import BadParameter, ExpectationFailed, expected
from benchsuite.explanation.meaning import meaning
from benchsuite.progress import Progress
from benchsuite.report.tables.group_errors import group_table
from benchsuite.report.tables.outcomes import answer, outcome_lines, outcome_table
from benchsuite.report.tables.text import Table, profile_table, published_table, result_table
from benchsuite.runs import query, run
from benchsuite.runs.cluster.split import run_on
from benchsuite.specs import parameters
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.specs.reporter import Reporter
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import pandas as pd
    import torch

EXPECT = re.compile(r"(top[15]_error|real_error)=([0-9.]+)(?:\+-([0-9.]+))?")
"""An expectation: the key of a row, its value and, by default 0, how far from it a result may be."""

Network: TypeAlias = "str | torch.nn.Module"
"""A network: its name as it is typed, or a module."""


@dataclass(frozen=True, slots=True, repr=False)
class Profile(Shown):
    """Where the time of runs went, an object of ``run --profile --json`` for each pass over the images."""

    records: tuple[dict[str, Any], ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row for each pass: seconds of each part, images/s, memory, what limits the speed, advice."""
        import pandas as pd

        return pd.DataFrame(list(self.records))

    def lines(self) -> Sequence[str]:
        """What would make each pass faster."""
        return [
            "where the time went",
            *(f"{' + '.join(r['protocols'])}: {' '.join(r['advice'])}" for r in self.records),
        ]

    def cells(self) -> Table:
        """The table of ``run --profile``, a line for each fact and a column for each pass."""
        headers, lines = profile_table(self.records)
        return ["", *("" for _ in lines)], [list(cells) for cells in zip(headers, *lines, strict=True)]


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Shown):
    """A finished run. Errors and intervals are unrounded percentages; ``row`` is its object of ``run --json``.

    ``n`` images were evaluated, of the ``of`` in the split. With ``explained`` it shows what the error means too, with
    ``every`` all columns and published figures.
    """

    run_id: str
    path: Path
    architecture: str
    weights: str
    protocol: str
    dataset: str
    n: int
    of: int
    top1_errors: int
    top1_error: float
    top1_interval: tuple[float, float]
    top5_errors: int
    top5_error: float
    row: Mapping[str, Any] = field(compare=False)
    profiled: bool = field(default=False, compare=False)
    explained: bool = field(default=False, compare=False)
    every: bool = field(default=False, compare=False)

    @property
    def meaning(self) -> str:
        """What the error means, and what it can be compared with."""
        return meaning(self.row)

    @property
    def profile(self) -> Profile:
        """Where the time of the run went, and what would make it faster."""
        return _profile([self.row])

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything that is needed to do the run again: views, preprocessing, digests, versions, seconds."""
        return run_folder.read_whole_manifest(self.path)

    @property
    def predictions(self) -> pd.DataFrame:
        """One row for each image: id, label, rank of the label, the five best classes and their probabilities."""
        return run_folder.read_predictions(self.path)

    @property
    def table(self) -> pd.DataFrame:
        """The run as a table of one row, with the columns of ``load_runs``."""
        return _table([self])

    def lines(self) -> Sequence[str]:
        """The error rates, the preprocessing, what else to know about the run, and its folder."""
        return [answer([self.row]), *outcome_lines([self.row], explained=self.explained, every=self.every)]

    def below(self) -> Sequence[Shown]:
        """Every column, errors by groups and published figures, and where the time went, if that was asked for."""
        return _below([self.row], self.every, self.profile if self.profiled else None)


@dataclass(frozen=True, slots=True, repr=False)
class Evaluations(Shown, Sequence[Evaluation]):
    """Several runs, in the order of the networks and, for each of them, of the protocols.

    With ``explained`` they show what each error means too, with ``every`` all columns and published figures.
    """

    runs: tuple[Evaluation, ...]
    profiled: bool = field(default=False, compare=False)
    explained: bool = field(default=False, compare=False)
    every: bool = field(default=False, compare=False)

    @overload
    def __getitem__(self, place: int) -> Evaluation: ...
    @overload
    def __getitem__(self, place: slice) -> Evaluations: ...
    def __getitem__(self, place: int | slice) -> Evaluation | Evaluations:
        return dataclasses.replace(self, runs=self.runs[place]) if isinstance(place, slice) else self.runs[place]

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self.runs)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each run, with the columns of ``load_runs``."""
        return _table(self.runs)

    @property
    def profile(self) -> Profile:
        """Where the time of each pass went, and what would make it faster."""
        return _profile([run.row for run in self.runs])

    def rendered(self, reporter: str = "markdown", catalog: Catalog | None = None) -> str:
        """The text that a reporter makes of the runs, as ``run --format`` prints it: markdown, csv, latex ..."""
        return table_format(reporter, catalog or load_plugins())([dict(run.row) for run in self.runs])

    @property
    def predictions(self) -> pd.DataFrame:
        """The predictions of all runs, below each other, with the column ``run_id``."""
        import pandas as pd

        return pd.concat([one.predictions.assign(run_id=one.run_id) for one in self.runs], ignore_index=True)

    def lines(self) -> Sequence[str]:
        """The fewest and the most errors, the preprocessing, and what else to know about each run."""
        rows = [run.row for run in self.runs]
        return [answer(rows), *outcome_lines(rows, explained=self.explained, every=self.every)]

    def below(self) -> Sequence[Shown]:
        """Every column, errors by groups and published figures, and where the time went, if that was asked for."""
        return _below([run.row for run in self.runs], self.every, self.profile if self.profiled else None)

    def cells(self) -> Table:
        """The columns that differ between several runs; none for one run, whose sentences have all."""
        return outcome_table([run.row for run in self.runs])


def table_format(reporter: str, catalog: Catalog) -> Callable[[Sequence[Mapping[str, Any]]], str]:
    """What a reporter makes of results. Raises ``BadParameter`` for one that only exports finished runs."""
    found: Reporter = catalog.find("reporter", reporter)
    if found.render is None:
        rule = f"a format of tables; benchsuite export RUN --to {reporter} writes finished runs"
        raise BadParameter(expected("--format", rule, reporter))
    return found.render


class OfOneCall(TypedDict, total=False):
    """What only ``evaluate`` takes: the place where it computes, and the name of the runs of a module."""

    place: str
    name: str | None


class EvaluateOptions(Options, OfOneCall, total=False):
    """The options of ``evaluate``."""


Sweep: TypeAlias = "str | Sequence[str] | Mapping[str, Sequence[object]]"
"""Values of parameters: ``"r=4,8"``, a list of such texts, or ``{"r": [4, 8]}``."""


@overload
def evaluate(
    networks: Network,
    protocols: str = "1crop",
    *,
    sweep: tuple[()] = (),
    expect: str | Sequence[str] = (),
    profile: bool = False,
    explain: bool = False,
    every: bool = False,
    **options: Unpack[EvaluateOptions],
) -> Evaluation: ...
@overload
def evaluate(
    networks: Network | Sequence[Network],
    protocols: str | Sequence[str] = "1crop",
    *,
    sweep: Sweep = (),
    expect: str | Sequence[str] = (),
    profile: bool = False,
    explain: bool = False,
    every: bool = False,
    **options: Unpack[EvaluateOptions],
) -> Evaluations: ...
def evaluate(
    networks: Network | Sequence[Network],
    protocols: str | Sequence[str] = "1crop",
    *,
    sweep: Sweep = (),
    expect: str | Sequence[str] = (),
    profile: bool = False,
    explain: bool = False,
    every: bool = False,
    **options: Unpack[EvaluateOptions],
) -> Evaluation | Evaluations:
    """Evaluates networks under test protocols, as ``benchsuite run`` does, and keeps the results in ``results``.

    ``networks`` and ``protocols`` are names as they are typed, such as ``"resnet50"`` and ``"multiscale:flip=false"``,
    or lists of them. One of each returns an ``Evaluation``; a list returns ``Evaluations``. The protocol that an
    attack attacks is evaluated as well: in a list its run comes before that of the attack. The options are those of the
    command: ``data``, ``weights``, ``preprocess``, ``transforms``, ``loader``, ``device``, ``precision``,
    ``batch_size``, ``workers``, ``resize_on``, ``compiled``, ``limit``, ``seed``, ``fresh``, ``processes`` and
    ``results``.
    ``preprocess`` is a text as on the command line, or a ``Preprocess``. ``catalog`` holds the plugins, by default
    ``load_plugins()``; ``progress=False`` shows none. A run that exists already is read from its folder.

    ``sweep`` evaluates every protocol that has a parameter with each of its values, as in ``{"r": [4, 8]}``; the result
    is ``Evaluations``. With ``profile`` it also shows where the time went; with ``explain``, and always without
    ``data``, what the error means; with ``every`` all columns and published figures. ``expect`` is
    ``"top1_error=24.7+-0.1"`` or a list of such texts; a result that differs raises ``ExpectationFailed``, whose
    ``runs`` are the results.

    A ``torch.nn.Module`` may be passed in place of a name; it is copied and left unchanged. Its weights are identified
    by the digest of its state, and it is computed each time, since a state does not tell what ``forward`` does.
    ``preprocess`` is its ``Preprocess``, by default the usual one of the data set, which a note says; where a data set
    has no usual one, it is required. ``name`` is the name in the results, by default that of its class.

    ``place`` is where it computes: ``"local"``, or ``"slurm"`` or ``"ray"``, with options as after ``--on``: the
    images are then divided among all nodes.

    In the processes that ``torchrun`` starts, only the first one returns results, the others empty ``Evaluations``.

    Raises a ``BenchsuiteError`` for every mistake of a user.
    """
    listed = isinstance(networks, Sequence) and not isinstance(networks, str)
    given: list[Any] = [*networks] if listed else [networks]
    expectations = [_expectation(text) for text in ([expect] if isinstance(expect, str) else expect)]
    catalog, progress = surroundings(options)
    find = partial(catalog.find, "protocol")
    asked = parameters.swept([protocols] if isinstance(protocols, str) else protocols, _axes(sweep), find)
    whole = parameters.with_clean(asked, find)
    runs = _evaluate(given, tuple(whole), options, catalog, progress)
    failures = [line for one in expectations for run in runs if (line := _failure(run.row, *one))]
    shown: dict[str, Any] = {"profiled": profile, "explained": explain or options.get("data") is None, "every": every}
    found: Evaluation | Evaluations = Evaluations(runs, **shown)
    if not listed and isinstance(protocols, str) and not sweep and runs:
        found = dataclasses.replace(runs[whole.index(protocols)], **shown)
    if failures:
        raise ExpectationFailed("; ".join(failures), failures, found)
    return found


def _evaluate(
    networks: list[Any], protocols: tuple[str, ...], options: Mapping[str, Any], catalog: Catalog, progress: Progress
) -> tuple[Evaluation, ...]:
    if not networks or not protocols:
        raise BadParameter(expected("the networks and the protocols", "one or more of each", "none"))
    own = {k: v for k, v in options.items() if k not in OfOneCall.__annotations__}
    where = place(options.get("place", "local"))
    if all(isinstance(network, str) for network in networks):
        if options.get("name") is not None:
            raise BadParameter(expected("name", "given for a torch module, not for a name", options["name"]))
        request = run_request(tuple(networks), protocols, own, "evaluate")
    else:
        from benchsuite.api import modules

        how = {"name": options.get("name"), "preprocess": own.pop("preprocess", None)}
        request = run_request((), protocols, own, "evaluate")
        request, catalog = modules.with_modules(request, catalog, networks, progress, **how)
        if not where.is_local:
            raise BadParameter(expected("place", "local for a module, which only this process has", where.name))
    rows = run.run(request, catalog, progress) if where.is_local else run_on(where, request, catalog, progress)
    return tuple(of_row(row) for row in rows)


def of_row(row: Mapping[str, Any]) -> Evaluation:
    """The run of a row of ``run --json``."""
    names = ("run_id", "architecture", "weights", "protocol", "dataset", "n", "of", "top1_errors", "top1_error")
    low, high = row["top1_interval"]
    rest = {name: row[name] for name in (*names, "top5_errors", "top5_error")}
    return Evaluation(path=Path(row["path"]), top1_interval=(low, high), row=row, **rest)


def _below(rows: Sequence[Mapping[str, Any]], every: bool, profile: Profile | None) -> list[Shown]:
    """With ``every`` all columns, the errors by groups of images and the published figures; then the profile."""
    parts: list[Shown] = []
    if every:
        title = "{architecture} {protocol}, by group"
        parts.append(Section("all columns", result_table(rows)))
        parts += [Section(title.format_map(row), group_table(row)) for row in rows if "groups" in row]
        published = published_table(rows)
        parts += [Section("published", published)] if published[1] else []
    return [*parts, *([profile] if profile is not None else [])]


def _table(runs: Sequence[Evaluation]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([query.flat(run.manifest, run.path) for run in runs])


def _axes(sweep: Sweep) -> list[str]:
    """The values of parameters as ``--sweep`` takes them: ``{"r": [4, 8]}`` -> ``["r=4,8"]``."""
    if isinstance(sweep, Mapping):
        return [f"{name}={','.join(map(parameters.show, values))}" for name, values in sweep.items()]
    return [sweep] if isinstance(sweep, str) else [*sweep]


def _expectation(text: str) -> tuple[str, float, float]:
    match = EXPECT.fullmatch(text)
    if match is None:
        raise BadParameter(expected("--expect", "written top1_error=24.7+-0.1 or top5_error=...", text))
    return match[1], float(match[2]), float(match[3] or 0)


def _failure(row: Mapping[str, Any], name: str, value: float, tolerance: float) -> str | None:
    """How a run differs from an expectation; None if it does not."""
    measured = row.get(name)
    if measured is not None and abs(measured - value) <= tolerance + 1e-9:
        return None
    result = "missing" if measured is None else f"{measured:g}"
    return f"{row['run_id']}: {name} is {result}, not {value:g}+-{tolerance:g}"


def _profile(rows: Sequence[Mapping[str, Any]]) -> Profile:
    """How the time of these runs was spent, from their manifests."""
    from benchsuite.runs.profile import profiles

    manifests = [run_folder.read_manifest(Path(row["path"])) for row in rows]
    profiled = profiles([manifest for manifest in manifests if manifest is not None])
    earlier = {row["run_id"] for row in rows if row["cached"]}
    for one in profiled:
        if one["bound"] and earlier.issuperset(one["runs"]):  # this call may name another loader or N
            how = " ".join(f"--{name} {one[name]}" for name in ("loader", "workers", "processes"))
            one["advice"].insert(0, f"Measured when the run was made, with {how}; --fresh measures again.")
    return Profile(tuple(profiled))
