"""The tables of a report for papers and programs: Markdown, LaTeX, CSV, and one JSON object."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchsuite import compare
from benchsuite.builtin.reporters import csv_cell, flattened, markdown_cell, tex_cell
from benchsuite.report import sheets
from benchsuite.report.content import Climbed, Entry, Pair, Report
from benchsuite.report.markup import printable
from benchsuite.report.sheets import Sheet
from benchsuite.report.summary import summary

TEX = {"→": r"$\to$", "≤": r"$\leq$"}
"""What benchsuite itself writes and LaTeX has no letter for."""

LISTS = ("classes", "fixed", "broken", "notes")
"""Parts of a comparison that are lists: they stand in no line of CSV."""


def markdown(report: Report, title: str) -> str:
    """The summary, and each table under its title. Whatever a name holds, it stays one cell of plain text."""
    parts = [f"# {_markdown(title)}", _markdown(summary(report))]
    for sheet in sheets.in_paper(report):
        parts.append(f"## {_markdown(sheet.title)}")
        parts += map(_markdown, sheet.said)
        ruler = "|".join(" ---: " if column.number else " --- " for column in sheet.columns)
        lines = [_line(column.title for column in sheet.columns), f"|{ruler}|"]
        parts.append("\n".join([*lines, *(_line(cell.text for cell in row) for row in sheet.rows)]))
    return "\n\n".join(parts) + "\n"


def _markdown(text: str) -> str:
    return markdown_cell(printable(text))


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(map(_markdown, texts))} |"


def latex(report: Report, title: str) -> str:
    """Each table as a tabular that needs no package; titles and what holds for all rows are comments."""
    parts = [_comment(title), _comment(summary(report))]
    for sheet in sheets.in_paper(report):
        parts += ["", _comment(sheet.title), *map(_comment, sheet.said), *_tabular(sheet)]
    return "\n".join(parts) + "\n"


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
    """A cell; the minus of a number is one. Brackets are kept from becoming an argument of the line before."""
    made = tex_cell(printable(text))
    for letter, command in TEX.items():
        made = made.replace(letter, command)
    if number:
        made = re.sub(r"(?<![\w.])-(?=\d)", "$-$", made)
    return f"{{{made}}}" if made.startswith(("[", "*")) else made


def as_csv(report: Report) -> str:
    """One line for each run, pair and rung, told apart by the first column; numbers unrounded, formulas disarmed."""
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
    yield from ({"table": "run", **run_data(entry)} for entry in report.entries)
    for ladder in report.ladders:
        for number, pair in enumerate(ladder.pairs, 1):
            factors = sheets.factor_words(ladder.told.factors[number])
            yield {"table": "rung", "ladder": ladder.name, "rung": number, "factors": factors, **_plain(pair)}
    yield from ({"table": "pair", **_plain(pair)} for pair in report.pairs)


def _plain(pair: Pair) -> dict[str, Any]:
    """A pair without its lists; its intervals are of changes, not those of the error rates of a run."""
    made = {key: value for key, value in pair_data(pair).items() if key not in LISTS}
    return {re.sub(r"(?<=top[15]_)(?=interval)", "change_", key): value for key, value in made.items()}


def as_json(report: Report) -> dict[str, Any]:
    """The report as one object, in the words of ``run --json``, ``compare --json`` and ``explain --json``."""
    return {
        "summary": summary(report),
        "runs": [run_data(entry) for entry in report.entries],
        "ladders": [_ladder_data(ladder) for ladder in report.ladders],
        "comparisons": [pair_data(pair) for pair in report.pairs],
    }


def run_data(entry: Entry) -> dict[str, Any]:
    """A run as one flat object: that of ``run --json``, its calibration, and the megapixels that its network sees."""
    found = entry.side.calibration
    row = {key: value for key, value in entry.row.items() if key != "cached"}
    known = {key: getattr(found, key) for key in ("ece", "nll", "brier", "brier_low", "brier_high")}
    return row | known | {"megapixels": entry.megapixels}


def pair_data(pair: Pair) -> dict[str, Any]:
    """A pair as one object: that of ``compare --json``."""
    return compare.flat(pair.found, pair.p_holm)


def _ladder_data(ladder: Climbed) -> dict[str, Any]:
    return {
        "rungs": [entry.run_id for entry in ladder.entries],
        "factors": [[dataclasses.asdict(factor) for factor in factors] for factors in ladder.told.factors],
        "steps": [pair_data(pair) for pair in ladder.pairs],
        "left_over": float(ladder.left_over),
        "because": list(ladder.told.because),
    }
