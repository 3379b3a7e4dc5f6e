"""Tests of comparing groups of runs on the same images."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations, product

import finished_runs
import numpy as np
import pytest
from reference import paired as twin

from benchsuite import BadParameter, DataError
from benchsuite.explanation.comparison import Run, compare
from benchsuite.explanation.group_comparison import compare_groups, flat
from benchsuite.stats.significance import mean_interval


def runs(*names: str, n: int = 200, noise: float = 1.0) -> list[Run]:
    return [finished_runs.run(name, finished_runs.scores(n, 10, ord(name[0]), noise=noise)) for name in names]


def wrong(run: Run) -> list[int]:
    return [int(rank > 0) for rank in run.columns["rank"]]


def test_one_run_against_one_is_mcnemars_test() -> None:
    (a,), (b,) = runs("a"), runs("b")
    alone, groups = compare(a, b), compare_groups([a], [b])
    assert groups.top1.p == pytest.approx(alone.top1.p, rel=1e-9)
    assert (groups.top1.low, groups.top1.high) == (alone.top1.low, alone.top1.high)
    assert groups.top1.change == alone.top1.change
    assert groups.agree_between == alone.agree / 200
    assert (groups.agree_before, groups.agree_after) == (None, None)
    assert (groups.top1.runs_p, groups.top1.ways) == (1.0, 2)


def test_means_and_agreement_are_those_of_plain_loops() -> None:
    a, b = runs("a", "b", "c"), runs("d", "e", noise=2.0)
    found = compare_groups(a, b)
    assert found.top1.before == Fraction(sum(sum(wrong(run)) for run in a), 600)
    assert found.top1.after == Fraction(sum(sum(wrong(run)) for run in b), 400)
    images = [sum(w[i] for w in map(wrong, b)) / 2 - sum(w[i] for w in map(wrong, a)) / 3 for i in range(200)]
    assert float(found.top1.change) == pytest.approx(sum(images) / 200)
    assert (found.top1.low, found.top1.high) == pytest.approx(mean_interval(np.array(images)))
    rates = [[sum(wrong(run)) / 200 for run in group] for group in (a, b)]
    assert found.top1.runs_p == pytest.approx(float(twin.permuted(*rates)))
    assert found.top1.ways == 10

    def agreement(pairs: list[tuple[Run, Run]]) -> float:
        return float(np.mean([x.columns["top5"][:, 0] == y.columns["top5"][:, 0] for x, y in pairs]))

    assert found.agree_before == pytest.approx(agreement(list(combinations(a, 2))))
    assert found.agree_after == pytest.approx(agreement(list(combinations(b, 2))))
    assert found.agree_between == pytest.approx(agreement(list(product(a, b))))


def test_random_signs_of_groups_are_counted_exactly() -> None:
    a, b = runs("a", "b", n=9), runs("c", "d", "e", n=9)
    images = [2 * sum(w[i] for w in map(wrong, b)) - 3 * sum(w[i] for w in map(wrong, a)) for i in range(9)]
    assert any(images)
    assert compare_groups(a, b).top1.p == pytest.approx(float(twin.sign_flips(images)))


def test_a_run_in_both_groups_is_refused() -> None:
    a, b = runs("a", "b")
    with pytest.raises(BadParameter, match="a twice"):
        compare_groups([a, b], [a])
    with pytest.raises(BadParameter, match="b twice"):
        compare_groups([a], [b, b])


def test_a_run_of_other_images_is_refused_in_either_group() -> None:
    a, b = runs("a", "b")
    (other,) = runs("c", n=100)
    for before, after in (([a, other], [b]), ([a], [b, other])):
        with pytest.raises(DataError, match="100 only in a"):
            compare_groups(before, after)


def test_flat_data_is_json() -> None:
    data = json.loads(json.dumps(flat(compare_groups(runs("a", "b"), runs("c"))), allow_nan=False))
    assert (data["before"], data["after"], data["n"]) == (["a", "b"], ["c"], 200)
    assert data["top1_change"] == pytest.approx(data["after_top1_error"] - data["before_top1_error"])
    assert data["agree_after"] is None
    assert len(data["before_top1_errors"]) == 2
