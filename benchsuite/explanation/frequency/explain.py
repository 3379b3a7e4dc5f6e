"""Carries out a frequency analysis: its runs, the attack, the measurement; or reads what was found before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError, UnsupportedProtocol
from benchsuite.explanation.frequency import analysis, counts
from benchsuite.explanation.frequency.analysis import Attack, FrequencyAnalysis, Measurement
from benchsuite.explanation.frequency.plan import FrequencyPlan
from benchsuite.models.device import pick_device
from benchsuite.progress import Progress
from benchsuite.runs.run import answer
from benchsuite.specs.perturbation import describe_perturbation, perturbation_data
from benchsuite.specs.view import view_data
from benchsuite.storage.keys import digest, samples_digest
from benchsuite.storage.run_folder import read_whole_manifest

Row = Mapping[str, Any]
"""A row of ``run --json``."""


def explain(plan: FrequencyPlan, progress: Progress) -> tuple[FrequencyAnalysis, Path]:
    """The analysis of a plan and the file it is kept in.

    Every run is an ordinary one, which is read from its folder if it is finished. What the file holds is used if the
    runs and the network that it was made from are unchanged. Raises a ``BenchsuiteError`` as ``benchsuite run`` does.
    """
    request = plan.clean.request
    file = analysis.path(request.results, plan.clean.run_id)
    rows = answer(request, plan.in_one_pass, progress)
    under_attack, left_out = _attack_rows(plan, progress)
    made_from = digest([analysis.REVISION, plan.radius, left_out, *map(_state, [*rows, *under_attack])])
    before = _before(file, progress)
    if before is not None and before.made_from == made_from and not request.fresh:
        return before, file
    counted = _counted(plan, rows, under_attack)
    measurement, measured_from = _measured(plan, rows[0], bool(under_attack), before, progress)
    found = FrequencyAnalysis(
        **counted, left_out=left_out, measurement=measurement, made_from=made_from, measured_from=measured_from
    )
    analysis.write(file, found)
    return found, file


def _counted(plan: FrequencyPlan, rows: Sequence[Row], under_attack: Sequence[Row]) -> dict[str, Any]:
    """The fields of the analysis that are counted; ``rows`` are those of the questions in one pass."""
    clean = counts.columns(Path(rows[0]["path"]))
    runs = [(row, counts.columns(Path(row["path"]))) for row in rows[1:]]
    pairs = list(zip(plan.filtered, runs[::2], runs[1::2], strict=True))
    low, high = next((low[1], high[1]) for step, low, high in pairs if step.radius == plan.radius)
    return {
        **{name: rows[0][name] for name in ("run_id", "architecture", "weights", "protocol", "dataset", "n", "of")},
        "side": plan.side,
        "at": plan.at,
        "radius": plan.radius,
        "clean_right": rows[0]["n"] - rows[0]["top1_errors"],
        "curve": tuple(counts.at_radius(step.radius, clean, low, high) for step, low, high in pairs),
        "attack": _attack(plan, under_attack),
        "triples": counts.triples(clean, low, high),
    }


def _attack_rows(plan: FrequencyPlan, progress: Progress) -> tuple[list[dict[str, Any]], str]:
    """The rows of the runs on the measured images: clean, attacked. None, and why, if nothing can be attacked."""
    questions = plan.under_attack
    if not questions:
        return [], plan.left_out
    try:
        return answer(questions[0].request, questions, progress), ""
    except UnsupportedProtocol as error:
        return [], str(error)


def _attack(plan: FrequencyPlan, rows: Sequence[Row]) -> Attack | None:
    view = plan.attacked_view
    if not rows or view is None or view.perturbation is None:
        return None
    clean, attacked = rows
    right = (row["n"] - row["top1_errors"] for row in rows)
    words = describe_perturbation(view.perturbation)
    return Attack(attacked["protocol"], words, attacked["run_id"], clean["run_id"], clean["n"], *right)


def _before(file: Path, progress: Progress) -> FrequencyAnalysis | None:
    """What the file holds. A file that cannot be understood is noted, and made again."""
    try:
        return analysis.read(file)
    except DataError as error:
        progress.note(str(error))
        return None


def _state(row: Row) -> list[str]:
    """What changes when the predictions of a run do: its id and the digest of its file."""
    with (Path(row["path"]) / "predictions.parquet").open("rb") as predictions:
        return [row["run_id"], hashlib.file_digest(predictions, "sha256").hexdigest()]


def _measured(
    plan: FrequencyPlan, clean: Row, attacked: bool, before: FrequencyAnalysis | None, progress: Progress
) -> tuple[Measurement, str]:
    """The measurement, and the digest of what it depends on: that of ``before`` if this is unchanged."""
    question, changed = plan.attacked[0], plan.attacked_view if attacked else None
    pixels = None if changed is None or changed.perturbation is None else perturbation_data(changed.perturbation)
    stored = read_whole_manifest(Path(clean["path"]))
    images = [stored["dataset"]["name"], samples_digest(plan.measured)]
    known = [analysis.REVISION, stored["weights"]["digest"], *images]
    measured_from = digest([*known, view_data(plan.view), pixels, question.identity["loader"]])
    if before is not None and before.measured_from == measured_from and not question.request.fresh:
        return before.measurement, measured_from
    from benchsuite.explanation.frequency.measurement import measure

    device = pick_device(question.request.device)
    return measure(question, plan.measured, plan.view, changed, device, progress), measured_from
