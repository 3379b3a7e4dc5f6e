"""Figures beside stored runs and trainings, without images or networks: what tables in ``results`` are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.reproduce.plan import figures, run_reasons, training_reasons
from benchsuite.explanation.reproduce.run import Outcome, Row, counted, trained_outcome
from benchsuite.explanation.reproduce.verdict import verdict
from benchsuite.specs.recipe import TRAINED_HERE


def of_run(name: str, row: Row) -> Outcome:
    """A figure beside a finished run, a row as in ``run --json``. Open choices are not among its measurements.

    Raises ``UnknownName`` if the ledger has no such figure.
    """
    figure = _figure(name)
    own = str(row["weights"]).startswith(TRAINED_HERE)
    reasons = tuple(run_reasons(figure, {**row, "n": row["of"]}, vouched=own and not figure.weights))
    measured = counted(figure, row, own=own)
    return Outcome(figure, verdict([measured.judgement], reasons), (measured,), reasons)


def of_trainings(name: str, accounting: str, rows: Sequence[Row], results: Path) -> Outcome:
    """A figure beside finished trainings by one recipe, a row as in ``train --json`` for each seed.

    ``accounting`` is that of their recipe. Raises ``UnknownName`` if the ledger has no such figure.
    """
    figure, known = _figure(name), ledger.trained().get(name)
    accountings = (known.accounting if known else "").split() or [accounting]
    reasons = tuple(training_reasons(figure, rows[0]["scale"], rows[0]["dataset"]))
    return trained_outcome(figure, accountings, rows, results, reasons)


def _figure(name: str) -> Published:
    return next(row for row in figures(name) if row.id == name)
