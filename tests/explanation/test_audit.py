"""Tests of audits: rows computed by hand, probabilities compared with exact ones, and options that are refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from benchsuite import BadParameter
from benchsuite.explanation.audit import BATCH_SIZES, AuditRequest, accountings, audit, reach
from benchsuite.storage.correctness import Correctness

ONE = np.array([[1, 1, 1, 0, 1, 1, 0, 0]], dtype=bool)
"""Eight images, five right: 1110 1100 in batches of 4, 111 011 00 in batches of 3."""

PNN = AuditRequest(batch_sizes=(10,), claim=Decimal("90.53"), accuracy=Decimal("85.91"), epochs=80)


def passes(correct: NDArray[np.bool_] = ONE, **fields: Any) -> Correctness:
    return Correctness("run", "somewhere/run", correct, correct.shape[1], **fields)


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["accounting"]: row for row in rows}


def test_one_pass_in_batches_of_3_by_hand() -> None:
    rows = by_name(audit(AuditRequest(batch_sizes=(3,), worlds=(5,)), passes())["rows"])
    expected = {
        "exact": Fraction(5, 8),
        "batch-mean": (Fraction(3, 3) + Fraction(2, 3) + Fraction(0, 2)) / 3,
        "nominal": Fraction(5, 9),
        "truncated": Fraction(100 + 66 + 0, 300),
        "full-batches": Fraction(5, 6),
        "smoothed": Fraction(7, 10) * Fraction(3, 10) + Fraction(3, 10) * Fraction(2, 3),
        "smoothed-reset": Fraction(41, 100),
        "two-batches": Fraction(7, 10) + Fraction(3, 10) * Fraction(2, 3),
        "padded-5": Fraction(7, 10),
    }
    assert list(rows) == list(expected)
    for name, value in expected.items():
        row = rows[name]
        assert row["printed"] == pytest.approx(float(100 * value), abs=1e-9)
        assert row["off"] == row["off_count"] == pytest.approx(float(100 * (value - Fraction(5, 8))), abs=1e-9)
        assert row["off_images"] == pytest.approx(float(8 * value - 5), abs=1e-9)
        assert (row["epoch"], row["off_choice"], row["batch_size"]) == (1, 0.0, 3)
        assert row["reason"]
        assert row["source"]


def test_what_is_off_is_split_between_counting_and_the_choice_of_the_epoch() -> None:
    """Epochs of 3, 7 and 6 right: the best is off by one image; in batches of 3 it loses its last two images too."""
    correct = np.arange(8)[None, :] < np.array([3, 7, 6])[:, None]
    found = audit(AuditRequest(), passes(correct, batch_size=3, heldout=np.array([4, 9, 9])))
    rows = by_name(found["rows"])
    assert found["batch_sizes"] == [3]
    assert (found["accuracy"], found["hits"], found["passes"], found["epochs"]) == (75.0, 6, 3, 3)
    assert (rows["exact-best"]["epoch"], rows["exact-best"]["off_choice"]) == (2, 12.5)
    assert rows["exact-best"]["off_count"] == 0
    assert (rows["exact-best-heldout"]["epoch"], rows["exact-best-heldout"]["off_images"]) == (1, -3)
    full = rows["full-batches-best"]
    assert (full["epoch"], full["printed"], full["off_count"], full["off_choice"]) == (2, 100.0, 12.5, 12.5)
    assert full["off"] == 25.0
    assert (rows["batch-mean-lowest"]["epoch"], rows["batch-mean-lowest"]["off_choice"]) == (1, -37.5)
    assert "nominal-best-after-10" not in rows


def test_an_evaluation_is_counted_in_the_batch_sizes_of_the_published_recipes() -> None:
    correct = np.random.default_rng(1).random((1, 360)) < 0.9
    found = audit(AuditRequest(orders=5), passes(correct))
    assert found["batch_sizes"] == list(BATCH_SIZES) == [5, 10, 16, 20, 64, 128]
    assert {row["batch_size"] for row in found["rows"]} == set(BATCH_SIZES)
    assert len(found["rows"]) == 6 * len(accountings(1))
    assert found["claims"] == []
    assert found["note"] is None


def test_orders_change_nothing_for_a_plain_mean_and_much_for_a_smoothed_one() -> None:
    correct = np.random.default_rng(2).random((2, 1000)) < 0.8
    rows = by_name(audit(AuditRequest(batch_sizes=(10,), orders=300), passes(correct))["rows"])
    assert rows["exact"]["orders_mean"] == pytest.approx(rows["exact"]["printed"])
    assert rows["exact"]["orders_spread"] == rows["nominal"]["orders_spread"] == 0
    assert rows["smoothed"]["orders_mean"] == pytest.approx(rows["exact"]["printed"], abs=1e-9)
    assert rows["smoothed"]["orders_spread"] == pytest.approx(5.2, abs=0.3)
    assert rows["smoothed-best"]["orders_mean"] > rows["smoothed"]["orders_mean"] + 1
    assert rows["truncated"]["orders_spread"] < 0.01


def test_the_dispute_90_53_is_no_accident_of_smoothing_and_out_of_reach_without() -> None:
    found = audit(PNN)
    assert (found["run_id"], found["hits"], found["n"], found["epochs"]) == (None, None, 10_000, 80)
    assert found["rows"] == []
    claims = by_name(found["claims"])
    assert claims["exact-best"]["at_least"] == claims["nominal-best-after-10"]["at_least"] == 0
    assert claims["exact-best"]["at_most"] == 100
    assert claims["smoothed"]["at_least"] == pytest.approx(16, abs=4)
    assert claims["smoothed-best"]["at_least"] == 100
    assert claims["smoothed-best"]["epochs_for_even_odds"] in (4, 5)
    assert claims["smoothed-best"]["low"] > 90.53
    assert claims["smoothed"]["one_epoch_spread"] == pytest.approx(4.62, abs=0.01)
    assert claims["exact-best"]["epochs_for_even_odds"] is None
    assert claims["smoothed"]["epochs_for_even_odds"] is None
    assert claims["smoothed"]["orders_at_least"] is None
    assert "overstate" in found["note"]


def test_the_chances_of_an_exact_count_are_those_of_a_binomial() -> None:
    request = AuditRequest(batch_sizes=(10,), claim=Decimal("85.5"), accuracy=Decimal(85), images=200, draws=20_000)
    [exact] = [row for row in audit(request)["claims"] if row["accounting"] == "exact"]
    assert exact["at_least"] == pytest.approx(100 * binom.sf(170, 200, 0.85), abs=1)
    assert exact["rounds_to"] == pytest.approx(100 * binom.pmf(171, 200, 0.85), abs=1)
    assert exact["at_most"] == pytest.approx(100 * binom.cdf(171, 200, 0.85), abs=1)
    assert (exact["low"], exact["high"]) == pytest.approx(
        (binom.ppf(0.025, 200, 0.85) / 2, binom.ppf(0.975, 200, 0.85) / 2), abs=0.5
    )


def test_a_claim_is_rounded_as_it_was_printed() -> None:
    values = np.array([0.90524, 0.90525, 0.90534, 0.90535, 0.9])
    assert reach(Decimal("90.53"), values) == {"at_least": 60.0, "rounds_to": 40.0, "at_most": 80.0}
    assert reach(Decimal("90.5"), values) == {"at_least": 80.0, "rounds_to": 80.0, "at_most": 100.0}
    assert reach(Decimal("91"), values) == {"at_least": 80.0, "rounds_to": 80.0, "at_most": 100.0}
    assert reach(Decimal("91"), None) == {"at_least": None, "rounds_to": None, "at_most": None}


def test_a_training_is_judged_by_its_own_orders_too() -> None:
    """Epochs that differ in one image of a hundred: reordering keeps their common errors, independent errors do not."""
    rng = np.random.default_rng(3)
    correct = (rng.random(1000) < 0.85) ^ (rng.random((30, 1000)) < 0.01)
    request = AuditRequest(claim=Decimal("93.0"), draws=300, orders=300)
    claims = by_name(audit(request, passes(correct, batch_size=10))["claims"])
    best = claims["smoothed-best"]
    assert best["orders_at_least"] < best["at_least"] - 20
    assert best["epochs_for_even_odds"] is None
    assert claims["exact"]["orders_at_least"] == 0
    assert claims["exact"]["orders_at_most"] == 100
    assert best["orders_at_least"] + best["orders_at_most"] == pytest.approx(100 + best["orders_rounds_to"])


def test_an_evaluation_may_be_one_of_many_epochs() -> None:
    correct = np.random.default_rng(4).random((1, 1000)) < 0.85
    request = AuditRequest(batch_sizes=(10,), claim=Decimal("90.5"), epochs=20, draws=200)
    found = audit(request, passes(correct))
    claims = by_name(found["claims"])
    assert (found["passes"], found["epochs"]) == (1, 20)
    assert claims["smoothed-best"]["at_least"] > claims["smoothed"]["at_least"] + 40
    assert {row["orders_at_least"] for row in found["claims"]} == {None}
    alone = by_name(audit(replace(request, epochs=None), passes(correct))["claims"])
    assert set(alone) == {row["accounting"] for row in found["rows"]}
    assert alone["exact"]["orders_at_least"] == 0


def test_a_seed_gives_the_same_audit() -> None:
    correct = np.random.default_rng(5).random((2, 300)) < 0.7
    request = AuditRequest(batch_sizes=(16,), claim=Decimal("72.0"), draws=50, orders=50, seed=3)
    assert audit(request, passes(correct)) == audit(request, passes(correct))
    assert audit(request, passes(correct)) != audit(replace(request, seed=4), passes(correct))


def test_processes_that_are_asked_for_replace_the_usual_ones() -> None:
    names = [a.name for a in accountings(1, worlds=(3, 48, 3))]
    assert names[-2:] == ["padded-3", "padded-48"]
    assert "padded-64" not in names
    assert "padded-64" in [a.name for a in accountings(1)]


@pytest.mark.parametrize(
    ("typed", "run", "message"),
    [
        (AuditRequest(), None, "Expected a run, or --claim with --accuracy and --batch-size"),
        (AuditRequest(claim=Decimal(90)), None, "Expected a run, or --claim"),
        (AuditRequest(accuracy=Decimal(90)), None, "Expected a run, or --claim"),
        (replace(PNN, batch_sizes=()), None, "Expected --claim to come with --batch-size"),
        (replace(PNN, batch_sizes=(10, 0)), None, "Expected --batch-size to be at least 1, got 0"),
        (replace(PNN, epochs=0), None, "Expected --epochs to be at least 1, got 0"),
        (replace(PNN, images=0), None, "Expected --images to be at least 1, got 0"),
        (replace(PNN, draws=0), None, "Expected --draws to be at least 1, got 0"),
        (replace(PNN, orders=-1), None, "Expected --orders to be at least 1, got -1"),
        (replace(PNN, seed=-1), None, "Expected --seed to be at least 0, got -1"),
        (replace(PNN, claim=Decimal("100.01")), None, "Expected --claim to be a percentage between 0 and 100"),
        (replace(PNN, accuracy=Decimal(-1)), None, "Expected --accuracy to be a percentage between 0 and 100"),
        (replace(PNN, worlds=(0,)), None, "Expected the number of processes to be at least 1, got 0"),
        (PNN, passes(), "Expected --accuracy and --images to stand in for a run"),
        (AuditRequest(images=8), passes(), "Expected --accuracy and --images to stand in for a run"),
        (AuditRequest(epochs=3), passes(), "Expected --epochs to come with --claim"),
        (AuditRequest(claim=Decimal(9)), passes(), "Expected --claim to come with --batch-size"),
        (
            AuditRequest(claim=Decimal(9), epochs=3),
            passes(np.repeat(ONE, 2, axis=0), batch_size=4),
            r"Expected --epochs to be left out for a training, got 3 \(run has 2 epochs\)",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(typed: AuditRequest, run: Correctness | None, message: str) -> None:
    with pytest.raises(BadParameter, match=message) as caught:
        audit(typed, run)
    assert "\n" not in str(caught.value)


def test_a_claim_of_nothing_is_a_claim() -> None:
    assert by_name(audit(replace(PNN, claim=Decimal(0), epochs=1, draws=20))["claims"])["exact"]["at_least"] == 100


def test_an_audit_needs_no_torch() -> None:
    program = (
        "import sys\nfrom benchsuite.cli import main\n"
        "assert main(['audit', '--claim', '9', '--accuracy', '9', '--batch-size', '5', '--draws', '5']) == 0\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
