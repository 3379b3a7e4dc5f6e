"""Tests of ``benchsuite.compare``: the images that changed, by hand, in every form of the call."""

from __future__ import annotations

from typing import Any

import pytest
from toys import ToyPlugin

import benchsuite
from benchsuite import BenchsuiteError
from benchsuite.api.comparison import ComparedGroups, PairedComparisons

CATALOG = benchsuite.load_plugins(entry_points=False, extra=[ToyPlugin()])


@pytest.fixture
def runs() -> Any:
    """1crop errs on c and d, 10crop and toy on d alone."""
    options: Any = {"catalog": CATALOG, "data": "toy", "device": "cpu", "progress": False}
    return benchsuite.evaluate(["toy"], ["1crop", "10crop", "toy"], **options)


def test_two_runs_are_compared_image_by_image(runs: Any) -> None:
    found = benchsuite.compare(runs[0], runs[1])
    assert isinstance(found, PairedComparisons)
    (row,) = found.table.to_dict("records")
    assert (row["top1_fixed"], row["top1_broken"], row["top1_change"], row["top1_p"]) == (1, 0, -20.0, 1.0)
    assert found.predictions.to_dict("records") == [{"after": runs[1].run_id, "id": "c", "fixed": True}]
    assert found.classes["label"].tolist() == [0]
    answer = repr(found).splitlines()[0]
    assert "makes 1 fewer top-1 errors than toy 1crop" in answer
    assert answer.endswith("which can be chance; 1 fixed, 0 broken, p = 1.000 (McNemar, exact)")
    assert "errors before" in repr(benchsuite.compare(runs[0], runs[1], every=True))
    assert "errors before" not in repr(found)
    assert "<table>" in found._repr_html_()


def test_a_run_may_be_a_result_an_id_or_a_folder(runs: Any) -> None:
    forms = [(runs[0], runs[1]), (runs[0].run_id, runs[1].run_id), (runs[0].path, str(runs[1].path))]
    records = [benchsuite.compare(*pair).records for pair in forms]  # type: ignore[union-attr]
    assert records[0] == records[1] == records[2]


def test_several_runs_are_compared_with_the_first(runs: Any) -> None:
    found = benchsuite.compare(*runs)
    assert isinstance(found, PairedComparisons)
    assert found.table["after"].tolist() == [runs[1].run_id, runs[2].run_id]
    assert found.table["top1_p_holm"].tolist() == [1.0, 1.0]
    assert repr(found).startswith("2 runs against toy 1crop [")
    assert "0 with fewer top-1 errors, 0 with more, 2 within chance" in repr(found).splitlines()[0]
    assert len(found.cells()[1]) == 3


@pytest.mark.parametrize("group", [list, tuple])
def test_two_groups_are_compared_by_their_means(runs: Any, group: Any) -> None:
    found = benchsuite.compare(group([runs[0]]), group(runs[1:]))
    assert isinstance(found, ComparedGroups)
    assert found.table["top1_change"].tolist() == [-20.0]
    assert found.record["before"] == [runs[0].run_id]
    assert "1 runs -> 2 runs" in repr(found)


def test_the_result_of_evaluate_is_a_group(runs: Any) -> None:
    assert isinstance(benchsuite.compare(runs[:1], runs[1:]), ComparedGroups)


def test_a_mistake_is_an_error_of_one_line(runs: Any) -> None:
    for given, said in (
        ((), "Expected runs to compare to be two or more, got 0"),
        ((runs[0],), f"got 1: {runs[0].run_id}"),
        ((runs[0], [runs[1]]), "Expected groups of runs to be two, each with one or more runs"),
        (([], [runs[1]]), "Expected groups of runs to be two, each with one or more runs"),
        ((runs[0], "no-such-run"), "Unknown run 'no-such-run'"),
    ):
        with pytest.raises(BenchsuiteError) as caught:
            benchsuite.compare(*given)
        assert said in str(caught.value)
