"""Builds a report: reads the runs and writes the requested files, each one completely or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import BadParameter, expected
from benchsuite.report import export, gallery
from benchsuite.report.content import Report, read
from benchsuite.report.frequency.content import FrequencyContent
from benchsuite.report.frequency.pictures import triples
from benchsuite.report.gallery import Picture
from benchsuite.report.html.page import page
from benchsuite.report.plots import matplotlib_files
from benchsuite.report.plots.figures import every_pair, figures
from benchsuite.report.sources import Sources, sources
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Split
from benchsuite.storage import run_folder
from benchsuite.storage.files import writing


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """The arguments of ``benchsuite report``: ``names`` are runs and ``--json`` files; each output is a path or None.

    ``data`` are data sets as ``NAME:PATH``, for pictures and class names.
    """

    names: tuple[str, ...] = ()
    results: Path = Path("results")
    html: Path | None = None
    markdown: Path | None = None
    latex: Path | None = None
    csv: Path | None = None
    plots: Path | None = None
    gallery: bool = False
    data: tuple[str, ...] = ()
    title: str = "benchsuite report"


@dataclass(frozen=True, slots=True)
class Built:
    """A report, the files that were written, and notes for the user."""

    report: Report
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def build(request: ReportRequest, catalog: Catalog) -> Built:
    """Reads the runs and writes the requested files.

    Raises a ``BenchsuiteError`` for arguments or runs that do not fit, before any file is written.
    """
    if request.gallery and request.html is None:
        raise BadParameter(expected("--gallery", "used with --html", "no page for its pictures"))
    if request.plots is not None:
        matplotlib_files.check()
    report, notes = read(sources(request.results, request.names)), list[str]()
    pictures: dict[str, list[Picture]] = {}
    if request.gallery or request.data:
        splits, notes = gallery.opened(list(report.groups()), request.data, catalog, every=request.gallery)
        report = dataclasses.replace(report, classes={data: split.classes for data, split in splits.items()})
        if request.gallery:
            report = dataclasses.replace(report, frequencies=tuple(_drawn(report, splits)))
            pictures, picture_notes = gallery.pictures(every_pair(report), splits)
            notes += picture_notes
    files = [*_texts(request, report, pictures, notes)]
    if request.plots is not None:
        files += matplotlib_files.write(figures(report), request.plots, report.palette)
    return Built(report, tuple(files), tuple(notes))


def build_frequency(results: Path, run_ids: Sequence[str], html: Path, title: str, catalog: Catalog) -> tuple[str, ...]:
    """Writes the page of a frequency analysis, of whose runs the clean one is the first; returns notes for the user.

    The runs are not compared with each other, as the analysis compares them.
    """
    folders = tuple(run_folder.find_run(results, run_id) for run_id in run_ids)
    report = read(Sources(False, folders, (), (), ()))
    splits, notes = gallery.opened(list(report.groups()), (), catalog)
    report = dataclasses.replace(report, classes={data: split.classes for data, split in splits.items()})
    report = dataclasses.replace(report, frequencies=tuple(_drawn(report, splits)))
    with writing(html) as part:
        part.write_text(page(report, title=title, pictures={}, notes=notes), encoding="utf-8", newline="")
    return tuple(notes)


def _drawn(report: Report, splits: Mapping[str, Split]) -> Iterator[FrequencyContent]:
    """The frequency analyses with their pictures, where the data set is opened."""
    for content in report.frequencies:
        if content.analysis is None or content.views is None or content.data not in splits:
            yield content
            continue
        drawn = triples(content.analysis.triples, content.views, splits[content.data])
        yield dataclasses.replace(content, pictures=drawn)


def _texts(
    request: ReportRequest, report: Report, pictures: dict[str, list[Picture]], notes: list[str]
) -> Iterator[Path]:
    texts: list[tuple[Path, str]] = []
    if request.html is not None:
        texts.append((request.html, page(report, title=request.title, pictures=pictures, notes=notes)))
    if request.markdown is not None:
        texts.append((request.markdown, export.markdown(report, request.title)))
    if request.latex is not None:
        texts.append((request.latex, export.latex(report, request.title)))
    if request.csv is not None:
        texts.append((request.csv, export.as_csv(report)))
    for path, text in texts:
        with writing(path) as part:
            part.write_text(text, encoding="utf-8", newline="")
        yield path
