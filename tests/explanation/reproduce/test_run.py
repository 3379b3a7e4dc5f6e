"""Tests of reproductions with a made-up ledger and made-up images: each verdict, and views that are computed once."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from finished_trainings import correct, learned
from made_up_figures import CATALOG, N, figure, imagenet, install
from toy_evaluation import Counted

from benchsuite import WeightsError
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.reproduce.plan import ReproductionRequest, make_plan
from benchsuite.explanation.reproduce.run import Outcome, carry_out, flat
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.storage.run_folder import read_columns


@pytest.fixture
def data(tmp_path: Path) -> str:
    return imagenet(tmp_path / "data")


def outcomes(name: str, data: str, results: Path, catalog: Any = CATALOG, **fields: Any) -> tuple[Outcome, ...]:
    asked = RunRequest((), (), data=data, results=results, device="cpu", batch_size=64, workers=0, **fields)
    return carry_out(make_plan(ReproductionRequest(name, asked), catalog), Progress())


def errors(data: str, results: Path, *protocols: str) -> list[int]:
    """The errors of ``benchsuite run``."""
    asked = RunRequest(("colours",), protocols, data=data, results=results, device="cpu", batch_size=64, workers=0)
    return [row["top1_errors"] for row in run(asked, CATALOG, Progress())]


def printed(wrong: int, digits: int = 1) -> str:
    return f"{100 * wrong / N:.{digits}f}"


def test_a_figure_is_reproduced_within_rounding_and_no_further(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wrong,) = errors(data, tmp_path / "runs", "1crop")
    assert 0 < wrong < N
    rows = [figure("same", printed(wrong)), figure("whole", printed(wrong, 0)), figure("off", printed(wrong + 1))]
    install(monkeypatch, *rows, figure("right", f"{100 - 100 * wrong / N:.2f}", metric="top1_accuracy"))
    found = {one.row.id: one for one in outcomes("colours", data, tmp_path / "own")}
    assert {name: one.verdict for name, one in found.items()} == {
        "same": "reproduced",
        "whole": "reproduced",
        "off": "not reproduced",
        "right": "reproduced",
    }
    for one in found.values():
        (measured,) = one.measured
        assert (measured.error, measured.n, measured.of) == (Fraction(wrong, N), N, N)
        rank = read_columns(Path(measured.path), ("rank",))["rank"]
        assert int((rank > 0).sum()) == wrong


def test_an_open_choice_that_gives_the_figure_reproduces_it_and_costs_no_view(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten crops whose logits are averaged err on another number of images than with probabilities."""
    by_prob, by_logit = errors(data, tmp_path / "runs", "10crop", "10crop:merge=logit")
    assert by_prob != by_logit
    install(monkeypatch, figure("a", printed(by_logit), protocol="10crop"), figure("b", "99.0", protocol="10crop"))
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "another cache"))
    counted = Counted(monkeypatch)
    a, b = outcomes("colours", data, tmp_path / "own")
    assert counted.views == 10 * N
    assert a.verdict == "reproduced"
    assert a.best is not None
    assert "merge=logit" in a.best.what
    assert b.verdict == "not reproduced"
    assert b.best == b.measured[0]
    assert b.span is not None
    assert b.span[0] <= Fraction(100 * min(by_prob, by_logit), N) <= b.span[1]
    assert [one.what for one in b.measured] == [one.what for one in a.measured]
    assert outcomes("colours", data, tmp_path / "own") == (a, b)
    assert counted.views == 10 * N


def test_a_part_of_the_images_is_judged_by_sampling(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, figure("near", printed(15)), figure("far", "99.9"))
    near, far = outcomes("colours", data, tmp_path / "own", limit=20)
    assert (near.verdict, far.verdict) == ("reproduced", "not reproduced")
    assert (near.measured[0].n, near.measured[0].of) == (20, N)
    assert far.measured[0].judgement.p is not None
    assert far.measured[0].judgement.p < 0.001


def test_another_measurement_is_shown_but_not_judged(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wrong,) = errors(data, tmp_path / "runs", "1crop")
    install(monkeypatch, figure("a", printed(wrong)))
    (one,) = outcomes("a", data, tmp_path / "own", weights="random")
    assert (one.verdict, one.reasons) == ("not comparable", ("other weights: needed are even",))
    assert len(one.measured) == 1


def test_weights_that_cannot_be_had_are_missing(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any) -> Any:
        raise WeightsError("Expected a connection, got none (put the file there)")

    monkeypatch.setattr("benchsuite.models.weights._declared_state", offline)
    install(monkeypatch, figure("a", "10.0"), figure("b", "10.0", weights=""))
    one, two = outcomes("colours", data, tmp_path / "own")
    assert (one.verdict, one.measured) == ("not comparable", ())
    assert one.reasons == ("Expected a connection, got none (put the file there)",)
    assert two.reasons == ("the weights of The source: --weights FILE (docs/weights.md)",)


@pytest.mark.parametrize(("accounting", "epoch"), [("exact", 4), ("exact-best", 3)])
def test_a_finished_training_is_counted_as_its_source_counted(
    accounting: str, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import toy_training

    right = correct(4, 21)
    right[:, :] = False
    for row, count in enumerate((5, 10, 18, 15)):
        right[row, :count] = True
    wrong = 21 - int(right[epoch - 1].sum())
    value = f"{100 * wrong / 21:.2f}"
    rows: tuple[Published, ...] = tuple(
        figure(name, text, architecture="tiny", dataset="dots", weights="")
        for name, text in (("a", value), ("b", "99"))
    )
    monkeypatch.setattr(ledger, "load", lambda: rows)
    monkeypatch.setattr(ledger, "trained", lambda: {n: ledger.Trained(n, "usual", accounting) for n in "ab"})
    monkeypatch.setattr("benchsuite.explanation.reproduce.estimate.seconds", lambda job, request: 1.0)
    asked, catalog = RunRequest((), (), device="cpu", results=tmp_path), toy_training.catalog()
    (job,) = {one.job.run_id for one in make_plan(ReproductionRequest("tiny", asked, train=True), catalog).trainings}
    (learned(tmp_path, job, right) / "last.safetensors").touch()
    a, b = carry_out(make_plan(ReproductionRequest("tiny", asked), catalog), Progress())
    assert (a.verdict, b.verdict) == ("reproduced", "not reproduced")
    assert float(100 * a.measured[0].error) == pytest.approx(100 * wrong / 21)
    assert f"counted {accounting}, epoch {epoch}" in a.measured[0].what


@pytest.mark.parametrize("seeds", [1, 3])
def test_an_accounting_that_the_source_leaves_open_is_a_choice(
    seeds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last epochs err on 9, 10 and 11 of 21 images, the best ones on 3, 4 and 5: only the best give the figure."""
    import toy_training

    row = figure("a", f"{100 * 4 / 21:.2f}", architecture="tiny", dataset="dots", weights="")
    monkeypatch.setattr(ledger, "load", lambda: (row,))
    monkeypatch.setattr(ledger, "trained", lambda: {"a": ledger.Trained("a", "usual", "exact exact-best")})
    monkeypatch.setattr("benchsuite.explanation.reproduce.estimate.seconds", lambda job, request: 1.0)
    asked, catalog = RunRequest((), (), device="cpu", results=tmp_path), toy_training.catalog()
    (made,) = make_plan(ReproductionRequest("a", asked, train=True, seeds=seeds), catalog).trainings
    for seed, (_, job) in enumerate(made.trainings):
        right = correct(2, 21)
        right[:, :] = False
        right[0, : 21 - (3 + seed if seeds > 1 else 4)] = right[1, : 21 - 9 - seed] = True
        (learned(tmp_path, job.run_id, right, recipe=recipe_of(seed)) / "last.safetensors").touch()
    (found,) = carry_out(make_plan(ReproductionRequest("a", asked, seeds=seeds), catalog), Progress())
    assert [one.what.partition(",")[0] for one in found.measured] == ["counted exact", "counted exact-best"]
    assert [choice.name for choice in found.choices] == ["accounting"]
    assert found.verdict == "reproduced"
    assert found.best is not None
    assert found.best.error == pytest.approx(Fraction(4, 21))
    if seeds == 1:
        assert (found.best.what, found.best.by_seed) == ("counted exact-best, epoch 1", ())
        return
    assert found.best.what == "counted exact-best, mean of 3 seeds"
    assert [(seed, round(21 * error)) for seed, error in found.best.by_seed] == [(0, 3), (1, 4), (2, 5)]
    assert not found.measured[0].judgement.agrees
    (one,) = flat(found)["measurements"][1:]
    assert [each["error"] for each in one["by_seed"]] == pytest.approx([100 * wrong / 21 for wrong in (3, 4, 5)])
    assert found.best.weights.endswith("seeds 0 to 2")


def recipe_of(seed: int) -> dict[str, Any]:
    return {"name": "usual", "accounting": "exact", "expected": "", "source": "", "seed": seed}


def test_an_outcome_is_one_object_with_unrounded_numbers(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, figure("a", "99.0", protocol="10crop"), figure("b", "1.0", weights=""))
    found, missing = map(flat, outcomes("colours", data, tmp_path / "own"))
    assert (found["id"], found["verdict"], found["printed"]) == ("a", "not reproduced", 99.0)
    assert found["measured"] == found["measurements"][0]["error"]
    assert found["least"] <= found["measured"] <= found["most"]
    judgement = found["measurements"][0]["judgement"]
    assert judgement["off"] == pytest.approx(found["measured"] - 99.0)
    assert judgement["p"] is None
    assert (missing["measured"], missing["measurements"], missing["least"]) == (None, [], None)
