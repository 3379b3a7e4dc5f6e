"""The tables of a report for papers and programs: Markdown, LaTeX, CSV, and one JSON object."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchsuite.builtin.reporters.tables import csv_cell, flattened, markdown_cell, tex_cell
from benchsuite.explanation import comparison
from benchsuite.explanation.frequency.analysis import flat as analysis_data
from benchsuite.report.content import Entry, LadderContent, Pair, Report
from benchsuite.report.frequency.content import FrequencyContent
from benchsuite.report.markup import printable
from benchsuite.report.summary import summary
from benchsuite.report.tables import frequency, runs, trainings
from benchsuite.report.tables.group_errors import group_sheets
from benchsuite.report.tables.sheet import Sheet
from benchsuite.report.training_content import Epoch, TrainingContent
from benchsuite.storage.run_folder import GROUP

TEX = {"→": r"$\to$", "≤": r"$\leq$"}
"""LaTeX commands for the special characters in benchsuite's own words."""

LISTS = ("classes", "groups", "fixed", "broken", "notes")
"""Keys of a comparison whose values are lists; they are left out of the CSV."""


def markdown(report: Report, title: str) -> str:
    """The summary, and each table under its title. Names are escaped, so that each stays one cell of plain text."""
    parts = [f"# {plain(title)}", plain(summary(report))]
    for sheet in in_paper(report):
        parts += [f"## {plain(sheet.title)}", markdown_table(sheet)]
    return "\n\n".join(parts) + "\n"


def in_paper(report: Report) -> list[Sheet]:
    """The tables of Markdown and LaTeX: every one that is not empty, except those of classes, images and epochs."""
    sheets = [runs.runs(report), *group_sheets(entry.row for entry in report.entries)]
    for ladder in report.ladders:
        sheets += [runs.rungs(ladder), runs.shares(ladder)]
    sheets += [table(content) for content in report.frequencies for table in (frequency.accuracy, frequency.energy)]
    sheets += [runs.pairs(report), runs.calibrations(report), runs.published(report)]
    sheets += [table(report.trainings) for table in (trainings.trainings, trainings.accountings)]
    return [sheet for sheet in sheets if sheet.rows]


def markdown_table(sheet: Sheet) -> str:
    """The remarks on all rows, then a pipe table with numbers aligned to the right."""
    ruler = "|".join(" ---: " if column.number else " --- " for column in sheet.columns)
    lines = [_line(column.title for column in sheet.columns), f"|{ruler}|"]
    lines += [_line(cell.text for cell in row) for row in sheet.rows]
    return "\n\n".join([*map(plain, sheet.remarks), "\n".join(lines)])


def plain(text: str) -> str:
    """The text escaped for Markdown, on one line."""
    return markdown_cell(printable(text))


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(plain, texts))} |"


def latex(report: Report, title: str) -> str:
    """Each table as a ``tabular`` that needs no package; titles, the summary and remarks on all rows are comments."""
    parts = [_comment(title), _comment(summary(report))]
    for sheet in in_paper(report):
        parts += ["", latex_table(sheet)]
    return "\n".join(parts) + "\n"


def latex_table(sheet: Sheet) -> str:
    """A table as a ``tabular``, below its title and its remarks as comments."""
    return "\n".join([_comment(sheet.title), *map(_comment, sheet.remarks), *_tabular(sheet)])


def _comment(text: str) -> str:
    return "% " + " ".join(printable(text).split())


def _tabular(sheet: Sheet) -> Iterator[str]:
    yield rf"\begin{{tabular}}{{{''.join('r' if column.number else 'l' for column in sheet.columns)}}}"
    yield r"\hline"
    yield " & ".join(_tex(column.title, number=False) for column in sheet.columns) + r" \\"
    yield r"\hline"
    for row in sheet.rows:
        cells = (_tex(cell.text, number=column.number) for cell, column in zip(row, sheet.columns, strict=True))
        yield " & ".join(cells) + r" \\"
    yield r"\hline"
    yield r"\end{tabular}"


def _tex(text: str, *, number: bool) -> str:
    """A cell. Numbers get a true minus sign; a cell that begins with ``[`` or ``*`` is put in braces.

    Without braces LaTeX would read it as an argument of the line break before it.
    """
    cell = tex_cell(printable(text))
    for letter, command in TEX.items():
        cell = cell.replace(letter, command)
    if number:
        cell = re.sub(r"(?<![\w.])-(?=\d)", "$-$", cell)
    return f"{{{cell}}}" if cell.startswith(("[", "*")) else cell


def as_csv(report: Report) -> str:
    """One line for each run, group, rung, pair, radius, training and epoch; the first column says which of these it is.

    Numbers are not rounded. Text that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    lines = [dict(flattened(line)) for line in _lines(report)]
    headers = list(dict.fromkeys(key for line in lines for key in line))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([_csv(line.get(key)) for key in headers] for line in lines)
    return text.getvalue()


def _csv(value: Any) -> Any:
    return csv_cell(printable(value)) if isinstance(value, str) else value


def _lines(report: Report) -> Iterator[Mapping[str, Any]]:
    for entry in report.entries:
        data = run_data(entry)
        names, groups = data.pop("group_names", ()), data.pop("groups", ())
        yield {"table": "run", **data}
        for group in groups:
            counts = {f"{GROUP}{key}" if key in names else key: value for key, value in group.items()}
            yield {"table": "group", "run_id": entry.run_id, **counts}
    for ladder in report.ladders:
        for number, pair in enumerate(ladder.pairs, 1):
            factors = runs.factor_words(ladder.file.factors[number])
            yield {"table": "rung", "ladder": ladder.name, "rung": number, "factors": factors, **_plain(pair)}
    yield from ({"table": "pair", **_plain(pair)} for pair in report.pairs)
    for content in report.frequencies:
        yield from ({"table": "radius", "run_id": content.row["run_id"], **at} for at in _radii(content))
    for one in report.trainings:
        yield {"table": "training", **training_data(one)}
        yield from ({"table": "epoch", "run_id": one.run_id, **epoch_data(epoch)} for epoch in one.epochs)


def _plain(pair: Pair) -> dict[str, Any]:
    """A pair without its lists, with ``top1_interval...`` renamed to ``top1_change_interval...``.

    Otherwise the interval of a change would share a column with the intervals of the runs' error rates.
    """
    data = {key: value for key, value in pair_data(pair).items() if key not in LISTS}
    return {re.sub(r"(?<=top[15]_)(?=interval)", "change_", key): value for key, value in data.items()}


def as_json(report: Report) -> dict[str, Any]:
    """The report as one object, with the keys of ``run --json``, ``compare --json`` and ``explain --json``."""
    return {
        "summary": summary(report),
        "runs": [run_data(entry) for entry in report.entries],
        "ladders": [_ladder_data(ladder) for ladder in report.ladders],
        "comparisons": [pair_data(pair) for pair in report.pairs],
        "frequencies": [frequency_data(content) for content in report.frequencies],
        "trainings": [
            training_data(one) | {"course": [epoch_data(epoch) for epoch in one.epochs]} for one in report.trainings
        ],
    }


def run_data(entry: Entry) -> dict[str, Any]:
    """A run as one flat object: the keys of ``run --json`` without ``cached``, its calibration, and ``megapixels``."""
    row = {key: value for key, value in entry.row.items() if key != "cached"}
    names = ("ece", "nll", "brier", "brier_low", "brier_high")
    calibration = {key: getattr(entry.side.calibration, key, None) for key in names}
    return row | calibration | {"megapixels": entry.megapixels}


def training_data(one: TrainingContent) -> dict[str, Any]:
    """A training as one object: the keys of ``train --json`` without ``cached``, and its numbers of parameters."""
    row = {key: value for key, value in one.row.items() if key != "cached"}
    return row | {key: one.manifest["architecture"][key] for key in ("parameters", "frozen", "masks")}


def frequency_data(content: FrequencyContent) -> dict[str, Any]:
    """Accuracy by radius of one network as one object: counts are integers; and the analysis, or None."""
    names = ("run_id", "architecture", "weights", "dataset", "n", "of")
    return {
        **{name: content.row[name] for name in names},
        "unit": content.unit,
        "clean_right": content.clean and content.clean.hits,
        "radii": list(_radii(content)),
        "analysis": None if content.analysis is None else analysis_data(content.analysis),
    }


def _radii(content: FrequencyContent) -> Iterator[dict[str, Any]]:
    for at in content.points:
        right = {"low_right": at.low and at.low.hits, "high_right": at.high and at.high.hits}
        yield {"radius": float(at.radius), **right, "n": content.row["n"]}


def epoch_data(epoch: Epoch) -> dict[str, Any]:
    """An epoch as one flat object: errors are counts, the smoothed accuracy an unrounded percentage."""
    data: dict[str, Any] = {"epoch": epoch.number, "loss": epoch.loss, "learning_rate": epoch.learning_rate}
    for name, count in (("train", epoch.train), ("heldout", epoch.heldout), ("test", epoch.test)):
        data |= {f"{name}_errors": count and count.hits, f"{name}_n": count and count.total}
    return data | {"smoothed_accuracy": float(100 * epoch.smoothed)}


def pair_data(pair: Pair) -> dict[str, Any]:
    """A pair as one object, with the keys of ``compare --json``."""
    return comparison.flat(pair.comparison, pair.p_holm)


def _ladder_data(ladder: LadderContent) -> dict[str, Any]:
    return {
        "rungs": [entry.run_id for entry in ladder.entries],
        "factors": [[dataclasses.asdict(factor) for factor in factors] for factors in ladder.file.factors],
        "steps": [pair_data(pair) for pair in ladder.pairs],
        "left_over": float(ladder.left_over),
        "because": list(ladder.file.because),
    }
