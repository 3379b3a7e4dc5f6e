"""Tests of ``benchsuite.evaluate`` with names: the toys' answers, tables, what is shown, and errors."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recorded_progress import RecordedProgress
from toys import TOP1_ERRORS, ToyPlugin

import benchsuite
from benchsuite import BadParameter, BenchsuiteError, ExpectationFailed, UnknownName
from benchsuite.api.evaluation import EvaluateOptions, Evaluation, Evaluations
from benchsuite.api.options import EvaluationOptions
from benchsuite.cli import main
from benchsuite.evaluation.question import RunRequest

CATALOG = benchsuite.load_plugins(entry_points=False, extra=[ToyPlugin()])
HERE: EvaluateOptions = {"catalog": CATALOG, "data": "toy", "device": "cpu", "progress": False}


def test_one_network_under_one_protocol_is_one_run(isolated: Path) -> None:
    run = benchsuite.evaluate("toy", "10crop", **HERE)
    assert isinstance(run, Evaluation)
    assert (run.architecture, run.weights, run.protocol, run.dataset) == ("toy", "identity", "10crop", "toy")
    assert (run.top1_errors, run.n, run.of, run.top1_error) == (TOP1_ERRORS["10crop"], 5, 5, 20.0)
    assert run.path == isolated / "results" / "runs" / run.run_id
    assert run.manifest["run_id"] == run.run_id
    wrong = run.predictions[run.predictions["rank"] > 0]
    assert wrong["id"].tolist() == ["d"]


def test_lists_are_several_runs_in_order() -> None:
    runs = benchsuite.evaluate(["toy"], ["1crop", "10crop", "toy"], **HERE)
    assert isinstance(runs, Evaluations)
    assert [(run.protocol, run.top1_errors) for run in runs] == [
        (p, TOP1_ERRORS[p]) for p in ("1crop", "10crop", "toy")
    ]
    assert isinstance(runs[1:], Evaluations)
    assert [run.protocol for run in runs[1:]] == ["10crop", "toy"]
    assert isinstance(benchsuite.evaluate("toy", ["1crop"], **HERE), Evaluations)


def test_a_run_is_answered_from_its_folder_the_second_time() -> None:
    first = benchsuite.evaluate("toy", **HERE)
    again = benchsuite.evaluate("toy", **HERE)
    assert again == first
    assert [first.row["cached"], again.row["cached"]] == [False, True]


def test_an_attack_returns_the_run_that_was_asked_for() -> None:
    run = benchsuite.evaluate("toy", "fgsm:eps=8/255", **HERE)
    assert run.protocol.startswith("fgsm")


def test_the_tables_are_those_of_load_runs_and_load_predictions() -> None:
    runs = benchsuite.evaluate(["toy"], ["1crop", "10crop"], **HERE)
    pd.testing.assert_frame_equal(
        runs.table.sort_values("run_id", ignore_index=True), benchsuite.load_runs(), check_dtype=False
    )
    pd.testing.assert_frame_equal(runs[0].table, runs.table.iloc[:1])
    whole = runs.predictions
    assert whole.groupby("run_id", sort=False).size().to_dict() == {run.run_id: 5 for run in runs}


def test_the_command_line_and_python_give_the_same_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchsuite.cli.run.load_plugins", lambda: CATALOG)
    assert main(["run", "toy", "-p", "10crop", "--data", "toy", "--device", "cpu", "--json"]) == 0
    (typed,) = json.loads(capsys.readouterr().out)["runs"]
    called = benchsuite.evaluate("toy", "10crop", **HERE).row
    assert called["cached"]
    assert {k: v for k, v in called.items() if k != "cached"} == {k: v for k, v in typed.items() if k != "cached"}


def test_what_a_run_shows_begins_with_the_answer_and_says_the_preprocessing() -> None:
    text = repr(benchsuite.evaluate("toy", limit=4, **HERE)).splitlines()
    assert text[0] == "toy, weights identity, 1crop on toy: top-1 error 50.00 [15.00, 85.00] %"
    assert text[1].startswith("2 wrong, of 4 of 5 images")
    prepared = "short side 5, crop 4, bilinear, RGB from 0 to 1, mean 0 0 0, std 1 1 1"
    assert text[2] == f"preprocessing: {prepared}; from the declared weights identity"
    assert "limited to 4 images" in text[3]


def test_several_runs_show_one_table_in_a_terminal_and_in_a_notebook() -> None:
    runs = benchsuite.evaluate(["toy"], ["1crop", "10crop"], **HERE)
    lines = repr(runs).splitlines()
    words = "2 runs of toy, weights identity, 5 images of toy: top-1 error 20.00 % (10crop) to 40.00 % (1crop)"
    assert lines[0] == words
    assert lines[1].split()[:3] == ["protocol", "top-1", "error"], "what is the same in all rows is no column"
    assert [line.split()[0] for line in lines[2:4]] == ["1crop", "10crop"]
    markup = runs._repr_html_()
    assert markup.count("<tr>") == 3
    assert ">10crop</td>" in markup


def test_everything_and_what_it_means_are_shown_when_asked_for() -> None:
    plain, asked = (benchsuite.evaluate("toy", explain=more, every=more, **HERE) for more in (False, True))
    assert plain == asked
    assert ["What 40.00 % means: " in repr(run) for run in (plain, asked)] == [False, True]
    assert ["all columns" in repr(run) for run in (plain, asked)] == [False, True]
    assert plain.meaning in repr(asked)
    assert "speed, published figures: --all" in repr(plain)
    several = benchsuite.evaluate(["toy"], ["1crop", "10crop"], explain=True, **HERE)
    assert repr(several).count(" % means: ") == 2
    assert repr(several[1:]).count(" % means: ") == 1


def test_results_are_frozen() -> None:
    run = benchsuite.evaluate("toy", **HERE)
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.n = 6  # type: ignore[misc]


def test_progress_is_told_to_the_one_who_asks_for_it(capfd: pytest.CaptureFixture[str]) -> None:
    progress = RecordedProgress()
    benchsuite.evaluate("toy", "10crop", **(HERE | {"progress": progress}))
    assert progress.done == progress.total == 50
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"networks": "toi"}, UnknownName, "did you mean 'toy'?"),
        ({"protocols": "11crop"}, UnknownName, "did you mean '1crop'?"),
        ({"date": "toy"}, UnknownName, "Unknown option of evaluate 'date': did you mean 'data'?"),
        ({"networks": []}, BadParameter, "one or more of each, got none"),
        ({"protocols": []}, BadParameter, "one or more of each, got none"),
        ({"name": "mine"}, BadParameter, "Expected name to be given for a torch module, not for a name, got mine"),
        ({"progress": "bar"}, BadParameter, "Expected progress to be True, False or a Progress, got bar"),
        ({"batch_size": 0}, BadParameter, "Expected --batch-size to be at least 1, got 0"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(given: dict[str, Any], kind: type[BenchsuiteError], said: str) -> None:
    arguments: dict[str, Any] = {"networks": "toy", "protocols": "1crop"} | HERE | given
    with pytest.raises(kind) as caught:
        benchsuite.evaluate(**arguments)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_options_are_those_of_a_request() -> None:
    fields = {field.name for field in dataclasses.fields(RunRequest)} - {"architectures", "protocols"}
    assert set(EvaluationOptions.__annotations__) == fields


def test_importing_benchsuite_imports_nothing_heavy_and_still_lists_the_functions() -> None:
    program = (
        "import sys, benchsuite\n"
        "assert {'evaluate', 'compare', 'explain', 'audit', 'train', 'sweep', 'query'} <= set(dir(benchsuite))\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'rich', 'benchsuite.api') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_is_a_function_also_after_all_modules_are_imported() -> None:
    program = (
        "import benchsuite, benchsuite.evaluator, benchsuite.cli.run, benchsuite.api.sweeping\n"
        "names = ('evaluate', 'compare', 'explain', 'audit', 'train', 'sweep', 'query')\n"
        "print([n for n in names if type(getattr(benchsuite, n)).__name__ != 'function'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_sweep_evaluates_every_value_of_a_parameter() -> None:
    asked: Any = ["1crop", "lowpass"]
    runs = benchsuite.evaluate("toy", asked, sweep={"r": [1, 2]}, **HERE)
    assert [run.protocol for run in runs] == ["1crop", "lowpass:r=1", "lowpass:r=2"]
    typed = benchsuite.evaluate("toy", "lowpass", sweep="r=1,2", **HERE)
    assert isinstance(typed, Evaluations)
    assert list(typed) == list(runs[1:])
    with pytest.raises(BadParameter, match="Unknown parameter of the protocols 'z'"):
        benchsuite.evaluate("toy", "lowpass", sweep={"z": [1]}, **HERE)


def test_an_expectation_that_is_not_met_is_an_error_with_the_results() -> None:
    met = benchsuite.evaluate("toy", expect="top1_error=40.1+-0.1", **HERE)
    assert met.top1_error == 40
    with pytest.raises(ExpectationFailed, match=r"top1_error is 40, not 40\.2\+-0\.1") as caught:
        benchsuite.evaluate("toy", expect=["top1_error=40", "top1_error=40.2+-0.1"], **HERE)
    assert caught.value.runs == met
    assert len(caught.value.failures) == 1
    with pytest.raises(BadParameter, match="Expected --expect to be written top1_error="):
        benchsuite.evaluate("toy", expect="error=1", **HERE)


def test_a_profile_says_where_the_time_went_and_is_shown_when_asked_for() -> None:
    plain = benchsuite.evaluate("toy", "10crop", **HERE)
    shown = benchsuite.evaluate("toy", "10crop", profile=True, **HERE)
    assert shown == plain
    assert shown.profile.table["protocols"].tolist() == [["10crop"]]
    assert ["where the time went" in repr(run) for run in (plain, shown)] == [False, True]
    several = benchsuite.evaluate(["toy"], ["1crop", "10crop"], profile=True, **HERE)
    assert "where the time went" in repr(several)
    assert "where the time went" in repr(several[1:])


def test_runs_are_rendered_by_a_reporter() -> None:
    runs = benchsuite.evaluate(["toy"], ["1crop", "10crop"], **HERE)
    assert runs.rendered("csv", CATALOG).count("\n") == 3
    assert runs.rendered().startswith("| architecture ")
    with pytest.raises(UnknownName, match="did you mean 'latex'"):
        runs.rendered("latx")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"limit": "5"}, "limit of evaluate to be a whole number or None, got '5'"),
        ({"batch_size": 2.5}, "batch_size of evaluate to be a whole number or None, got 2.5"),
        ({"seed": None}, "seed of evaluate to be a whole number, got None"),
        ({"device": 0}, "device of evaluate to be a text, got 0"),
        ({"fresh": "yes"}, "fresh of evaluate to be True or False, got 'yes'"),
        ({"transforms": (1,)}, "of evaluate to be a text, got 1"),
    ],
)
def test_an_option_of_another_type_is_one_line(option: Any, said: str) -> None:
    with pytest.raises(BadParameter, match=re.escape(said)):
        benchsuite.evaluate("toy", **{**HERE, **option})


def test_the_name_of_a_command_says_which_function_it_is() -> None:
    for command, function in (("run", "evaluate"), ("list", "list_entries"), ("tables", "write_tables")):
        with pytest.raises(AttributeError, match=rf"no attribute '{command}': .* is benchsuite\.{function}$"):
            getattr(benchsuite, command)
        assert callable(getattr(benchsuite, function))
    with pytest.raises(AttributeError, match=r"no attribute 'rum'$"):
        benchsuite.rum
