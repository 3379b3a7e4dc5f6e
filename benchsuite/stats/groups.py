"""Errors by groups of images, such as corruptions and severities: integer counts, and ratios to a reference network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from benchsuite.stats.metrics import Count


@dataclass(frozen=True, slots=True)
class GroupCount:
    """The errors of the ``n`` images that have ``values``, one for each name of a group."""

    values: tuple[str, ...]
    n: int
    top1_errors: int
    top5_errors: int

    @property
    def top1(self) -> Count:
        """The top-1 errors."""
        return Count(self.top1_errors, self.n)


def tally(values: Sequence[Sequence[str]], ranks: Sequence[int]) -> list[GroupCount]:
    """Counts errors by the values that images have together. ``values`` has n values for each name, ``ranks`` n ranks.

    The counts are in the order of the first image of each; their n add up to the number of images.
    """
    n, top1, top5 = Counter[tuple[str, ...]](), Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for key, rank in zip(zip(*values, strict=True), ranks, strict=True):
        n[key] += 1
        top1[key] += rank >= 1
        top5[key] += rank >= 5
    return [GroupCount(key, n[key], top1[key], top5[key]) for key in n]


def together(counts: Sequence[GroupCount], places: Sequence[int]) -> dict[tuple[str, ...], GroupCount]:
    """The counts added up over the names that are not at ``places``, by the values at ``places``."""
    sums: dict[tuple[str, ...], GroupCount] = {}
    for count in counts:
        key = tuple(count.values[place] for place in places)
        old = sums.get(key, GroupCount(key, 0, 0, 0))
        errors = old.top1_errors + count.top1_errors, old.top5_errors + count.top5_errors
        sums[key] = GroupCount(key, old.n + count.n, *errors)
    return sums


def relative_error(
    counts: Sequence[GroupCount], place: int, errors: Mapping[str, Fraction], cells: int
) -> tuple[Fraction | None, tuple[str, ...]]:
    """The mean over values of (mean error over the value's cells) / (reference's error), as ImageNet-C's mCE.

    ``errors`` has the reference's error for each value that counts. The second part of the result are the values that
    do not have ``cells`` cells here; if there are any, the first part is None. As ``compute_mce`` of
    https://github.com/google-research/augmix, imagenet.py.
    """
    own: dict[str, list[Fraction]] = {value: [] for value in errors}
    for count in counts:
        if count.values[place] in own:
            own[count.values[place]].append(count.top1.ratio)
    missing = tuple(value for value, found in own.items() if len(found) != cells)
    if missing:
        return None, missing
    return sum((sum(own[v], Fraction()) / cells / e for v, e in errors.items()), Fraction()) / len(errors), ()
