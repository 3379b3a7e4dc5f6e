"""Compares two groups of runs on the same images, such as three seeds of each of two recipes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BadParameter, expected
from benchsuite.explanation.comparison import Run, Side, aligned, notes, side
from benchsuite.stats import significance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class GroupChange:
    """The change of the mean error rate between two groups, at top-1 or top-5, as fractions.

    ``low``, ``high`` (95 %) and ``p`` (an exact sign-flip test; McNemar's test for one run in each group) tell whether
    the change holds for other images with the same runs. ``runs_p`` tells whether it holds for other runs: it is a
    permutation test, the share of all ``ways`` to split these runs into two groups whose means differ at least as much.
    """

    before: Fraction
    after: Fraction
    low: float
    high: float
    p: float
    runs_p: float
    ways: int

    @property
    def change(self) -> Fraction:
        """The change of the mean error rate, exactly."""
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Two groups of runs on the same images.

    ``agree_*`` are the mean shares of images with the same top-1 class: over pairs of runs within a group (None for a
    group of one run), which shows how much the seed alone changes, and over pairs of runs from different groups.
    """

    before: tuple[Side, ...]
    after: tuple[Side, ...]
    n: int
    top1: GroupChange
    top5: GroupChange
    agree_before: float | None
    agree_after: float | None
    agree_between: float
    notes: tuple[str, ...]


def compare_groups(before: Sequence[Run], after: Sequence[Run]) -> GroupComparison:
    """Compares two groups of runs. Raises ``DataError`` unless all runs have the same images.

    Raises ``BadParameter`` for a run that is in both groups, or twice in one.
    """
    names = [run.run_id for run in (*before, *after)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadParameter(expected("each run of two groups", "named only once", f"{twice} twice"))
    first = before[0]
    a = [first, *(aligned(first, run) for run in before[1:])]
    b = [aligned(first, run) for run in after]
    sentences = dict.fromkeys(note for run in (*a[1:], *b) for note in notes(first, run))
    return GroupComparison(
        tuple(map(side, a)),
        tuple(map(side, b)),
        len(first.columns["id"]),
        between(*([run.columns["rank"] >= 1 for run in group] for group in (a, b))),
        between(*([run.columns["rank"] >= 5 for run in group] for group in (a, b))),
        _agreement(list(combinations(a, 2))),
        _agreement(list(combinations(b, 2))),
        _agreement(list(product(a, b))) or 0.0,
        tuple(sentences),
    )


def between(before: Sequence[NDArray[np.bool_]], after: Sequence[NDArray[np.bool_]]) -> GroupChange:
    """The statistics of two groups of error columns, each (n,) bool (True: wrong), with images in the same order."""
    import numpy as np

    a, b = (np.asarray(np.sum(group, axis=0, dtype=np.int64)) for group in (before, after))
    n, images = len(a), b * len(before) - a * len(after)
    if len(before) == len(after) == 1:
        low, high = significance.paired_interval(int((images < 0).sum()), int((images > 0).sum()), n)
    else:
        low, high = significance.mean_interval(np.asarray(images / (len(before) * len(after))))
    rates = [[float(x.mean()) for x in group] for group in (before, after)]
    return GroupChange(
        Fraction(int(a.sum()), n * len(before)),
        Fraction(int(b.sum()), n * len(after)),
        low,
        high,
        significance.sign_flips(images),
        *significance.permuted(*rates),
    )


def _agreement(pairs: Sequence[tuple[Run, Run]]) -> float | None:
    """The mean share of images with the same top-1 class, over these pairs of runs; None without pairs."""
    shares = [(a.columns["top5"][:, 0] == b.columns["top5"][:, 0]).mean() for a, b in pairs]
    return float(sum(shares) / len(shares)) if shares else None


def flat(comparison: GroupComparison) -> dict[str, Any]:
    """A comparison of groups as one flat object: errors, changes and agreement are unrounded percentages."""
    data: dict[str, Any] = {"n": comparison.n}
    for when, runs in (("before", comparison.before), ("after", comparison.after)):
        data[when] = [run.run_id for run in runs]
        for k in ("top1", "top5"):
            data[f"{when}_{k}_errors"] = [getattr(run, f"{k}_errors") for run in runs]
            data[f"{when}_{k}_error"] = 100 * float(getattr(getattr(comparison, k), when))
    for k, statistics in (("top1", comparison.top1), ("top5", comparison.top5)):
        data[f"{k}_change"] = 100 * float(statistics.change)
        data[f"{k}_interval"] = [100 * statistics.low, 100 * statistics.high]
        data |= {f"{k}_{field}": getattr(statistics, field) for field in ("p", "runs_p", "ways")}
    shares = {f: getattr(comparison, f) for f in ("agree_before", "agree_after", "agree_between")}
    data |= {name: None if share is None else 100 * share for name, share in shares.items()}
    return data | {"notes": list(comparison.notes)}
