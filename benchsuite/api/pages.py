"""``write_report``, ``write_tables``, ``export``: pages of runs, tables of committed results, runs for other tools."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from benchsuite.api.evaluation import Evaluation
from benchsuite.api.options import Surroundings, results_folder, surroundings
from benchsuite.api.shown import WRAPPED, Shown
from benchsuite.report.markup import escaped, size_words, tag
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    from benchsuite.report.build import Built
    from benchsuite.report.committed_runs import CommittedFile
    from benchsuite.report.results_pages import Page
    from benchsuite.runs.export import Export

SHOWN = 40
"""At most this many lines of a difference are shown."""


@dataclass(frozen=True, slots=True, repr=False)
class WrittenReport(Shown):
    """A report on finished runs: its ``files``, and ``markdown``, its tables as text."""

    built: Built
    title: str

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were written."""
        return self.built.files

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``report --json``."""
        from benchsuite.report import export

        return {**export.as_json(self.built.report), "files": [str(path) for path in self.files]}

    @property
    def markdown(self) -> str:
        """The tables as Markdown."""
        from benchsuite.report import export

        return export.markdown(self.built.report, self.title)

    @property
    def written(self) -> list[str]:
        """The files with their sizes."""
        return [f"{path} ({size_words(path.stat().st_size)})" for path in self.files]

    def lines(self) -> Sequence[str]:
        """The files and their sizes, or the tables if nothing was written; then what the user should know."""
        return [*(self.written or self.markdown.splitlines()), *self.built.notes]

    def _repr_html_(self) -> str:
        return tag("pre", escaped("\n".join(self.lines())), style=WRAPPED)


def write_report(
    *runs: str | Path | Evaluation,
    html: str | Path | None = None,
    gallery: bool = False,
    data: str | Sequence[str] = (),
    markdown: str | Path | None = None,
    latex: str | Path | None = None,
    csv: str | Path | None = None,
    plots: str | Path | None = None,
    title: str = "benchsuite report",
    results: str | Path | None = None,
    **options: Unpack[Surroundings],
) -> WrittenReport:
    """Finished runs as one HTML page, as tables for papers, and as plots, as ``benchsuite report`` does.

    ``runs`` are results of ``evaluate``, ids, beginnings of ids, folders, or files of ``explain --json`` and ``compare
    --json``; by default every run of ``results``. ``html``, ``markdown``, ``latex`` and ``csv`` are files, ``plots`` is
    a folder. ``gallery`` puts pictures of images that were fixed and broken into the page, from the data sets in
    ``data`` or those that the runs name. Raises a ``BenchsuiteError`` before any file is written.
    """
    from benchsuite.report.build import ReportRequest, build

    catalog, _ = surroundings(options)
    outputs = {"html": html, "markdown": markdown, "latex": latex, "csv": csv, "plots": plots}
    request = ReportRequest(
        names=tuple(str(run.path if isinstance(run, Evaluation) else run) for run in runs),
        results=results_folder(results),
        gallery=gallery,
        data=(data,) if isinstance(data, str) else tuple(data),
        title=title,
        **{name: None if path is None else Path(path) for name, path in outputs.items()},
    )
    return WrittenReport(build(request, catalog), title)


@dataclass(frozen=True, slots=True, repr=False)
class Exported(Shown):
    """Exported runs: ``text``, or None if they were sent to a store; ``where`` they are now, if they were written."""

    made: Export

    @property
    def text(self) -> str | None:
        """What was written, or would be; None for a store."""
        return self.made.text

    @property
    def where(self) -> tuple[str, ...]:
        """The file, or a line for each run in a store."""
        return self.made.lines

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``export --json``."""
        runs = [run.row["run_id"] for run in self.made.runs]
        return {"to": self.made.to, "runs": runs, "out": self.made.out, "text": self.text, "where": [*self.where]}

    def lines(self) -> Sequence[str]:
        """Where the runs are, or the text if it was not written."""
        return self.where or (self.text or "").splitlines()

    def _repr_html_(self) -> str:
        return tag("pre", escaped("\n".join(self.lines())), style=WRAPPED)


def export(
    *runs: str | Path | Evaluation,
    to: str,
    out: str | Path | None = None,
    results: str | Path | None = None,
    **options: Unpack[Surroundings],
) -> Exported:
    """Finished runs for another tool, as ``benchsuite export`` does: as text, or in the store of the tool.

    ``runs`` are results of ``evaluate``, ids, beginnings of ids, or folders; by default every run of ``results``.
    ``to`` is a reporter with its options: ``"csv"``, ``"model-index:name=ORG/MODEL"``, ``"mlflow:experiment=NAME"``.
    ``out`` is the file of a text, or the place of a store. A run that a store has already gets no second entry there.
    """
    from benchsuite.runs.export import export as make

    catalog, _ = surroundings(options)
    names = [str(run.path if isinstance(run, Evaluation) else run) for run in runs]
    return Exported(make(names, to, None if out is None else str(out), results_folder(results), catalog))


@dataclass(frozen=True, slots=True, repr=False)
class WrittenTables(Shown):
    """The regenerated tables of committed results; ``checked`` if nothing was written.

    ``changed`` are the files that differ from the runs next to them, ``faults`` the tables that cannot be made.
    """

    checked: bool
    pages: tuple[Page, ...]
    changed: tuple[Path, ...]
    with_paths: tuple[CommittedFile, ...]
    bulky: tuple[Path, ...]
    faults: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether no table is at fault and, if nothing was written, nothing would change."""
        return not (self.faults or (self.checked and (self.with_paths or self.changed or self.bulky)))

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``tables --json``."""
        files = {
            "changed": list(map(str, self.changed)),
            "with_paths": [str(file.path) for file in self.with_paths],
            "bulky": list(map(str, self.bulky)),
        }
        tables = [{"path": str(page.path), "tables": page.tables} for page in self.pages]
        return {"pages": tables, **files, "faults": [*self.faults], "written": not self.checked}

    def lines(self) -> Sequence[str]:
        """Whether all is up to date; a line for each page and each file, the lines that differ, what cannot be made."""
        return [self._answer(), *self.texts, *self.faults]

    def _answer(self) -> str:
        tables = sum(page.tables for page in self.pages)
        counts = ((tables, "table"), (len(self.pages), "page"))
        what = " on ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
        changed = len(self.changed) + len(self.with_paths) + len(self.bulky)
        states = [f"{changed} files {'would change' if self.checked else 'were written'}"] if changed else []
        states += [f"{len(self.faults)} cannot be made"] if self.faults else []
        return f"{what}: {', '.join(states) or 'up to date'}"

    def _repr_html_(self) -> str:
        return tag("pre", escaped("\n".join(self.lines())), style=WRAPPED)


def write_tables(
    *pages: str | Path, check: bool = False, results: str | Path | None = None, **options: Unpack[Surroundings]
) -> WrittenTables:
    """Makes every table of committed results again and writes the changed files, as ``benchsuite tables`` does.

    ``pages`` are files of Markdown, by default those of the results folder and of its subfolders. With ``check``
    nothing is written. Paths in committed manifests are replaced by PATH, and large predictions are made compact.
    """
    from benchsuite.report import committed_runs, results_pages
    from benchsuite.report.results_tables import maker

    catalog, _ = surroundings(options)
    folder, make = results_folder(results), maker(catalog)
    with_paths, bulky = tuple(committed_runs.files_with_paths(folder)), tuple(committed_runs.bulky(folder))
    if not check:
        for file in with_paths:
            committed_runs.write(file)
        for run in bulky:
            run_folder.compact(run)
    asked = [Path(page) for page in pages] or results_pages.pages_in(folder)
    made = tuple(results_pages.regenerate(path, make) for path in asked)
    faults = (*committed_runs.faults(folder), *(fault for page in made for fault in page.faults))
    changed = tuple(path for page in made for path in page.changed)
    compacted = "are too large; benchsuite tables makes them compact" if check else "made compact"
    texts = [f"{file.path}: {_paths(file.paths, check)}" for file in with_paths]
    texts += [f"{run}: predictions {compacted}" for run in bulky]
    texts += _texts(made, check)
    if not check:
        for page in made:
            page.write()
    return WrittenTables(check, made, changed, with_paths, bulky, faults, tuple(texts))


def _paths(paths: Sequence[str], check: bool) -> str:
    """The message about a file that contains absolute paths, or (without ``paths``) a relative path of its data."""
    more = f" and {len(paths) - 1} more paths" if len(paths) > 1 else ""
    words = f"{paths[0]}{more}" if paths else "the path of its data"
    return f"contains {words}; benchsuite tables writes PATH instead" if check else f"{words} replaced by PATH"


def _texts(pages: Sequence[Page], check: bool) -> Iterator[str]:
    for page in pages:
        changed = page.changed
        state = "up to date" if not changed else "differs" if check else "written"
        yield f"{page.path}: {page.tables} table{'' if page.tables == 1 else 's'}, {state}"
        for path, text in page.files if check else ():
            if path in changed:
                yield from _difference(path, text)


def _difference(path: Path, text: str) -> list[str]:
    """The lines that differ, from the file on disk to its new text."""
    old = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    lines = list(difflib.unified_diff(old, text.splitlines(), str(path), f"{path}, regenerated", lineterm="", n=1))
    more = [f"... and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *more]
