"""``benchsuite.audit``: the accuracy that each published accounting would have printed for the same predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.evaluation import Evaluation
from benchsuite.api.options import results_folder
from benchsuite.api.shown import Section, Shown
from benchsuite.api.training import Training
from benchsuite.errors import BadParameter, expected
from benchsuite.explanation import audit as auditing
from benchsuite.explanation.audit import AuditRequest
from benchsuite.report.tables.audits import (
    claim_table,
    claim_words,
    printed_table,
    printed_words,
    reasons,
    run_words,
    same_words,
    without_same,
)
from benchsuite.report.tables.text import Table
from benchsuite.storage import correctness

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class Audit(Shown):
    """What each accounting prints for a run, and how likely each prints a claim; ``record`` is ``audit --json``."""

    record: dict[str, Any]
    every: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """One row for each accounting and batch size: what it prints, and by how many points it is off."""
        import pandas as pd

        return pd.DataFrame(self.record["rows"])

    @property
    def claims(self) -> pd.DataFrame:
        """One row for each accounting and batch size: how likely it prints the claim, in percent."""
        import pandas as pd

        return pd.DataFrame(self.record["claims"])

    def lines(self) -> Sequence[str]:
        """What the accountings print, or which of them the claim; then the run, and with ``every`` the reasons."""
        record = self.record
        answer = claim_words(record) if record["claims"] else printed_words(record)
        facts = run_words(record) if record["rows"] else []
        facts += [] if self.every else same_words(self._tables()[0][1])
        hidden = "what each accounting does and its source"
        if record["claims"] and record["rows"]:
            hidden = f"what each accounting prints for the run, {hidden}"
        return [answer, *facts, *(reasons(record) if self.every else [f"{hidden}: --all"])]

    def cells(self) -> Table:
        """The chances of the claim, if there is one; else what each accounting prints."""
        return self._tables()[0][1] if self.every else without_same(self._tables()[0][1])

    def below(self) -> Sequence[Shown]:
        """With ``every`` the tables of other batch sizes, and what each accounting prints."""
        return [Section(title, table) for title, table in self._tables()[1:]] if self.every else []

    def _tables(self) -> list[tuple[str, Table]]:
        record = self.record
        claims = [
            (f"in batches of {size}", claim_table(record, size)) for size in record["batch_sizes"] if record["claims"]
        ]
        return [*claims, *([("what each prints", printed_table(record, every=self.every))] if record["rows"] else [])]


def audit(  # noqa: PLR0913, each is an option of the command
    run: str | Path | Evaluation | Training | None = None,
    *,
    batch_sizes: Sequence[int] = (),
    world_sizes: Sequence[int] = (),
    claim: str | Decimal | None = None,
    epochs: int | None = None,
    accuracy: str | Decimal | None = None,
    images: int | None = None,
    draws: int = 1000,
    orders: int = 200,
    seed: int = 0,
    every: bool = False,
    results: str | Path | None = None,
) -> Audit:
    """Counts the predictions of a run under every published accounting, as ``benchsuite audit`` does.

    ``run`` is the result of ``evaluate`` or ``train``, an id or the beginning of one, or a folder. ``claim`` is a
    published accuracy in percent, with its decimal places (``"90.53"``): how likely does each accounting print it?
    Instead of a run, ``accuracy`` is the exact accuracy of ``images`` images. ``every`` also shows what each accounting
    does, with its source.
    """
    request = AuditRequest(
        batch_sizes=tuple(batch_sizes),
        worlds=tuple(world_sizes),
        claim=percentage("--claim", claim),
        accuracy=percentage("--accuracy", accuracy),
        epochs=epochs,
        images=images,
        draws=draws,
        orders=orders,
        seed=seed,
    )
    name = run.path if isinstance(run, Evaluation | Training) else run
    found = correctness.read(results_folder(results), str(name)) if name else None
    return Audit(auditing.audit(request, found), every)


def percentage(option: str, value: object) -> Decimal | None:
    """A percentage with all its decimal places. Raises ``BadParameter`` if it is no finite number."""
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite():
        raise BadParameter(expected(option, "a percentage such as 90.53", str(value)))
    return number
