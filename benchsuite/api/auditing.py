"""``benchsuite.audit``: the accuracy that each published accounting would have printed for the same predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.evaluation import Evaluation
from benchsuite.api.options import results_folder
from benchsuite.api.shown import Section, Shown
from benchsuite.api.training import Training
from benchsuite.errors import BadParameter, expected
from benchsuite.explanation import audit as auditing
from benchsuite.explanation.audit import AuditRequest
from benchsuite.report.tables.text import Table, image_count
from benchsuite.stats.digits import decimals, places, signed, with_interval
from benchsuite.stats.metrics import Count
from benchsuite.storage import correctness

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class Audit(Shown):
    """What each accounting prints for a run, and how likely each prints a claim; ``record`` is ``audit --json``."""

    record: dict[str, Any]

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
        """The exact accuracy."""
        record, digits = self.record, places(self.record["n"])
        if not record["rows"]:
            return [f"exactly {decimals(Fraction(record['accuracy']), digits)} % of {record['n']} images"]
        hits, seen = Count(record["hits"], record["n"]), image_count({"n": record["n"], "of": record["of"]})
        prepared = [f"preprocessing: {text}" for text in record["preprocessing"]]
        return [f"{record['run_id']}: exactly {with_interval(hits)} %, {hits.hits} right of {seen}", *prepared]

    def cells(self) -> Table:
        """A line for each accounting and batch size."""
        digits = places(self.record["n"])
        rows = [
            [
                row["accounting"],
                str(row["batch_size"]),
                decimals(Fraction(row["printed"]), digits),
                signed(Fraction(row["off"]), digits),
            ]
            for row in self.record["rows"]
        ]
        return ["accounting", "batch size", "prints %", "off"], rows

    def below(self) -> Sequence[Shown]:
        """With a claim, how likely each accounting prints it."""
        if not self.record["claims"]:
            return []
        rows = []
        for row in self.record["claims"]:
            chances = [decimals(Fraction(row[name]), 1) for name in ("at_least", "rounds_to", "at_most")]
            rows.append([row["accounting"], str(row["batch_size"]), *chances])
        title = f"chance in % to print at least, exactly and at most {self.record['claim']:g}"
        return [Section(title, (["accounting", "batch size", ">=", "=", "<="], rows))]


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
    results: str | Path | None = None,
) -> Audit:
    """Counts the predictions of a run under every published accounting, as ``benchsuite audit`` does.

    ``run`` is the result of ``evaluate`` or ``train``, an id or the beginning of one, or a folder. ``claim`` is a
    published accuracy in percent, with its decimal places (``"90.53"``): how likely does each accounting print it?
    Instead of a run, ``accuracy`` is the exact accuracy of ``images`` images.
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
    return Audit(auditing.audit(request, correctness.read(results_folder(results), str(name)) if name else None))


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
