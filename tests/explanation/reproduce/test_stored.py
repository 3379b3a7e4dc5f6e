"""Tests of figures beside runs and trainings on disk: the same outcomes as those of the command that made them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from finished_trainings import correct, learned
from made_up_figures import CATALOG, figure, imagenet, install

from benchsuite import DataError, UnknownName
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation import ledger
from benchsuite.explanation.reproduce import stored
from benchsuite.explanation.reproduce.plan import ReproductionRequest, make_plan
from benchsuite.explanation.reproduce.run import carry_out
from benchsuite.progress import Progress
from benchsuite.report.content import read
from benchsuite.report.results_tables import maker
from benchsuite.report.sources import sources
from benchsuite.report.training_content import read as read_training


@pytest.mark.parametrize("weights", ["even", "other"])
def test_a_stored_run_has_the_outcome_of_the_command(
    weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, figure("a", "12.3"))
    asked = RunRequest((), (), data=imagenet(tmp_path / "data"), results=tmp_path, device="cpu", weights=weights)
    (made,) = carry_out(make_plan(ReproductionRequest("a", asked), CATALOG), Progress())
    (entry,) = read(sources(tmp_path, ())).entries
    row = entry.row
    assert dataclasses.replace(stored.of_run("a", row), choices=made.choices) == made
    name = Path(made.measured[0].path).name
    table = maker(CATALOG)(tmp_path, ["reproductions", f"a=.:{name}"]).text
    assert f"here, 1 published figures: 1 {made.verdict}" in table or f"{made.verdict}: a, printed 12.3 %" in table
    assert name in table
    with pytest.raises(UnknownName):
        stored.of_run("b", row)
    with pytest.raises(DataError, match="Expected a figure with its runs to be FIGURE=PATH:RUN"):
        maker(CATALOG)(tmp_path, ["reproductions", "a"])


def test_stored_trainings_have_the_outcome_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import toy_training

    row = figure("a", "30.00", architecture="tiny", dataset="dots", weights="")
    monkeypatch.setattr(ledger, "load", lambda: (row,))
    monkeypatch.setattr(ledger, "trained", lambda: {"a": ledger.Trained("a", "usual", "exact exact-best")})
    asked, catalog = RunRequest((), (), device="cpu", results=tmp_path), toy_training.catalog()
    monkeypatch.setattr("benchsuite.explanation.reproduce.estimate.seconds", lambda job, request: 1.0)
    (made,) = make_plan(ReproductionRequest("a", asked, train=True, seeds=3), catalog).trainings
    folders = []
    for seed, (_, job) in enumerate(made.trainings):
        recipe: dict[str, Any] = {"name": "usual", "accounting": "exact", "expected": "", "source": "", "seed": seed}
        own = {"scale": "full", "dataset": {"name": "dots", "learned": 64}}
        folders.append(learned(tmp_path, job.run_id, correct(3, 21, seed), recipe=recipe, **own))
        (folders[-1] / "last.safetensors").touch()
    (outcome,) = carry_out(make_plan(ReproductionRequest("a", asked, seeds=3), catalog), Progress())
    assert len(outcome.measured) == 2
    rows = [read_training(folder).row for folder in folders]
    assert stored.of_trainings("a", "exact", rows, tmp_path) == outcome
    table = maker(catalog)(tmp_path, ["reproductions", f"a=.:{','.join(f.name for f in folders)}"]).text
    assert "mean of 3 seeds" in table
