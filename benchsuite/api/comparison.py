"""``benchsuite.compare``: runs on the same images, in pairs or as two groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.evaluation import Evaluation, Evaluations
from benchsuite.api.options import results_folder
from benchsuite.api.shown import Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.explanation import comparison, group_comparison
from benchsuite.explanation.comparison import Comparison, Paired
from benchsuite.explanation.group_comparison import GroupChange, GroupComparison
from benchsuite.report.tables.text import Table, preprocessing_of
from benchsuite.stats.digits import p_value, places, signed, with_interval
from benchsuite.stats.significance import holm

if TYPE_CHECKING:
    import pandas as pd

RunName = str | Path | Evaluation
"""A run: the result of ``evaluate``, an id, the beginning of one, or a folder."""


@dataclass(frozen=True, slots=True, repr=False)
class PairedComparisons(Shown):
    """Runs compared with the first one. ``p_holm`` are their p-values at top-1, corrected for their number (Holm)."""

    pairs: tuple[Comparison, ...]
    p_holm: tuple[float, ...]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The objects of ``compare --json``."""
        return [comparison.flat(*both) for both in zip(self.pairs, self.p_holm, strict=True)]

    @property
    def table(self) -> pd.DataFrame:
        """One row for each comparison: errors of both runs, images fixed and broken, the change, p-values."""
        import pandas as pd

        lists = ("classes", "groups", "fixed", "broken", "notes")
        return pd.DataFrame([{k: v for k, v in record.items() if k not in lists} for record in self.records])

    @property
    def classes(self) -> pd.DataFrame:
        """One row for each class that changed in a comparison, the largest net change first."""
        import pandas as pd

        return pd.DataFrame([{"after": r["after"], **c} for r in self.records for c in r["classes"]])

    @property
    def groups(self) -> pd.DataFrame:
        """One row for each value of a group that changed in a comparison, such as a corruption."""
        import pandas as pd

        rows = [
            {"after": record["after"], "group": name, **change}
            for record in self.records
            for name, changes in record.get("groups", {}).items()
            for change in changes
        ]
        return pd.DataFrame(rows)

    @property
    def predictions(self) -> pd.DataFrame:
        """The images whose top-1 answer became right (``fixed``) or wrong, by id, for each comparison."""
        import pandas as pd

        rows = [
            {"after": pair.after.run_id, "id": name, "fixed": fixed}
            for pair in self.pairs
            for fixed, names in ((True, pair.fixed), (False, pair.broken))
            for name in names
        ]
        return pd.DataFrame(rows, columns=["after", "id", "fixed"])

    def lines(self) -> Sequence[str]:
        """What changed, and in what else the runs differ."""
        words = []
        for pair in self.pairs:
            top1 = pair.top1
            change = f"{_name(pair.before)} -> {_name(pair.after)}: {_change(top1, top1.n)} points"
            test = f"{top1.fixed} fixed, {top1.broken} broken, p = {p_value(top1.p)} (McNemar, exact)"
            words.append(f"{change}; {test}")
        prepared = preprocessing_of([self.pairs[0].before, *(pair.after for pair in self.pairs)])
        return [*words, *prepared, *dict.fromkeys(note for pair in self.pairs for note in pair.notes)]

    def cells(self) -> Table:
        """One line for each run."""
        head = ["run", "top-1 error %", "change", "fixed", "broken", "p", "p (Holm)"]
        first = self.pairs[0]
        rows = [[_name(first.before), with_interval(first.top1.before), "", "", "", "", ""]]
        for pair, p in zip(self.pairs, self.p_holm, strict=True):
            numbers = [str(pair.top1.fixed), str(pair.top1.broken), p_value(pair.top1.p), p_value(p)]
            rows.append([_name(pair.after), with_interval(pair.top1.after), _change(pair.top1, pair.top1.n), *numbers])
        return head, rows


@dataclass(frozen=True, slots=True, repr=False)
class ComparedGroups(Shown):
    """Two groups of runs, such as several seeds before and after a change."""

    groups: GroupComparison

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``compare --json``."""
        return group_comparison.flat(self.groups)

    @property
    def table(self) -> pd.DataFrame:
        """One row: mean errors, the change, p-values over images and over runs."""
        import pandas as pd

        return pd.DataFrame([self.record])

    def lines(self) -> Sequence[str]:
        """The change of the mean error with two p-values."""
        top1, n = self.groups.top1, self.groups.n
        sizes = f"{len(self.groups.before)} runs -> {len(self.groups.after)} runs"
        tests = f"p = {p_value(top1.p)} over images, {p_value(top1.runs_p)} over runs"
        prepared = preprocessing_of([*self.groups.before, *self.groups.after])
        return [f"{sizes}: {_change(top1, n)} points of mean top-1 error; {tests}", *prepared, *self.groups.notes]


def compare(
    *runs: RunName | Sequence[RunName], results: str | Path | None = None
) -> PairedComparisons | ComparedGroups:
    """Compares runs on the same images, as ``benchsuite compare`` does: images fixed and broken, exact McNemar tests.

    ``compare(a, b)`` compares two runs, ``compare(a, b, c)`` the others with the first, ``compare([a, b], [c, d])`` two
    groups. A run is the result of ``evaluate``, an id or the beginning of one in ``results``, or a folder. Raises
    ``DataError`` for runs that are not of the same images, and ``UnknownName`` for a run that does not exist.
    """
    folder = results_folder(results)

    def opened(name: RunName) -> comparison.Run:
        return comparison.open_run(folder, str(name.path if isinstance(name, Evaluation) else name))

    grouped = [isinstance(run, Sequence) and not isinstance(run, str) for run in runs]
    if any(grouped):
        if len(runs) != 2 or not all(grouped) or not all(len(_members(group)) for group in runs):
            raise BadParameter(expected("groups of runs", "two, each with one or more runs", f"{len(runs)} arguments"))
        before, after = ([opened(name) for name in _members(group)] for group in runs)
        return ComparedGroups(group_comparison.compare_groups(before, after))
    if len(runs) < 2:
        words = " ".join(["", *(str(getattr(run, "run_id", run)) for run in runs)])
        raise BadParameter(expected("runs to compare", "two or more", f"{len(runs)}{':' if runs else ''}{words}"))
    first, *others = [opened(name) for name in runs]  # type: ignore[arg-type]
    pairs = tuple(comparison.compare(first, other) for other in others)
    return PairedComparisons(pairs, tuple(holm([pair.top1.p for pair in pairs])))


def _members(group: Any) -> Sequence[RunName]:
    return tuple(group.runs if isinstance(group, Evaluations) else group)


def _name(side: Any) -> str:
    return f"{side.architecture} {side.protocol} [{side.run_id.rpartition('-')[2]}]"


def _change(change: Paired | GroupChange, n: int) -> str:
    low, high = (signed(100 * Fraction(bound), places(n)) for bound in (change.low, change.high))
    return f"{signed(100 * change.change, places(n))} [{low}, {high}]"
