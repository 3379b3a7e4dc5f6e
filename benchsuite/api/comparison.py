"""``benchsuite.compare``: runs on the same images, in pairs or as two groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.evaluation import Evaluation, Evaluations
from benchsuite.api.options import results_folder
from benchsuite.api.shown import Section, Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.explanation import comparison, group_comparison
from benchsuite.explanation.comparison import ClassChange, Comparison, Side
from benchsuite.explanation.group_comparison import GroupComparison
from benchsuite.report.tables.comparisons import (
    both_words,
    change_words,
    class_table,
    group_table,
    group_tests,
    pair_table,
    pair_words,
    several_words,
    share_words,
    test_lines,
)
from benchsuite.report.tables.text import Table, preprocessing_of
from benchsuite.stats.digits import p_value, with_interval
from benchsuite.stats.significance import holm

if TYPE_CHECKING:
    import pandas as pd

RunName = str | Path | Evaluation
"""A run: the result of ``evaluate``, an id, the beginning of one, or a folder."""


@dataclass(frozen=True, slots=True, repr=False)
class PairedComparisons(Shown):
    """Runs compared with the first one. ``p_holm`` are their p-values at top-1, corrected for their number (Holm).

    With ``every`` the classes and values of groups that changed are shown too.
    """

    pairs: tuple[Comparison, ...]
    p_holm: tuple[float, ...]
    every: bool = False

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
        """Which run makes fewer errors, and whether that can be chance; the tests, and in what else the runs differ."""
        prepared = preprocessing_of([self.pairs[0].before, *(pair.after for pair in self.pairs)])
        notes = dict.fromkeys(note for pair in self.pairs for note in pair.notes)
        if len(self.pairs) > 1:
            return [*several_words(self.pairs, self.p_holm), *prepared, *notes]
        (pair,) = self.pairs
        tests = [*test_lines(1, pair.top1), *test_lines(5, pair.top5)]
        n, share = pair.top1.n, Fraction(pair.agree, pair.top1.n)
        agreement = f"the same first answer for {pair.agree} of {n} images ({share_words(share, n)} %)"
        changed = [] if self.every else [f"{title}: --all" for title, _, _ in _changed(pair)]
        return [pair_words(pair), *tests, agreement, both_words(pair), *prepared, *notes, *changed]

    def cells(self) -> Table:
        """The two runs and their rates; of several runs one line for each."""
        if len(self.pairs) == 1:
            return pair_table(self.pairs[0])
        head = ["run", "network and protocol", "top-1 error %", "change", "fixed", "broken", "p (Holm)"]
        first = self.pairs[0]
        rows = [[first.before.run_id, _tested(first.before), with_interval(first.top1.before), *[""] * 4]]
        for pair, p in zip(self.pairs, self.p_holm, strict=True):
            numbers = [str(pair.top1.fixed), str(pair.top1.broken), p_value(p)]
            error, change = with_interval(pair.top1.after), change_words(pair.top1, pair.top1.n)
            rows.append([pair.after.run_id, _tested(pair.after), error, change, *numbers])
        return head, rows

    def below(self) -> Sequence[Shown]:
        """With ``every`` the classes and values of groups that changed most."""
        changes = [change for pair in self.pairs for change in _changed(pair)] if self.every else []
        return [Section(title, class_table(name, values)) for title, name, values in changes]


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
        """The change of the mean error with two p-values; how often the runs agree, and which they are."""
        groups, top1, n = self.groups, self.groups.top1, self.groups.n
        sizes = f"{len(groups.before)} runs -> {len(groups.after)} runs"
        tests = f"p = {p_value(top1.p)} over images, {p_value(top1.runs_p)} over runs"
        shares = [
            ("before", groups.agree_before),
            ("after", groups.agree_after),
            ("between the groups", groups.agree_between),
        ]
        texts = [f"{share_words(Fraction(share), n)} % {where}" for where, share in shares if share is not None]
        return [
            f"{sizes}: {change_words(top1, n)} points of mean top-1 error; {tests}",
            *group_tests(groups),
            f"the same first answer: {', '.join(texts)}",
            *preprocessing_of([*groups.before, *groups.after]),
            *groups.notes,
        ]

    def cells(self) -> Table:
        """The mean error rates of both groups."""
        return group_table(self.groups)

    def below(self) -> Sequence[Shown]:
        """The runs of both groups."""
        sides = (("before", self.groups.before), ("after", self.groups.after))
        rows = [[when, run.run_id, _tested(run), run.weights, run.dataset] for when, runs in sides for run in runs]
        return [Section("runs", (["", "run", "network and protocol", "weights", "images"], rows))]


def compare(
    *runs: RunName | Sequence[RunName], every: bool = False, results: str | Path | None = None
) -> PairedComparisons | ComparedGroups:
    """Compares runs on the same images, as ``benchsuite compare`` does: images fixed and broken, exact McNemar tests.

    ``compare(a, b)`` compares two runs, ``compare(a, b, c)`` the others with the first, ``compare([a, b], [c, d])`` two
    groups. A run is the result of ``evaluate``, an id or the beginning of one in ``results``, or a folder. ``every``
    also shows the classes that changed most. Raises ``DataError`` for runs that are not of the same images, and
    ``UnknownName`` for a run that does not exist.
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
    return PairedComparisons(pairs, tuple(holm([pair.top1.p for pair in pairs])), every)


def _members(group: Any) -> Sequence[RunName]:
    return tuple(group.runs if isinstance(group, Evaluations) else group)


def _tested(side: Side) -> str:
    return f"{side.architecture} {side.protocol}"


def _changed(pair: Comparison) -> list[tuple[str, str, Sequence[ClassChange[Any]]]]:
    """The title, the name and the changes of classes, and of values of groups, where any changed."""
    named: list[tuple[str, str, Sequence[ClassChange[Any]]]] = [("classes", "class", pair.classes)]
    named += [(f"values of {name}", name, values) for name, values in pair.groups]
    return [(f"{what} that changed most, of {len(v)} that changed", name, v) for what, name, v in named if v]
