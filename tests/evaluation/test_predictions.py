"""Tests of predictions from scores: ranks, probabilities, margins, and the counts of a run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from few_predictions import LOGIT, MANIFEST, PROB, columns, samples

from benchsuite import BenchsuiteError, Combine, Sample
from benchsuite.evaluation.predictions import count, join, rows
from benchsuite.storage.run_folder import COLUMNS, read_predictions, write_run


def test_a_row_says_what_can_be_computed_by_hand() -> None:
    """Scores 2, 1, 0 in logits: probabilities e^2, e, 1 over their sum; the true class is 1, second by 1."""
    made = rows((Sample("x", 1, "here"),), np.array([[2.0, 1.0, 0.0]]), LOGIT)
    e = np.exp([2.0, 1.0, 0.0]) / np.exp([2.0, 1.0, 0.0]).sum()
    assert tuple(made) == COLUMNS
    assert made["id"] == ["x"]
    assert made["label"].tolist() == [1]
    assert made["rank"].tolist() == [1]
    assert made["top5"].tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(made["probability5"], [e], rtol=1e-14)
    np.testing.assert_allclose(made["probability_true"], [e[1]], rtol=1e-14)
    assert made["margin1"].tolist() == [-1.0]
    assert made["margin5"].tolist() == [np.inf]


@pytest.mark.parametrize("how", [PROB, LOGIT], ids=str)
def test_probabilities_are_normalised_whatever_the_space(how: Combine) -> None:
    logits = np.random.default_rng(0).normal(size=(6, 7))
    made = columns(how=how)
    twin = scipy.special.softmax(logits, axis=1)
    np.testing.assert_allclose(made["probability5"], -np.sort(-twin, axis=1)[:, :5], rtol=1e-12)
    np.testing.assert_allclose(
        made["probability_true"], [twin[i, s.label] for i, s in enumerate(samples(6))], rtol=1e-12
    )


def test_a_maximum_of_probabilities_is_normalised_too() -> None:
    made = rows((Sample("x", 0, ""),), np.array([[0.75, 0.5]]), Combine("max", "prob"))
    np.testing.assert_allclose(made["probability5"], [[0.6, 0.4]], rtol=1e-15)


def test_the_parts_of_a_run_join_in_the_order_of_the_split() -> None:
    every = samples(6)
    scores = np.random.default_rng(0).normal(size=(6, 7))
    parts = [rows(every[:4], scores[:4], LOGIT), rows(every[4:], scores[4:], LOGIT)]
    whole, at_once = join(parts, every), rows(every, scores, LOGIT)
    for name in COLUMNS:
        np.testing.assert_array_equal(whole[name], at_once[name])
        assert name == "id" or whole[name].dtype == at_once[name].dtype


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([0, 1], "got 2 distinct of 2"),
        ([0, 1, 2, 2], "got 3 distinct of 4"),
        ([0, 1, 1], "got 2 distinct of 3"),
        ([0, 2, 1], "got 3 distinct of 3"),
        ([0, 1, 2, 3], "got 4 distinct of 4"),
    ],
    ids=["missing", "one too many", "doubled", "swapped", "foreign"],
)
def test_rows_that_are_not_those_of_the_split_are_refused(order: list[int], said: str) -> None:
    every = samples(4)
    parts = [rows((every[i],), np.zeros((1, 7)), LOGIT) for i in order]
    with pytest.raises(BenchsuiteError, match=f"^Expected one prediction for each of 3 samples, {said}"):
        join(parts, every[:3])


def test_counts_are_those_of_the_ranks_and_near_ties_those_within_the_tolerance() -> None:
    made = {
        "rank": np.array([0, 0, 1, 4, 5, 9]),
        "margin1": np.array([0.5, 1e-7, -1e-6, -0.5, -0.5, -0.5]),
        "margin5": np.array([np.inf, 0.5, 0.5, 0.0, -1e-9, -0.1]),
    }
    counted = {"n": 6, "top1_errors": 4, "top5_errors": 2, "top1_near_ties": 2, "top5_near_ties": 2}
    assert count(made, 1e-6) == counted
    assert count(made, 0.0) == counted | {"top1_near_ties": 0, "top5_near_ties": 1}
    assert all(type(value) is int for value in count(made, 0.0).values())


def answer_by_hand(scores: list[float], among: list[int], label: int) -> tuple[int, list[int], float]:
    """The rank of the label, the five best classes and the label's softmax, only over the classes of ``among``."""
    order = sorted(range(len(among)), key=lambda i: (-scores[i], among[i]))
    best = [among[i] for i in order]
    total = sum(math.exp(s) for s in scores)
    return best.index(label), best[:5], math.exp(scores[among.index(label)]) / total


@pytest.mark.parametrize("seed", range(4))
def test_answers_among_some_classes_are_those_of_a_plain_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    among = sorted(random.choice(50, 9, replace=False).tolist())
    scores = random.integers(-2, 3, (30, 9)).astype(float)  # many ties
    chosen = [Sample(f"{i:02d}", among[i % 9], "") for i in range(30)]
    found = rows(chosen, scores, LOGIT, tuple(among))
    for i, sample in enumerate(chosen):
        rank, top5, probability = answer_by_hand(scores[i].tolist(), among, sample.label)
        assert (found["rank"][i], found["top5"][i].tolist()) == (rank, top5)
        assert found["probability_true"][i] == pytest.approx(probability)
    assert ((found["margin1"] > 0) <= (found["rank"] == 0)).all()
    assert ((found["margin1"] < 0) <= (found["rank"] > 0)).all()
    assert found["label"].tolist() == [s.label for s in chosen]


def test_reassessed_labels_are_counted_on_their_own_and_kept(tmp_path: Path) -> None:
    real: list[tuple[int, ...]] = [(0,), (1, 2), (), (5, 0), (3,)]
    chosen = [Sample(f"{i}", 0, "", real=r) for i, r in enumerate(real)]
    answers = [0, 2, 0, 1, 3]
    found = rows(chosen, np.eye(6)[answers], LOGIT)
    assert found["real"] == [True, True, None, False, True]
    halves = [rows(chosen[part], np.eye(6)[answers][part], LOGIT) for part in (slice(0, 2), slice(2, 5))]
    whole = join(halves, chosen)
    assert whole["real"] == found["real"]
    counted = count(whole, 1e-9)
    assert (counted["n"], counted["top1_errors"], counted["real_n"], counted["real_errors"]) == (5, 3, 4, 1)
    write_run(tmp_path, MANIFEST, whole)
    assert read_predictions(tmp_path)["real"].tolist() == found["real"]


def test_without_reassessed_labels_there_is_no_such_column_and_count() -> None:
    found = columns()
    assert tuple(found) == COLUMNS
    assert not {"real_n", "real_errors"} & set(count(found, 1e-9))
