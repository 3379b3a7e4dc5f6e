"""Tests of choosing samples at even distances, and of shuffled labels."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.specs.dataset import Sample, shuffled, spread


@given(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 60)))
def test_a_limit_takes_that_many_in_order_and_evenly(n: int, limit: int | None) -> None:
    items = tuple(range(n))
    taken = spread(items, limit)
    assert len(taken) == (n if limit is None else min(n, limit))
    assert list(taken) == sorted(set(taken))
    gaps = [b - a for a, b in pairwise(taken)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(("limit", "taken"), [(1, (0,)), (2, (0, 5)), (3, (0, 3, 6)), (10, tuple(range(10)))])
def test_a_limit_of_ten_by_hand(limit: int, taken: tuple[int, ...]) -> None:
    assert spread(tuple(range(10)), limit) == taken


@given(st.lists(st.tuples(st.text(max_size=5), st.integers(0, 3)), unique_by=lambda pair: pair[0], max_size=30))
def test_shuffled_labels_are_the_same_labels_on_the_same_samples(pairs: list[tuple[str, int]]) -> None:
    samples = tuple(Sample(name, label, f"row {i}", "1") for i, (name, label) in enumerate(pairs))
    made = shuffled(samples)
    assert [(s.id, s.where, s.stamp) for s in made] == [(s.id, s.where, s.stamp) for s in samples]
    assert sorted(s.label for s in made) == sorted(s.label for s in samples)
    labels = dict(pairs)
    order = sorted(labels, key=lambda name: hashlib.sha256(b"shuffled label " + name.encode()).hexdigest())
    assert [s.label for s in made] == [labels[name] for name in order]


def test_shuffled_labels_say_nothing_about_the_images() -> None:
    samples = tuple(Sample(f"train-{i:05}", i // 1000, "memory") for i in range(10_000))
    equal = sum(a.label == b.label for a, b in zip(samples, shuffled(samples), strict=True))
    assert abs(equal - 1000) < 100, "one of ten, give or take three standard deviations of 30"
