"""Compares two runs on the same images: which images were fixed or broken, and whether that can be chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchsuite.errors import DataError, expected
from benchsuite.evaluation import preprocessing
from benchsuite.stats import significance
from benchsuite.stats.calibration import Calibration, calibration
from benchsuite.stats.metrics import Count
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


L = TypeVar("L", int, str)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run read from disk: its folder, its manifest, and its predictions as arrays by column name."""

    path: Path
    manifest: Mapping[str, Any]
    columns: Mapping[str, NDArray[Any]]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.manifest["run_id"])


@dataclass(frozen=True, slots=True)
class Side:
    """One run of a comparison, without its predictions. ``n`` images were evaluated of the ``of`` in the split.

    ``calibration`` is None if the predictions are compact, so that their probabilities are not known.
    ``preprocessing`` says how the images were prepared.
    """

    run_id: str
    path: str
    architecture: str
    weights: str
    protocol: str
    dataset: str
    n: int
    of: int
    top1_errors: int
    top5_errors: int
    calibration: Calibration | None
    preprocessing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paired:
    """The changes of n images between two runs, at top-1 or top-5, with their test and interval.

    ``fixed`` images were wrong before and are right after, ``broken`` the reverse. ``low`` and ``high`` bound the
    change of the error rate, as fractions (Tango, 95 %). ``p`` is the p-value of McNemar's exact test. ``detectable``
    is the smallest change that the test finds with a probability of 80 %, given the same number of changed images;
    None if it cannot find any.
    """

    n: int
    fixed: int
    broken: int
    both_wrong: int
    low: float
    high: float
    p: float
    detectable: float | None

    @property
    def before(self) -> Count:
        """Errors before."""
        return Count(self.fixed + self.both_wrong, self.n)

    @property
    def after(self) -> Count:
        """Errors after."""
        return Count(self.broken + self.both_wrong, self.n)

    @property
    def change(self) -> Fraction:
        """The change of the error rate, exactly."""
        return Fraction(self.broken - self.fixed, self.n)


@dataclass(frozen=True, slots=True)
class ClassChange(Generic[L]):
    """The changes of one class (an index), or of one value of a group (a text), at top-1.

    ``p_holm`` is corrected for the number of classes or values (Holm).
    """

    label: L
    n: int
    errors_before: int
    errors_after: int
    fixed: int
    broken: int
    p: float
    p_holm: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs on the same images. ``agree`` counts images with the same top-1 class in both runs, right or wrong.

    ``fixed`` and ``broken`` are image ids, at top-1. ``classes`` holds only classes that changed, the largest net
    change first. ``notes`` says in words in what else the runs differ, and whether they cover only a part of the split.
    ``groups`` has the name of each of the groups that images belong to, such as ``severity``, with the changes of its
    values.
    """

    before: Side
    after: Side
    top1: Paired
    top5: Paired
    agree: int
    classes: tuple[ClassChange[int], ...]
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    notes: tuple[str, ...]
    groups: tuple[tuple[str, tuple[ClassChange[str], ...]], ...] = ()


def open_run(results: Path, name: str) -> Run:
    """Reads a run. ``name`` is its id, the beginning or the last part of one, or its folder.

    Raises ``UnknownName`` if no run or several match, and ``StorageError`` if the run is broken.
    """
    folder = run_folder.find_run(results, name)
    manifest = run_folder.read_whole_manifest(folder)
    return Run(folder, manifest, run_folder.read_columns(folder))


def compare(before: Run, after: Run) -> Comparison:
    """Compares two runs on the same images. Raises ``DataError`` if their image ids or their labels differ."""
    after = aligned(before, after)
    a, b = before.columns, after.columns
    fixed, broken = (a["rank"] > 0) & (b["rank"] == 0), (a["rank"] == 0) & (b["rank"] > 0)
    return Comparison(
        side(before),
        side(after),
        paired(a["rank"] >= 1, b["rank"] >= 1),
        paired(a["rank"] >= 5, b["rank"] >= 5),
        int((a["top5"][:, 0] == b["top5"][:, 0]).sum()),
        class_changes(a["label"], a["rank"] > 0, b["rank"] > 0),
        tuple(a["id"][fixed].tolist()),
        tuple(a["id"][broken].tolist()),
        notes(before, after),
        tuple(
            (name.removeprefix(run_folder.GROUP), class_changes(values, a["rank"] > 0, b["rank"] > 0))
            for name, values in a.items()
            if name.startswith(run_folder.GROUP)
        ),
    )


def side(run: Run) -> Side:
    """The summary of a run for a comparison, with its calibration."""
    m, rank = run.manifest, run.columns["rank"]
    whole = "probability5" in run.columns
    return Side(
        run_id=run.run_id,
        path=str(run.path),
        architecture=m["architecture"]["name"],
        weights=m["weights"]["label"],
        protocol=m["protocol"]["label"],
        dataset=m["dataset"]["name"],
        n=len(rank),
        of=m["dataset"]["of"],
        top1_errors=int((rank >= 1).sum()),
        top5_errors=int((rank >= 5).sum()),
        calibration=calibration(dict(run.columns), m["dataset"]["classes"]) if whole else None,
        preprocessing=tuple(preprocessing.of_manifest(m)),
    )


def paired(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Paired:
    """The paired statistics of two error columns, (n,) bool each (True: wrong), with the images in the same order."""
    n, fixed, broken = len(before), int((before & ~after).sum()), int((~before & after).sum())
    return Paired(
        n,
        fixed,
        broken,
        int((before & after).sum()),
        *significance.paired_interval(fixed, broken, n),
        significance.mcnemar(fixed, broken),
        significance.detectable(fixed + broken, n),
    )


def class_changes(
    labels: NDArray[Any], before: NDArray[np.bool_], after: NDArray[np.bool_]
) -> tuple[ClassChange[Any], ...]:
    """The classes, or the values of a group, in which an image was fixed or broken, the largest net change first.

    All arguments are (n,); ``labels`` are class indices or values. ``before`` and ``after`` are True where the answer
    is wrong.
    """
    import numpy as np

    classes, place = np.unique(labels, return_inverse=True)
    images = (np.ones(len(labels)), before, after, before & ~after, ~before & after)
    counts = [np.bincount(place, weights=x, minlength=len(classes)).astype(int).tolist() for x in images]
    tests = [significance.mcnemar(fixed, broken) for fixed, broken in zip(*counts[3:], strict=True)]
    columns = (classes.tolist(), *counts, tests, significance.holm(tests))
    every = (ClassChange(*row) for row in zip(*columns, strict=True))
    changed = [c for c in every if c.fixed or c.broken]
    return tuple(sorted(changed, key=lambda c: (-abs(c.broken - c.fixed), -(c.broken + c.fixed), c.label)))


def aligned(before: Run, after: Run) -> Run:
    """The second run with its images in the order of the first.

    Raises ``DataError`` with the reason if ids or labels differ, since runs are compared image by image.
    """
    import numpy as np

    a, b = before.columns, after.columns
    if not np.array_equal(a["id"], b["id"]):
        only = [np.setdiff1d(x["id"], y["id"]).tolist() for x, y in ((a, b), (b, a))]
        if only[0] or only[1] or len(a["id"]) != len(b["id"]):
            raise DataError(_other_images(before, after, only))
        order = {name: place for place, name in enumerate(b["id"].tolist())}
        rows = [order[name] for name in a["id"].tolist()]
        b = {name: column[rows] for name, column in b.items()}
    relabelled = np.flatnonzero(a["label"] != b["label"])
    if len(relabelled):
        i = relabelled[0]
        got = f"{len(relabelled)} that differ, such as {str(a['id'][i])!r}: {a['label'][i]} and {b['label'][i]}"
        raise DataError(expected("every image's label", "the same in both runs", got, _both_ids(before, after)))
    return dataclasses.replace(after, columns=b)


def notes(before: Run, after: Run) -> tuple[str, ...]:
    """Sentences on a comparison: a part of the split, files, precision or pixels that differ, tensors that do not."""
    a, b = before.manifest["dataset"], after.manifest["dataset"]
    sentences = []
    if a["n"] != a["of"]:
        sentences.append(f"{a['n']} images of {a['of']}, not the whole split")
    if a["digest"] != b["digest"]:
        sentences.append(
            f"same ids and labels, but not the same files: {a['name']} and {b['name']} differ in their digests"
        )
    first, second = (run.manifest["weights"] for run in (before, after))
    if first["label"] != second["label"] and first["digest"] == second["digest"]:
        sentences.append(f"{first['label']} and {second['label']} are the same tensors")
    for value in (precision, pixels):
        if value(before.manifest) != value(after.manifest):
            sentences.append("; ".join(f"{value(run.manifest)}: {run.run_id}" for run in (before, after)))
    return tuple(sentences)


def precision(manifest: Mapping[str, Any]) -> str:
    """The precision of a run's forward passes, such as ``fp32``."""
    return str(manifest["numerics"]["precision"])


def pixels(manifest: Mapping[str, Any]) -> str:
    """``exact pixels``, or the name of the loader if its pixels differ from those of the reference decoder."""
    return str(manifest["asked"].get("question", {}).get("loader") or "exact pixels")


def _other_images(before: Run, after: Run, only: Sequence[Sequence[str]]) -> str:
    runs = zip(only, (before, after), strict=True)
    got = " and ".join(f"{len(ids)} only in {run.run_id}, such as {ids[0]!r}" for ids, run in runs if ids)
    sizes = [f"{r.manifest['dataset']['n']} of {r.manifest['dataset']['name']}" for r in (before, after)]
    rule = f"of the same images ({sizes[0]}, {sizes[1]}), as runs are compared image by image"
    return expected("two compared runs", rule, got or "an image twice", _both_ids(before, after))


def _both_ids(before: Run, after: Run) -> str:
    return f"{before.run_id}, {after.run_id}"


def flat(comparison: Comparison, p_holm: float | None = None) -> dict[str, Any]:
    """A comparison as one flat object: counts are integers, errors and changes are unrounded percentages.

    ``p_holm`` is the p-value at top-1, corrected for the other comparisons shown with this one; None if it is alone.
    """
    data: dict[str, Any] = {"n": comparison.top1.n}
    for when, run in (("before", comparison.before), ("after", comparison.after)):
        data[when] = run.run_id
        data |= {f"{when}_{f}": getattr(run, f) for f in ("architecture", "weights", "protocol", "dataset")}
        data[f"{when}_preprocessing"] = "; and ".join(run.preprocessing)
        data |= {f"{when}_top1_errors": run.top1_errors, f"{when}_top1_error": 100 * run.top1_errors / run.n}
        data |= {f"{when}_top5_errors": run.top5_errors, f"{when}_top5_error": 100 * run.top5_errors / run.n}
        data |= {
            f"{when}_{f}": getattr(run.calibration, f, None) for f in ("ece", "nll", "brier", "brier_low", "brier_high")
        }
    for k, pair in (("top1", comparison.top1), ("top5", comparison.top5)):
        data |= {f"{k}_{name}": value for name, value in paired_data(pair).items()}
    data["top1_p_holm"] = comparison.top1.p if p_holm is None else p_holm
    data |= {"agree": comparison.agree, "agreement": 100 * comparison.agree / comparison.top1.n}
    data["classes"] = [dataclasses.asdict(c) for c in comparison.classes]
    if comparison.groups:
        data["groups"] = {name: [dataclasses.asdict(c) for c in changes] for name, changes in comparison.groups}
    data |= {"fixed": list(comparison.fixed), "broken": list(comparison.broken), "notes": list(comparison.notes)}
    return data


def paired_data(pair: Paired) -> dict[str, Any]:
    """Paired statistics as flat data; changes are in percentage points."""
    return {
        "fixed": pair.fixed,
        "broken": pair.broken,
        "change": 100 * float(pair.change),
        "interval": [100 * pair.low, 100 * pair.high],
        "p": pair.p,
        "detectable": None if pair.detectable is None else 100 * pair.detectable,
    }
