"""The kinds of tables in a page of results; each is made from the folder or file that its mark names."""

from __future__ import annotations

import dataclasses
import inspect
import shlex
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, BenchsuiteError, DataError, expected, unknown_name
from benchsuite.explanation import audit, published_figures
from benchsuite.explanation.frequency import summary as frequency_summary
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
from benchsuite.explanation.reproduce import stored
from benchsuite.explanation.reproduce.run import Outcome
from benchsuite.report.content import Report, read
from benchsuite.report.export import markdown_table, plain
from benchsuite.report.frequency.content import FrequencyContent
from benchsuite.report.plots import figures
from benchsuite.report.plots import frequency as frequency_plots
from benchsuite.report.plots.shapes import Figure
from benchsuite.report.plots.standalone_svg import drawing
from benchsuite.report.results_pages import Maker, RenderedTable
from benchsuite.report.sources import sources
from benchsuite.report.summary import summary
from benchsuite.report.tables import frequency as frequency_tables
from benchsuite.report.tables import grids, reproductions
from benchsuite.report.tables import runs as run_tables
from benchsuite.report.tables import trainings as training_tables
from benchsuite.report.tables.published import explanation
from benchsuite.report.tables.sheet import Cell, Column, Sheet, number, whole, with_columns
from benchsuite.specs.catalog import Catalog
from benchsuite.storage import correctness

MEASURED = frozenset({"images/s", "minutes"})
"""Columns that depend on the machine and its load; committed tables leave them out."""


def maker(catalog: Catalog) -> Maker:
    """Returns the function that makes the tables: ``(folder of the page, words of the mark) -> RenderedTable``.

    That function raises ``DataError``, with the table's mark in the message, if the table cannot be made.
    """

    def explained(folder: Path, model: str, *beginnings: str) -> RenderedTable:
        """``printed MODEL [BEGINNING...]``: the published figures of a model, all or those whose ids begin so."""
        lines = published_figures.explain(model, catalog)
        shown = [line for line in lines if not beginnings or line.row.id.startswith(beginnings)]
        return RenderedTable(markdown_table(explanation(model, shown)))

    known: dict[str, Callable[..., RenderedTable]] = {**KINDS, "printed": explained}

    def make(folder: Path, words: Sequence[str]) -> RenderedTable:
        where = f"({folder}: table {shlex.join(words)})"
        try:
            if words[0] not in known:
                raise unknown_name("kind of table", words[0], known)
            inspect.signature(known[words[0]]).bind(folder, *words[1:])
            return known[words[0]](folder, *words[1:])
        except BenchsuiteError as error:
            raise DataError(f"{error} {where}") from error
        except TypeError as error:
            usage = (
                (KINDS[words[0]].__doc__ or "").partition(":")[0].strip("`") if words[0] in KINDS else "printed MODEL"
            )
            raise DataError(f"Expected the words of the table to be {usage}, got {error} {where}") from error

    return make


def _report(folder: Path, path: str, names: Iterable[str] = ()) -> Report:
    return read(sources(folder / path, tuple(names)))


def _ladder_report(folder: Path, file: str) -> Report:
    path = folder / file
    return read(sources(path.parent, (str(path),)))


def runs(folder: Path, path: str, *names: str) -> RenderedTable:
    """``runs PATH [RUN...]``: the evaluations in a results folder, those named or all."""
    return RenderedTable(_without_machine(run_tables.runs(_report(folder, path, names))))


def _without_machine(sheet: Sheet) -> str:
    """The table without the columns that depend on the machine."""
    return markdown_table(with_columns(sheet, lambda i: sheet.columns[i].title not in MEASURED))


def summed_up(folder: Path, path: str, *names: str) -> RenderedTable:
    """``summary PATH|FILE [RUN...]``: the summary of runs or of a ladder, as one paragraph."""
    ladder = (folder / path).suffix == ".json"
    return RenderedTable(plain(summary(_ladder_report(folder, path) if ladder else _report(folder, path, names))))


def ladder(folder: Path, file: str) -> RenderedTable:
    """``ladder FILE``: summary, rungs and Shapley shares (if any) of a ladder that ``explain --json`` wrote."""
    report = _ladder_report(folder, file)
    (content,) = report.ladders
    parts = [plain(summary(report)), markdown_table(run_tables.rungs(content))]
    shares = run_tables.shares(content)
    return RenderedTable("\n\n".join([*parts, *([markdown_table(shares)] if shares.rows else [])]))


def waterfall(folder: Path, file: str) -> RenderedTable:
    """``waterfall FILE``: the rungs of such a ladder as a plot, an SVG file next to the page."""
    (content,) = _ladder_report(folder, file).ladders
    drawn = dataclasses.replace(figures.waterfall(content), name="ladder-1")  # ids in the file: the same for any runs
    return _plots([(Path(file).stem, drawn)])


def frequency(folder: Path, path: str, run: str) -> RenderedTable:
    """``frequency PATH RUN``: what explain --frequency found about a run: the answer, accuracy and energy by radius."""
    content, analysis = _analysed(folder, path, run)
    sentences = (plain(frequency_summary.answer(analysis)), plain(frequency_summary.attacked(analysis)))
    tables = [markdown_table(table(content)) for table in (frequency_tables.accuracy, frequency_tables.energy)]
    return RenderedTable("\n\n".join([sentences[0], *tables, sentences[1]]))


def spectra(folder: Path, path: str, run: str) -> RenderedTable:
    """``spectra PATH RUN``: the same as plots, SVG files next to the page."""
    content, _ = _analysed(folder, path, run)
    short = f"frequency-{content.row['run_id'].rpartition('-')[2]}"
    return _plots([(f.name.replace(content.name, short), f) for f in frequency_plots.figures(content)])


def _analysed(folder: Path, path: str, run: str) -> tuple[FrequencyContent, FrequencyAnalysis]:
    for content in _report(folder, path, (run,)).frequencies:
        if content.analysis is not None:
            return content, content.analysis
    raise DataError(expected("a run", "one that benchsuite explain --frequency has analysed", run))


def comparisons(folder: Path, path: str, *names: str) -> RenderedTable:
    """``comparisons PATH RUN...``: each run compared with an earlier one, in the pairs of ``content.compared``."""
    return RenderedTable(markdown_table(run_tables.pairs(_report(folder, path, names))))


def calibration(folder: Path, path: str, *names: str) -> RenderedTable:
    """``calibration PATH [RUN...]``: calibration error, log loss and Brier score of each run."""
    return RenderedTable(markdown_table(run_tables.calibrations(_report(folder, path, names))))


def trainings(folder: Path, path: str, *names: str) -> RenderedTable:
    """``trainings PATH [RUN...]``: each training with its size and its last epoch, and the command of each."""
    report = _report(folder, path, names)
    table = _without_machine(training_tables.trainings(report.trainings))
    return RenderedTable(f"{table}\n\n{_console(one.manifest for one in report.trainings)}")


def over_seeds(folder: Path, path: str, *names: str) -> RenderedTable:
    """``seeds PATH [RUN...]``: the errors of each network and recipe over its seeds."""
    return RenderedTable(markdown_table(training_tables.seeds(_report(folder, path, names).trainings)))


def watched(folder: Path, path: str, *names: str) -> RenderedTable:
    """``watched PATH [RUN...]``: errors on training images under the watched perturbations; one plot per training."""
    every = [one for one in _report(folder, path, names).trainings if one.epochs[-1].watched]
    drawn = _plots([(f"watched-{one.run_id.rpartition('-')[2]}", figures.watched(one)) for one in every])
    return RenderedTable(f"{markdown_table(training_tables.watched(every))}\n\n{drawn.text}", drawn.files)


def accountings(folder: Path, path: str, *names: str) -> RenderedTable:
    """``accountings PATH [RUN...]``: the accuracy that other programs would have printed for the same epochs."""
    return RenderedTable(markdown_table(training_tables.accountings(_report(folder, path, names).trainings)))


def curves(folder: Path, path: str, *names: str) -> RenderedTable:
    """``curves PATH [RUN...]``: exact and smoothed accuracy by epoch as plots, SVG files next to the page."""
    every = _report(folder, path, names).trainings
    return _plots([(f"training-{one.run_id.rpartition('-')[2]}", figures.course(one)) for one in every])


def audited(folder: Path, path: str, name: str) -> RenderedTable:
    """``audit PATH RUN``: a run under every accounting, and how much the order of its images matters."""
    result = audit.audit(audit.AuditRequest(), correctness.read(folder / path, name))
    numbers = ("printed %", "off", "other orders: mean", "spread")
    columns = (Column("accounting"), Column("batch", True), *(Column(title, True) for title in numbers))
    rows = tuple(
        (
            Cell(row["accounting"]),
            whole(row["batch_size"]),
            number(row["printed"], 2),
            Cell(f"{row['off']:+.2f}".replace("-0.00", "+0.00")),
            number(row["orders_mean"], 2),
            number(row["orders_spread"], 2),
        )
        for row in result["rows"]
    )
    remarks = (f"{result['run_id']}: {result['hits']} of {result['n']} images right in the last epoch",)
    return RenderedTable(markdown_table(Sheet("audit", "Audit", columns, rows, remarks)))


def claimed(folder: Path, claim: str, accuracy: str, batch_size: str, epochs: str) -> RenderedTable:
    """``claim PERCENT ACCURACY BATCH EPOCHS``: how likely each accounting is to print a claim, given exact accuracy."""
    try:
        percents, wholes = (Decimal(claim), Decimal(accuracy)), (int(batch_size), int(epochs))
    except (ArithmeticError, ValueError):
        words = " ".join((claim, accuracy, batch_size, epochs))
        raise BadParameter(expected("a claim", "two percentages and two whole numbers", words)) from None
    asked = audit.AuditRequest(claim=percents[0], accuracy=percents[1], batch_sizes=(wholes[0],), epochs=wholes[1])
    numbers = ("median %", "95 % of all within", f"chance of {claim} or more, %")
    rows = tuple(
        (
            Cell(row["accounting"]),
            number(row["median"], 1),
            Cell(f"{number(row['low'], 1).text} to {number(row['high'], 1).text}"),
            number(row["at_least"], 1),
        )
        for row in audit.audit(asked)["claims"]
    )
    remarks = (f"{accuracy} % of {audit.IMAGES} images right in each of {epochs} epochs, batches of {batch_size}",)
    columns = (Column("accounting"), *(Column(title, True) for title in numbers))
    return RenderedTable(markdown_table(Sheet("claim", "Claim", columns, rows, remarks)))


def grid(folder: Path, file: str) -> RenderedTable:
    """``grid FILE``: the combinations of a grid of trainings, from its CSV."""
    return RenderedTable(markdown_table(grids.grid(folder / file)))


def grid_effects(folder: Path, file: str) -> RenderedTable:
    """``effects FILE``: the effect of each factor of a grid on the error when the other factors are equal."""
    return RenderedTable(markdown_table(grids.effects(folder / file)))


def reproduced(folder: Path, *figures: str) -> RenderedTable:
    """``reproductions FIGURE=PATH:RUN[,RUN...]...``: published figures beside runs, or trainings with several seeds."""
    outcomes = [_reproduced(folder, text) for text in figures]
    return RenderedTable(markdown_table(reproductions.sheet(outcomes, "here")))


def _reproduced(folder: Path, text: str) -> Outcome:
    name, _, place = text.partition("=")
    path, _, ids = place.partition(":")
    if not ids:
        raise BadParameter(expected("a figure with its runs", "FIGURE=PATH:RUN[,RUN...]", text))
    report = _report(folder, path, ids.split(","))
    if report.entries:
        return stored.of_run(name, report.entries[0].row)
    recipe = report.trainings[0].manifest["recipe"]
    rows = [one.row for one in report.trainings]
    return stored.of_trainings(name, recipe["accounting"], rows, folder / path)


def commands(folder: Path, path: str, *names: str) -> RenderedTable:
    """``commands PATH [RUN...]``: the commands that made the runs."""
    report = _report(folder, path, names)
    every = [entry.manifest for entry in report.entries] + [one.manifest for one in report.trainings]
    return RenderedTable(_console(every))


def _console(manifests: Iterable[Any]) -> str:
    """The commands of manifests as a block of code; users wrote them, so a fence within a command is replaced."""
    lines = dict.fromkeys(" ".join(str(manifest["command"]).split()).replace("```", "'''") for manifest in manifests)
    return "\n".join(["```console", *lines, "```"])


def _plots(named: Sequence[tuple[str, Figure]]) -> RenderedTable:
    images = [f"![{plain(figure.title)}: {plain(figure.about)}]({name}.svg)" for name, figure in named]
    return RenderedTable("\n\n".join(images), tuple((f"{name}.svg", drawing(figure)) for name, figure in named))


KINDS: dict[str, Callable[..., RenderedTable]] = {
    "summary": summed_up,
    "runs": runs,
    "ladder": ladder,
    "waterfall": waterfall,
    "frequency": frequency,
    "spectra": spectra,
    "comparisons": comparisons,
    "calibration": calibration,
    "trainings": trainings,
    "seeds": over_seeds,
    "watched": watched,
    "accountings": accountings,
    "curves": curves,
    "audit": audited,
    "claim": claimed,
    "grid": grid,
    "effects": grid_effects,
    "reproductions": reproduced,
    "commands": commands,
}
"""Every kind except ``printed``, which needs the catalog."""
