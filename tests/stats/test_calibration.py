"""Tests of calibration, compared with scikit-learn and plain loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import calibrating as twin
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from benchsuite import Combine, Sample
from benchsuite.evaluation.predictions import rows
from benchsuite.stats.calibration import Calibration, brier_bounds, calibration, expected_error, log_loss, reliability


def predicted(n: int, classes: int, seed: int = 0, sharp: float = 2.0) -> tuple[Any, Any, dict[str, Any]]:
    """Probabilities, labels, and the columns that a run stores for them."""
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(n, classes)) * sharp, rng.integers(0, classes, n)
    logits[np.arange(n), labels] += rng.normal(2, 2, n)
    samples = [Sample(str(i), int(label), "") for i, label in enumerate(labels)]
    return scipy.special.softmax(logits, axis=1), labels, rows(samples, logits, Combine("mean", "logit"))


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (7, 3), (300, 10), (2000, 40)])
def test_log_loss_and_brier_score_are_those_of_scikit_learn(n: int, classes: int) -> None:
    probability, labels, columns = predicted(n, classes)
    found = calibration(columns, classes)
    every = list(range(classes))
    assert found.nll == pytest.approx(sklearn_metrics.log_loss(labels, probability, labels=every), rel=1e-12)
    wanted = sklearn_metrics.brier_score_loss(labels, probability, labels=every, scale_by_half=False)
    assert found.brier == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(
        columns["brier"], [twin.brier(p, y) for p, y in zip(probability, labels, strict=True)], atol=1e-14
    )


@pytest.mark.parametrize("bins", [1, 5, 15])
def test_the_bins_are_those_of_scikit_learns_calibration_curve(bins: int) -> None:
    probability, labels, _ = predicted(2000, 10)
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == labels
    accuracy, mean = calibration_curve(right, confidence, n_bins=bins)
    found = reliability(confidence, right, bins)
    assert [b.confidence for b in found] == pytest.approx(mean.tolist(), rel=1e-12)
    assert [b.right / b.n for b in found] == pytest.approx(accuracy.tolist(), rel=1e-12)
    assert sum(b.n for b in found) == 2000
    assert expected_error(found) == pytest.approx(twin.expected_error(confidence, right, bins), abs=1e-12)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0, 0.37]), st.booleans()), min_size=1))
@settings(max_examples=100, deadline=None)
def test_confidences_on_a_border_are_binned_as_in_a_plain_loop(drawn: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in drawn]), np.array([r for _, r in drawn])
    found = expected_error(reliability(confidence, right, 5))
    assert found == pytest.approx(twin.expected_error(confidence.tolist(), right.tolist(), 5), abs=1e-12)


def test_a_run_that_is_always_half_sure_and_always_right_is_off_by_a_half() -> None:
    found = reliability(np.full(8, 0.5), np.ones(8, dtype=bool))
    assert [(b.n, b.right, b.confidence) for b in found] == [(8, 8, 0.5)]
    assert expected_error(found) == 0.5


def test_a_probability_of_zero_is_not_infinite() -> None:
    assert log_loss(np.array([0.0, 1.0])) == pytest.approx(-math.log(np.finfo(float).tiny) / 2)
    assert twin.log_loss([0.0, 0.25]) == pytest.approx(log_loss(np.array([0.0, 0.25])))


@pytest.mark.parametrize("classes", [2, 4, 5, 6, 7, 10, 1000])
@pytest.mark.parametrize("sharp", [0.1, 1.0, 5.0])
def test_the_bounds_of_a_brier_score_that_was_not_kept_hold_it(classes: int, sharp: float) -> None:
    _, _, columns = predicted(300, classes, seed=classes, sharp=sharp)
    right = columns["top5"] == columns["label"][:, None]
    low, high = brier_bounds(columns["probability5"], right, columns["probability_true"], classes)
    assert (low <= columns["brier"] + 1e-12).all()
    assert (columns["brier"] <= high + 1e-12).all()
    if classes <= 6:  # at most one class is left, so nothing is open
        np.testing.assert_allclose(low, high, atol=1e-12)


def test_the_bounds_are_reached() -> None:
    """Five of ten classes hold 0.1 each; the true one, the first, among them. The other half lies in five classes.

    Evenly it adds 5 * 0.01, and it cannot lie in fewer than five, since no class exceeds 0.1. With 0.3, 0.2, 0.1,
    0.1, 0.1 the rest of 0.2 adds 5 * 0.0016 evenly, and 2 * 0.01 at most.
    """
    best = np.array([[0.1] * 5, [0.3, 0.2, 0.1, 0.1, 0.1]])
    right = np.array([[True, False, False, False, False]] * 2)
    low, high = brier_bounds(best, right, best[:, 0], 10)
    known = np.array([0.05 - 0.2 + 1, 0.16 - 0.6 + 1])
    np.testing.assert_allclose(low, known + np.array([0.05, 0.008]), atol=1e-12)
    np.testing.assert_allclose(high, known + np.array([0.05, 0.02]), atol=1e-12)


def test_an_older_run_says_what_bounds_its_brier_score() -> None:
    _, _, columns = predicted(200, 30)
    new = calibration(columns, 30)
    old = calibration({name: column for name, column in columns.items() if name != "brier"}, 30)
    assert isinstance(old, Calibration)
    assert old.brier is None
    assert new.brier is not None
    assert old.brier_low < new.brier < old.brier_high
    assert (new.brier_low, new.brier_high) == (new.brier, new.brier)
    assert (old.ece, old.nll, old.bins) == (new.ece, new.nll, new.bins)
