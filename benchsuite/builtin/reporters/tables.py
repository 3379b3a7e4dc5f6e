"""Reporters: results as a Markdown table, as CSV for spreadsheets and programs, and as a LaTeX tabular."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchsuite import Reporter, hookimpl

TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{letter: f"\\{letter}" for letter in "&%$#_"},
}
WORDS = ("architecture", "weights", "protocol", "dataset")
MARKDOWN = re.compile(r"[\\|`*<>&~]|_(?!\w)|(?<!\w)_|\](?=[(\[])")


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A pipe table with right-aligned numbers; lines below say how the images were prepared.

    Names are escaped, so that each stays one cell of plain text.
    """
    from benchsuite import preprocessing_lines, result_table

    headers, lines = result_table(rows)
    ruler = ["---" if header in WORDS else "---:" for header in headers]
    cells = [[markdown_cell(c) for c in line] for line in (headers, *lines)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in (cells[0], ruler, *cells[1:])) + "\n"
    return "\n".join([table, *(f"{markdown_cell(line)}\n" for line in preprocessing_lines(rows))]).rstrip("\n") + "\n"


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per result with every key, numbers unrounded; cells that look like a formula get a leading ``'``."""
    import csv
    import io

    flat = [dict(flattened(row)) for row in rows]
    headers = list(dict.fromkeys(key for row in flat for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows([csv_cell(row.get(key)) for key in headers] for row in flat)
    return text.getvalue()


def as_latex(rows: Sequence[Mapping[str, Any]]) -> str:
    """A tabular that needs no package, with right-aligned numbers; comments below say how images were prepared."""
    from benchsuite import preprocessing_lines, result_table

    headers, lines = result_table(rows)
    columns = "".join("l" if header in WORDS else "r" for header in headers)
    cells = [" & ".join(tex_cell(c) for c in line) + r" \\" for line in (headers, *lines)]
    body = [rf"\begin{{tabular}}{{{columns}}}", r"\hline", cells[0], r"\hline", *cells[1:], r"\hline", r"\end{tabular}"]
    return "\n".join([*body, *(f"% {' '.join(line.split())}" for line in preprocessing_lines(rows))]) + "\n"


def markdown_cell(text: str) -> str:
    """Text on one line, with all characters escaped that Markdown or HTML would interpret."""
    return MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def csv_cell(value: Any) -> Any:
    """The value unchanged; text that a spreadsheet would take for a formula gets a leading apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def tex_cell(text: str) -> str:
    """Text on one line, with TeX's special characters escaped."""
    return "".join(TEX.get(c, c) for c in " ".join(text.split()))


def flattened(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A row's keys and values: ``seconds.decode`` becomes ``seconds_decode``, an interval ``_low`` and ``_high``."""
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from flattened({f"{key}_{part}": inner for part, inner in value.items()})
        elif key.endswith("_interval"):
            yield from zip((f"{key}_low", f"{key}_high"), value or (None, None), strict=True)
        elif isinstance(value, list):
            yield key, "+".join(map(_part, value))
        else:
            yield key, value


def _part(value: Any) -> str:
    """An item of a list: ``224x320`` for a list, ``fog:3:50:12:4`` for the values of an object."""
    if isinstance(value, Mapping):
        return ":".join(map(str, value.values()))
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@hookimpl
def benchsuite_reporters() -> tuple[Reporter, ...]:
    """``markdown``, ``csv`` and ``latex``."""
    return (
        Reporter("markdown", as_markdown, "A table for a README or an issue."),
        Reporter("csv", as_csv, "Every key of each result, unrounded, one line per result."),
        Reporter("latex", as_latex, "A tabular for a paper."),
    )
