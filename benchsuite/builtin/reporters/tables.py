"""Reporters: results as a Markdown table, as CSV for spreadsheets and programs, and as a LaTeX tabular."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchsuite import FinishedRun, Reporter, hookimpl

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
EXPORTED = (
    *("run_id", "architecture", "weights", "protocol", "dataset", "n", "of", "classes", "among", "limit"),
    *("top1_errors", "top1_error", "top1_interval_low", "top1_interval_high"),
    *("top5_errors", "top5_error", "top5_interval_low", "top5_interval_high"),
    *("real_n", "real_errors", "real_error", "real_interval_low", "real_interval_high"),
    *("near_ties_top1", "near_ties_top5", "near_ties_tolerance", "vanished", "group_names", "groups"),
    *("relative_error_name", "relative_error_value"),
    *("views", "resize", "crop", "interpolation", "borders", "preprocessing", "conversion_depth", "conversion_alpha"),
    *("precision", "loader", "exact", "seed", "device", "batch_size", "images_per_second", "seconds_total"),
    *("weights_digest", "dataset_digest", "benchsuite", "created", "command"),
)
"""The columns of exported runs, which all files have in this order; docs/export.md describes them."""
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
    flat = [dict(flattened(row)) for row in rows]
    return _csv(list(dict.fromkeys(key for row in flat for key in row)), flat)


def runs_as_csv(runs: Sequence[FinishedRun]) -> str:
    """One line per run with the columns ``EXPORTED``; a cell is empty where a run has no such value."""
    return _csv(EXPORTED, [_exported(run) for run in runs])


def _exported(run: FinishedRun) -> dict[str, Any]:
    manifest, intervals = run.manifest, {rate.name: [100 * bound for bound in rate.interval] for rate in run.rates}
    return {
        **dict(flattened(run.row)),
        **dict(flattened({f"{name}_interval": interval for name, interval in intervals.items()})),
        **{f"{name}_digest": manifest[name]["digest"] for name in ("weights", "dataset")},
        **{name: manifest[name] for name in ("benchsuite", "created", "command")},
        **{name: manifest["numerics"][name] for name in ("device", "batch_size")},
        "classes": manifest["dataset"]["classes"],
        "seed": manifest["asked"]["seed"],
    }


def _csv(headers: Sequence[str], flat: Sequence[Mapping[str, Any]]) -> str:
    import csv
    import io

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
        Reporter("csv", as_csv, "Every key of each result, unrounded, one line per result.", export=runs_as_csv),
        Reporter("latex", as_latex, "A tabular for a paper."),
    )
