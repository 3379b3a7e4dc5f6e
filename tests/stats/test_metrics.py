"""Tests of counting, compared with scikit-learn without ties and with the definition with ties."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from benchsuite import BenchsuiteError
from benchsuite.stats.metrics import Count, errors_at, margins, ranks, top

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 8))
TIED = arrays.arrays(np.float64, SHAPES, elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0]))


def draw_labels(data: st.DataObject, scores: np.ndarray) -> np.ndarray:
    n, c = scores.shape
    return data.draw(arrays.arrays(np.int64, n, elements=st.integers(0, c - 1)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 5])
def test_errors_equal_scikit_learns(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    n, c = int(rng.integers(1, 300)), int(rng.integers(6, 40))
    scores, labels = rng.normal(size=(n, c)), rng.integers(0, c, n)
    hits = top_k_accuracy_score(labels, scores, k=k, labels=np.arange(c), normalize=False)
    assert errors_at(ranks(scores, labels), k) == Count(n - int(hits), n)


def test_top_1_errors_equal_those_of_argmax() -> None:
    rng = np.random.default_rng(7)
    scores, labels = rng.normal(size=(200, 10)).astype(np.float32), rng.integers(0, 10, 200)
    right = accuracy_score(labels, scores.argmax(axis=1), normalize=False)
    assert errors_at(ranks(scores, labels), 1).hits == 200 - int(right)


def test_among_equal_scores_the_lowest_class_comes_first() -> None:
    scores = np.array([[3.0, 5.0, 5.0, 5.0, 1.0]] * 5)
    assert ranks(scores, np.arange(5)).tolist() == [3, 0, 1, 2, 4]
    assert top(scores[:1], 5).tolist() == [[1, 2, 3, 0, 4]]
    assert errors_at(ranks(scores, np.arange(5)), 1) == Count(4, 5)
    assert errors_at(ranks(scores, np.arange(5)), 2) == Count(3, 5)


@given(TIED, st.data())
def test_a_rank_is_the_place_in_a_stable_sort_best_first(scores: np.ndarray, data: st.DataObject) -> None:
    labels = draw_labels(data, scores)
    for row, label, rank, best in zip(scores, labels, ranks(scores, labels), top(scores, 5), strict=True):
        order = sorted(range(len(row)), key=lambda c: (-row[c], c))
        assert order.index(label) == rank
        assert best.tolist() == order[:5]
        assert best[0] == row.argmax()


@given(TIED, st.data(), st.integers(1, 9))
def test_a_margin_is_the_distance_to_the_kth_best_of_the_others(
    scores: np.ndarray, data: st.DataObject, k: int
) -> None:
    labels = draw_labels(data, scores)
    for row, label, margin in zip(scores, labels, margins(scores, labels, k), strict=True):
        others = sorted((x for c, x in enumerate(row) if c != label), reverse=True)
        assert margin == (row[label] - others[k - 1] if len(others) >= k else math.inf)


@given(TIED, st.data(), st.integers(1, 9))
def test_the_sign_of_a_margin_agrees_with_the_rank(scores: np.ndarray, data: st.DataObject, k: int) -> None:
    labels = draw_labels(data, scores)
    for rank, margin in zip(ranks(scores, labels), margins(scores, labels, k), strict=True):
        if margin > 0:
            assert rank < k
        elif margin < 0:
            assert rank >= k


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused_with_its_row(bad: float) -> None:
    scores = np.zeros((4, 3))
    scores[2, 1] = bad
    with pytest.raises(BenchsuiteError, match=rf"^Expected scores to be finite, got {bad} \(row 2 of 4\)$"):
        ranks(scores, np.zeros(4, dtype=np.int64))


def test_fewer_than_five_classes_never_miss_at_five() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 4))
    labels = np.arange(20) % 4
    assert errors_at(ranks(scores, labels), 5) == Count(0, 20)
    assert top(scores, 5).shape == (20, 4)
    assert np.isinf(margins(scores, labels, 5)).all()


def test_one_sample_of_one_class_is_a_hit() -> None:
    scores, labels = np.array([[0.25]]), np.array([0])
    assert errors_at(ranks(scores, labels), 1) == Count(0, 1)
    assert margins(scores, labels, 1).tolist() == [math.inf]


def test_margins_leave_the_scores_as_they_were() -> None:
    scores = np.random.default_rng(0).normal(size=(3, 4))
    before = scores.copy()
    margins(scores, np.array([0, 1, 2]), 1)
    np.testing.assert_array_equal(scores, before)


def test_a_count_is_exact_and_its_ratio_a_fraction() -> None:
    assert Count(58, 500).ratio == Fraction(29, 250)
    assert Count(0, 3).ratio == 0


@pytest.mark.parametrize(("hits", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_an_impossible_count_is_refused(hits: int, total: int) -> None:
    with pytest.raises(ValueError, match="0 <= hits <= total"):
        Count(hits, total)


@given(TIED, st.data(), st.integers(1, 8))
def test_the_best_classes_save_work_and_change_nothing(scores: np.ndarray, data: st.DataObject, k: int) -> None:
    labels = draw_labels(data, scores)
    best = top(scores, k)
    np.testing.assert_array_equal(ranks(scores, labels, best=best), ranks(scores, labels))
    np.testing.assert_array_equal(margins(scores, labels, 1, best=top(scores, 6)), margins(scores, labels, 1))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_refused_where_the_best_are_known(bad: float) -> None:
    scores = np.zeros((4, 9))
    scores[2, 8] = bad
    with pytest.raises(BenchsuiteError, match=rf"got {bad} \(row 2 of 4\)$"):
        ranks(scores, np.zeros(4, dtype=np.int64), best=top(scores, 6))


def test_the_best_classes_of_single_precision_are_those_of_a_stable_sort() -> None:
    scores = np.random.default_rng(3).normal(size=(50, 30)).astype(np.float32).round(1)
    np.testing.assert_array_equal(top(scores, 7), np.argsort(-scores, axis=1, kind="stable")[:, :7])
