"""``benchsuite.explain(run)``: in what a finished run differs from the published figures of its network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.shown import Shown
from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.meaning import against_published
from benchsuite.report.tables.text import Table, preprocessing_lines
from benchsuite.runs import manifest as run_manifest
from benchsuite.stats.digits import places, signed, with_interval
from benchsuite.stats.metrics import Count
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import pandas as pd

NEAREST = 6
"""At most this many published figures are shown for a run, unless all are wanted."""


@dataclass(frozen=True, slots=True, repr=False)
class RunExplanation(Shown):
    """The published figures of a run's network at top-``k``, the most comparable first, and what differs from the run.

    ``row`` is the row of ``run --json``. ``figures`` has what differs in words; nothing for a figure that was measured.
    """

    row: Mapping[str, Any]
    figures: tuple[tuple[Published, tuple[str, ...]], ...]
    k: int
    every: bool

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --json``."""
        figures = [
            {
                "id": f.id,
                "error": float(f.error or 0),
                "protocol": f.protocol,
                "source": f.source,
                "differs_in": [*words],
            }
            for f, words in self.figures
        ]
        return {"run": dict(self.row), "answer": self.lines()[0], "k": self.k, "figures": figures}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each figure."""
        import pandas as pd

        return pd.DataFrame(self.record["figures"])

    def _measured(self) -> Count:
        return Count(self.row[f"top{self.k}_errors"], self.row["n"])

    def lines(self) -> Sequence[str]:
        """The run's error and the nearest figure; how the steps between them are measured."""
        model, run = ledger.base(self.row["architecture"]), self.row["run_id"]
        found = f"{run}: {with_interval(self._measured())} % top-{self.k} error"
        prepared = preprocessing_lines([self.row])
        if not self.figures:
            return [f"{found}; no published one of {model} under a stated protocol is known.", *prepared]
        figure, words = self.figures[0]
        nearest = f"{figure.error} % ({figure.source}): {', '.join(words) or 'nothing differs'}"
        hidden = len(self.figures) - len(self.cells()[1])
        more = [f"{hidden} more figure{'s' * (hidden > 1)}: --all"] if hidden else []
        steps = f"the steps to a figure, one at a time, measured: benchsuite explain {run} {figure.id}"
        return [f"{found}. Nearest of the published figures of {model}: {nearest}.", *more, steps, *prepared]

    def cells(self) -> Table:
        """A line for each figure; few of them unless all are wanted."""
        digits, own, rows = places(self.row["n"]), self._measured(), []
        for figure, words in self.figures if self.every else self.figures[:NEAREST]:
            off = Fraction(100 * own.hits, own.total) - Fraction(str(figure.error))
            printed = [figure.id, figure.protocol, str(figure.error), signed(off, digits)]
            rows.append([*printed, ", ".join(words) or "nothing"])
        return ["figure", "protocol", "printed %", "off here", "what differs"], rows


def explain_run(name: str, results: Path, *, top5: bool, every: bool) -> RunExplanation:
    """In what a finished run differs from the published figures of its network."""
    folder, k = run_folder.find_run(results, name), 5 if top5 else 1
    row = run_manifest.result_row(run_folder.read_whole_manifest(folder), str(folder), cached=True)
    return RunExplanation(row, tuple(against_published(row, k)), k, every)
