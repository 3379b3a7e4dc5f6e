"""Tests of combining views, compared with pure Python and with scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from reference import merging

from benchsuite import BadParameter, Combine
from benchsuite.specs.combine import combine, log_softmax, softmax

RULES = [
    Combine("mean", "prob"),
    Combine("mean", "logit"),
    Combine("geometric", "prob"),
    Combine("max", "prob"),
    Combine("max", "logit"),
    Combine("mean", "prob", "locations"),
    Combine("mean", "logit", "locations"),
    Combine("geometric", "prob", "locations"),
]
LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6)),
    elements=st.floats(-40, 40, width=32),
)


@pytest.mark.parametrize("how", RULES, ids=str)
@given(logits=LOGITS, data=st.data())
@settings(max_examples=40, deadline=None)
def test_every_rule_equals_its_twin_in_pure_python(how: Combine, logits: np.ndarray, data: st.DataObject) -> None:
    n, v, c = logits.shape
    places = data.draw(arrays.arrays(np.int64, (n, v), elements=st.integers(1, 300)))
    scores = combine(logits, how, places)
    assert scores.dtype == np.float64
    assert scores.shape == (n, c)
    for row, seen, counted in zip(scores, logits.tolist(), places.tolist(), strict=True):
        twin = merging.combine(seen, how.rule, how.space, how.average, counted)
        np.testing.assert_allclose(row, twin, rtol=1e-11, atol=1e-13)


@given(LOGITS)
def test_softmax_and_its_logarithm_equal_scipys(logits: np.ndarray) -> None:
    exact = logits.astype(np.float64)
    np.testing.assert_allclose(softmax(logits), scipy.special.softmax(exact, axis=-1), rtol=1e-13, atol=0)
    np.testing.assert_allclose(log_softmax(logits), scipy.special.log_softmax(exact, axis=-1), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_huge_logits_neither_overflow_nor_vanish(shift: float) -> None:
    logits = np.array([[[1.0, 2.0, 3.0], [900.0, -900.0, 0.0]]]) + shift
    for how in RULES[:5]:
        assert np.isfinite(combine(logits, how, np.ones((1, 2)))).all()
    np.testing.assert_allclose(softmax(logits)[0, 1], [1, 0, 0], atol=1e-300)


@given(LOGITS)
def test_probabilities_sum_to_one_for_means(logits: np.ndarray) -> None:
    places = np.arange(1, logits.shape[1] + 1)[None].repeat(len(logits), 0)
    for how in RULES:
        if how.space == "prob" and how.rule != "max":
            np.testing.assert_allclose(combine(logits, how, places).sum(axis=1), 1, rtol=1e-12)


@given(LOGITS)
def test_the_order_of_views_does_not_matter(logits: np.ndarray) -> None:
    places = np.arange(1, logits.shape[1] + 1)[None].repeat(len(logits), 0)
    for how in RULES:
        there, back = combine(logits, how, places), combine(logits[:, ::-1], how, places[:, ::-1])
        np.testing.assert_allclose(there, back, rtol=1e-12, atol=1e-13)


def test_one_view_keeps_its_ranking_under_every_rule() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 1, 9)).astype(np.float32)
    for how in RULES:
        scores = combine(logits, how, np.ones((50, 1)))
        assert (np.argsort(scores, axis=1) == np.argsort(logits[:, 0], axis=1)).all()


def test_locations_are_the_mean_over_all_places_of_all_views() -> None:
    rng = np.random.default_rng(1)
    maps = [rng.normal(size=(places, 5)) for places in (1, 6, 20)]
    logits = np.stack([m.mean(axis=0) for m in maps])[None]
    scores = combine(logits, Combine("mean", "logit", "locations"), np.array([[1, 6, 20]]))
    np.testing.assert_allclose(scores[0], np.concatenate(maps).mean(axis=0), rtol=1e-12)


def test_the_merge_space_can_change_the_answer() -> None:
    """Logits sum to 3 and 2; probabilities to 0.953 + 2 * 0.269 = 1.491 and 0.047 + 2 * 0.731 = 1.509."""
    logits = np.array([[[3.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    best = [int(combine(logits, Combine("mean", space), np.ones((1, 3))).argmax()) for space in ("logit", "prob")]
    assert best == [0, 1]


def test_two_softmaxes_averaged_by_hand() -> None:
    """Softmax of (ln 3, 0) is (3/4, 1/4), of (0, 0) it is 1/2: the mean is 5/8; geometrically odds multiply."""
    logits = np.log([[[3.0, 1.0], [1.0, 1.0]]])
    np.testing.assert_allclose(combine(logits, Combine("mean", "prob"), np.ones((1, 2))), [[5 / 8, 3 / 8]])
    odds = 3**0.5
    geometric = combine(logits, Combine("geometric", "prob"), np.ones((1, 2)))
    np.testing.assert_allclose(geometric, [[odds / (1 + odds), 1 / (1 + odds)]])
    np.testing.assert_allclose(combine(logits, Combine("max", "prob"), np.ones((1, 2))), [[3 / 4, 1 / 2]])
    by_place = combine(logits, Combine("mean", "prob", "locations"), np.array([[3, 1]]))
    np.testing.assert_allclose(by_place, [[11 / 16, 5 / 16]])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (("geometric", "logit"), "Expected merge to be prob for a geometric mean, got logit"),
        (("max", "prob", "locations"), "Expected average to be equal for the max rule"),
        (("median", "prob"), "Expected rule to be one of mean, geometric, max, got median"),
        (("mean", "odds"), "Expected merge to be one of logit, prob, got odds"),
        (("mean", "prob", "scales"), "Expected average to be one of equal, locations, got scales"),
    ],
)
def test_impossible_rules_are_refused(fields: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        Combine(*fields)  # type: ignore[arg-type]


def test_a_rule_reads_as_words() -> None:
    assert [str(how) for how in RULES[:2]] == ["mean of probs", "mean of logits"]
    assert str(RULES[5]) == "mean of probs, weighed by places"
