"""What a page shows about spatial frequencies: analyses next to the runs, and curves of runs on filtered pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchsuite.explanation.frequency import analysis as analyses
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
from benchsuite.report.frequency.pictures import DrawnTriple
from benchsuite.specs.parameters import nested
from benchsuite.specs.view import View, view_from_data
from benchsuite.stats.metrics import Count
from benchsuite.storage import run_folder

FILTERS = {"lowpass": "low", "highpass": "high"}
"""The perturbations that make a curve, and the fields of ``CurvePoint`` for them."""


@dataclass(frozen=True, slots=True)
class RunOnDisk:
    """A run of a report: its folder, its flat row, and its manifest."""

    folder: Path
    row: Mapping[str, Any]
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The images that are right on the low-pass and on the high-pass picture of a radius; None without such a run."""

    radius: Fraction
    low: Count | None
    high: Count | None


@dataclass(frozen=True, slots=True)
class FrequencyContent:
    """Accuracy by radius of one network on one set of images, and its ``analysis``, if there is one.

    ``row`` is that of the clean run of the analysis, or of the first of the filtered runs. ``unit`` says what a radius
    counts, ``clean`` is the accuracy on the pictures as they are. ``data`` is the digest of the images. ``views`` are
    the drawn view of the clean, the low-pass and the high-pass run at the radius of the analysis; ``pictures`` are made
    from them if the data set is opened.
    """

    row: Mapping[str, Any]
    data: str
    unit: str
    clean: Count | None
    points: tuple[CurvePoint, ...]
    analysis: FrequencyAnalysis | None = None
    views: tuple[View, View, View] | None = None
    pictures: tuple[DrawnTriple, ...] = ()

    @property
    def name(self) -> str:
        """The id of the section on a page, and the beginning of the names of its plots."""
        return f"frequency-{self.row['run_id']}"


def read(runs: Sequence[RunOnDisk]) -> tuple[FrequencyContent, ...]:
    """The analyses next to these runs, then the curves of filtered runs that belong to none of them.

    Raises ``DataError`` for an analysis that cannot be read.
    """
    found, covered = list[FrequencyContent](), set[str]()
    for run in runs:
        analysis = analyses.read(analyses.path(run.folder.parent.parent, run.row["run_id"]))
        if analysis is not None:
            covered |= set(analysis.run_ids)
            found.append(_of_analysis(run, analysis))
    left = [run for run in runs if run.row["run_id"] not in covered]
    for group in _grouped(left).values():
        points = tuple(_points(group))
        if len(points) > 1:
            found.append(_of_runs(group, points, runs))
    return tuple(found)


def _of_analysis(run: RunOnDisk, analysis: FrequencyAnalysis) -> FrequencyContent:
    points = tuple(
        CurvePoint(Fraction(at.radius), analysis.accuracy(at.low.right), analysis.accuracy(at.high.right))
        for at in analysis.curve
    )
    at_radius = analysis.at_radius
    folders = (run.folder, *(run.folder.parent / one.run_id for one in (at_radius.low, at_radius.high)))
    manifests = [run_folder.read_manifest(folder) for folder in folders]
    views = tuple(view_from_data(m["views"][analysis.at]) for m in manifests if m is not None)
    drawn = (views[0], views[1], views[2]) if len(views) == 3 else None
    data = str(run.manifest["dataset"]["digest"])
    clean = analysis.accuracy(analysis.clean_right)
    return FrequencyContent(run.row, data, "waves per side", clean, points, analysis, drawn)


def _grouped(runs: Iterable[RunOnDisk]) -> dict[tuple[Any, ...], list[RunOnDisk]]:
    """The runs on filtered pictures that differ in their filter and its radius alone."""
    groups: dict[tuple[Any, ...], list[RunOnDisk]] = {}
    for run in runs:
        filtered = _filter(run)
        if filtered is not None:
            parameters = {k: v for k, v in filtered["parameters"].items() if k != "r"}
            key = (*_network(run), _of(run), filtered["on"], *sorted(parameters.items()))
            groups.setdefault(key, []).append(run)
    return groups


def _filter(run: RunOnDisk) -> Mapping[str, Any] | None:
    """The perturbation of a run's views, as data, if it is one of ``FILTERS``."""
    perturbations = [view.get("perturbation") for view in run.manifest["views"]]
    first = perturbations[0] if perturbations else None
    same = first is not None and all(other == first for other in perturbations) and len(run.manifest["members"]) == 1
    return first if same and first is not None and first["name"] in FILTERS else None


def _network(run: RunOnDisk) -> tuple[Any, ...]:
    """What runs share that are points of one curve: network, images, precision and decoder."""
    row = run.row
    network = row["architecture"], run.manifest["weights"]["digest"]
    return (*network, run.manifest["dataset"]["digest"], row["precision"], row["loader"])


def _of(run: RunOnDisk) -> str:
    """The protocol whose views a run filters, as it is written inside another protocol."""
    return str(run.manifest["protocol"]["parameters"].get("of", "1crop"))


def _points(group: Sequence[RunOnDisk]) -> Iterator[CurvePoint]:
    counts: dict[Fraction, dict[str, Count]] = {}
    for run in group:
        filtered = _filter(run)
        assert filtered is not None, "the runs of a group are on filtered pictures"
        at = counts.setdefault(Fraction(filtered["parameters"]["r"]), {})
        at[FILTERS[filtered["name"]]] = _right(run)
    for radius in sorted(counts):
        yield CurvePoint(radius, counts[radius].get("low"), counts[radius].get("high"))


def _of_runs(group: Sequence[RunOnDisk], points: tuple[CurvePoint, ...], runs: Sequence[RunOnDisk]) -> FrequencyContent:
    first = group[0]
    same = [r for r in runs if _network(r) == _network(first) and nested(r.row["protocol"]) == _of(first)]
    filtered = _filter(first)
    fraction = filtered is not None and filtered["parameters"].get("unit") == "fraction"
    unit = "waves per pixel" if fraction else "waves per side"
    clean = _right(same[0]) if same else None
    return FrequencyContent(first.row, str(first.manifest["dataset"]["digest"]), unit, clean, points)


def _right(run: RunOnDisk) -> Count:
    return Count(run.row["n"] - run.row["top1_errors"], run.row["n"])
