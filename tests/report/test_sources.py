"""Tests of the sources of a report: names of runs, files of ladders and comparisons, and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from finished_reports import ladder_file, two_runs
from finished_runs import saved, scores

from benchsuite import BenchsuiteError, DataError, StorageError, UnknownName
from benchsuite.explanation import ledger
from benchsuite.explanation.ladder import Factor
from benchsuite.report.sources import sources

A, B = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb"


def names(folders: tuple[Path, ...]) -> list[str]:
    return [folder.name for folder in folders]


def test_without_names_every_whole_run_is_meant(tmp_path: Path) -> None:
    two_runs(tmp_path)
    broken = saved(tmp_path, "resnet50-broken-x-ccc", scores(5, 10, 1))
    (broken / "predictions.parquet").unlink()
    found = sources(tmp_path, ())
    assert found.every
    assert sorted(names(found.named)) == sorted((A, B))
    assert found.folders == found.named


def test_runs_are_named_by_beginnings_and_folders_in_the_users_order_and_each_once(tmp_path: Path) -> None:
    two_runs(tmp_path)
    found = sources(tmp_path, (str(tmp_path / "runs" / B), "resnet50-1crop", A, B))
    assert names(found.named) == [B, A]
    assert not found.every


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="one with a run in it"):
        sources(tmp_path, ())


def test_a_ladder_names_its_runs_factors_printed_figures_and_shares(tmp_path: Path) -> None:
    two_runs(tmp_path)
    printed = next(row for row in ledger.load() if row.error is not None and row.k == 1)
    share = {"factor": "flip", "mean": -0.5, "least": -1, "most": 0.25}
    extra = {"printed_after": printed.id, "because": ["other weights"], "shapley": [share], "orders": 6}
    found = sources(tmp_path, (str(ladder_file(tmp_path, A, B, **extra)),))
    (told,) = found.ladders
    assert names(told.folders) == [A, B]
    assert told.factors == ((), (Factor("factor 1", "a", "b"),))
    assert told.published == (None, printed)
    assert told.because == ("other weights",)
    assert told.shares == (("flip", -0.5, -1.0, 0.25),)
    assert told.orders == 6
    assert found.named == ()


def test_a_run_of_a_ladder_is_found_where_it_was_when_the_file_was_written(tmp_path: Path) -> None:
    two_runs(tmp_path / "there")
    path = ladder_file(tmp_path / "there", A, B)
    data = json.loads(path.read_text())
    for rung in data["rungs"]:
        rung["path"] = str(tmp_path / "there" / "runs" / rung["run_id"])
    path.write_text(json.dumps(data))
    assert names(sources(tmp_path / "here", (str(path),)).folders) == [A, B]


def test_comparisons_of_a_file_are_pairs(tmp_path: Path) -> None:
    two_runs(tmp_path)
    path = tmp_path / "compared.json"
    path.write_text(json.dumps({"comparisons": [{"before": B, "after": A}]}))
    found = sources(tmp_path, (str(path),))
    assert [names(pair) for pair in found.pairs] == [[B, A]]
    assert sorted(names(found.folders)) == sorted((A, B))


RUNG = {"run_id": A, "factors": [], "top1_errors": 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "a list"),
        ("{}", "nothing in it"),
        ('{"figures": []}', "figures"),
        ('{"groups": {}}', "groups"),
        ('{"rungs": [{}, {}]}', "a plan or fewer rungs"),
        ('{"rungs": 3}', "a list"),
        (json.dumps({"rungs": [RUNG, RUNG]}), "as in its manifest"),
        (json.dumps({"rungs": [{**RUNG, "run_id": 3}, RUNG]}), "the id of a run"),
        (json.dumps({"rungs": [{**RUNG, "run_id": "nothing"}, RUNG]}), "Unknown run"),
        ('{"comparisons": [3]}', "the id of a run"),
    ],
)
def test_a_file_that_is_something_else_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    two_runs(tmp_path)
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(BenchsuiteError) as raised:
        sources(tmp_path, (str(path),))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"printed_before": "he-gh-nothing"}, UnknownName),
        ({"orders": "many"}, DataError),
        ({"orders": True}, DataError),
        ({"shapley": [{"factor": "flip", "mean": None, "least": 0, "most": 0}]}, DataError),
        ({"shapley": ["flip"]}, DataError),
        ({"because": "words"}, DataError),
    ],
)
def test_a_ladder_with_odd_parts_is_refused(tmp_path: Path, change: dict[str, Any], said: type[Exception]) -> None:
    two_runs(tmp_path)
    with pytest.raises(said):
        sources(tmp_path, (str(ladder_file(tmp_path, A, B, **change)),))


def test_a_factor_without_a_name_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    two_runs(tmp_path)
    path = ladder_file(tmp_path, A, B)
    data = json.loads(path.read_text())
    data["rungs"][1]["factors"] = [{"before": "a"}]
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match="a factor"):
        sources(tmp_path, (str(path),))
    with pytest.raises(StorageError, match="Cannot read"):
        sources(tmp_path, (str(tmp_path / "none.json"),))


def test_what_explain_and_compare_print_is_what_a_report_reads(tmp_path: Path) -> None:
    from toys import ToyPlugin

    from benchsuite import load_plugins
    from benchsuite.evaluation.question import RunRequest
    from benchsuite.explanation import comparison, ladder_ends, ladder_run
    from benchsuite.explanation.ladder_plan import make_plan
    from benchsuite.progress import Progress

    catalog = load_plugins(entry_points=False, extra=[ToyPlugin()])
    request = RunRequest(("toy",), (), data="toy", device="cpu", results=tmp_path)
    ends = ladder_ends.between_protocols(request, "1crop", "10crop", catalog)
    ladder = ladder_run.measure(make_plan(*ends, catalog, shapley=True), Progress())
    path = tmp_path / "ladder.json"
    path.write_text(json.dumps(ladder_run.flat(ladder)))
    (told,) = sources(tmp_path, (str(path),)).ladders
    assert [f.name for f in told.folders] == [step.run_id for step in ladder.steps]
    assert told.factors == tuple(step.factors for step in ladder.steps)
    assert told.orders == ladder.orders
    assert [name for name, *_ in told.shares] == [name for name, _ in ladder.shares]
    runs = [comparison.open_run(tmp_path, step.run_id) for step in ladder.steps[:2]]
    path.write_text(json.dumps({"comparisons": [comparison.flat(comparison.compare(*runs))]}))
    assert [names(pair) for pair in sources(tmp_path, (str(path),)).pairs] == [[run.run_id for run in runs]]
