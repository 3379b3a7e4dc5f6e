"""Tests of settings on the command line: who counts more than whom, runs as if typed, mistakes, and where they show."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from named_commands import parsers
from toys import ToyPlugin

from benchsuite import load_plugins
from benchsuite.cli import COMMANDS, main, make_parser
from benchsuite.cli._settings import GENERAL, ONCE, TABLES, VARIABLES, filled, offer, settings_in
from benchsuite.cli.console import tasks_of
from benchsuite.storage.files import config_files

PARSERS = dict(parsers())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which settings are read; the toys are installed."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    monkeypatch.setenv("BENCHSUITE_CONFIG", str(tmp_path / "own"))
    monkeypatch.delenv("BENCHSUITE_RESULTS")
    monkeypatch.chdir(root)
    catalog = load_plugins(extra=[ToyPlugin()])
    monkeypatch.setattr("benchsuite.cli.run.load_plugins", lambda: catalog)
    return root


def project_says(text: str) -> None:
    Path("pyproject.toml").write_text(f"[tool.benchsuite]\n{text}\n", encoding="utf-8")


def user_says(text: str) -> None:
    file = Path(os.environ["BENCHSUITE_CONFIG"]) / "config.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def parsed(*words: str) -> argparse.Namespace:
    """What a command is given, with the settings of the working folder."""
    parser = make_parser(words)
    offer(settings_in(config_files()), words[0], parser)
    args = parser.parse_args(words)
    filled(args)
    return args


def outputs(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> tuple[str, str]:
    assert main(words) == status
    streams = capsys.readouterr()
    return streams.out, streams.err


def test_typed_counts_more_than_project_than_user_than_built_in(project: Path) -> None:
    assert parsed("run", "x").device == "auto"
    user_says("device = 'cuda'\nworkers = 3\n")
    assert parsed("run", "x").device == "cuda"
    project_says("device = 'cpu'")
    assert parsed("run", "x").device == "cpu"
    assert parsed("run", "x", "--device", "cuda:1").device == "cuda:1"
    assert parsed("run", "x").workers == 3
    assert parsed("data", "check", "x").device == "cpu"


def test_the_environment_counts_more_than_a_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project_says("results = 'kept'\n[tool.benchsuite.run]\nresults = 'kept'")
    assert parsed("run", "x").results == project / "kept"
    monkeypatch.setenv("BENCHSUITE_RESULTS", "/elsewhere")
    assert parsed("run", "x").results == Path("/elsewhere")
    assert parsed("run", "x", "--results", "typed").results == Path("typed")


def test_a_table_of_a_command_is_for_that_command_alone(project: Path) -> None:
    project_says(
        "precision = 'fp32'\n[tool.benchsuite.run]\nprecision = 'bf16'\n[tool.benchsuite.data-check]\nfull=true"
    )
    assert [parsed(*words).precision for words in (("run", "x"), ("reproduce", "x"), ("train",))] == [
        "bf16",
        "fp32",
        "auto",
    ]
    assert parsed("data", "check", "x").full


def test_data_for_run_starts_no_measurement_in_explain(project: Path) -> None:
    project_says("data = 'imagenet'\nweights = 'random'")
    assert (parsed("run", "x").data, parsed("run", "x").weights) == ("imagenet", "random")
    for words in (("explain", "x"), ("reproduce", "x"), ("train",), ("show", "x")):
        assert parsed(*words).data is None


def test_explain_takes_only_what_fits_whatever_it_explains(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project_says("device = 'cpu'\nprecision = 'fp32'\nworkers = 0\nbatch-size = 2\nloader = 'torch'")
    assert outputs(capsys, "explain", "resnet50")[1] == ""
    project_says("[tool.benchsuite.explain]\nall = true")
    assert parsed("explain", "x").every
    project_says("[tool.benchsuite.explain]\ndevice = 'cpu'")
    assert "Unknown setting of explain 'device'" in outputs(capsys, "explain", "resnet50", status=2)[1]


def test_what_is_typed_replaces_a_list_and_unsets_a_switch(project: Path) -> None:
    project_says("protocol = ['1crop', '10crop']\ncompile = true")
    assert parsed("run", "x").protocol == ["1crop", "10crop"]
    assert parsed("run", "x", "-p", "tta").protocol == ["tta"]
    assert parsed("run", "x").compiled
    assert not parsed("run", "x", "--no-compile").compiled
    project_says("protocol = 'tta'")
    assert parsed("run", "x").protocol == ["tta"]


def test_a_folder_is_relative_to_its_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project_says("results = 'runs'\ncache = '~/cache'")
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert parsed("run", "x").results == project / "runs"


def test_the_folder_of_the_cache_is_in_effect_during_a_command_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project_says("cache = 'fast'")
    assert json.loads(outputs(capsys, "cache", "list", "--json")[0])["folder"] == os.environ["BENCHSUITE_CACHE"]
    monkeypatch.delenv("BENCHSUITE_CACHE")
    assert json.loads(outputs(capsys, "cache", "list", "--json")[0])["folder"] == str(project / "fast")
    assert "BENCHSUITE_CACHE" not in os.environ


def manifest(text: str) -> dict[str, Any]:
    """The manifest of the only run, without when and where it was made."""
    (row,) = json.loads(text)["runs"]
    found = json.loads((Path(row["path"]) / "manifest.json").read_text(encoding="utf-8"))
    hidden = ("created", "seconds", "images_per_second")
    return {key: value for key, value in found.items() if key not in hidden}


def test_a_run_from_settings_is_the_run_that_is_typed_and_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ["--data", "toy", "-p", "10crop", "--precision", "fp32", "--device", "cpu", "--limit", "4"]
    before, silent = outputs(capsys, "run", "toy", *typed, "--json")
    assert "pyproject" not in silent
    project_says("data = 'toy'\nprotocol = '10crop'\nprecision = 'fp32'\n[tool.benchsuite.run]\nlimit = 4")
    user_says("device = 'cpu'")
    after, said = outputs(capsys, "run", "toy", "--json")
    assert json.loads(after)["runs"][0]["cached"], "it is the same run"
    own = Path(os.environ["BENCHSUITE_CONFIG"]) / "config.toml"
    line = f"benchsuite: limit, data, protocol, precision from pyproject.toml; device from {own}"
    assert [part for part in said.splitlines() if part.startswith("benchsuite: ")] == [line]
    fresh, _ = outputs(capsys, "run", "toy", "--json", "--fresh")
    assert not json.loads(fresh)["runs"][0]["cached"]
    assert manifest(fresh) == manifest(before)
    assert json.loads(fresh)["runs"][0]["run_id"] == json.loads(before)["runs"][0]["run_id"]


@pytest.mark.parametrize("switch", ["--no-config", "--no-conf"])
def test_no_config_reads_no_file(switch: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project_says("nonsense = 1")
    assert "nonsense" in outputs(capsys, "run", "toy", "--data", "toy", status=2)[1]
    assert "wrong" not in outputs(capsys, "run", "toy", "--data", "toy", "--device", "cpu", switch)[1]
    assert outputs(capsys, "list", switch)[1] == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("precison = 'fp32'", "Unknown setting 'precison': did you mean 'precision'? (pyproject.toml:2)"),
        ("json = true", "Unknown setting 'json': known: batch-size, cache, "),
        ("[tool.benchsuite.rnu]\na = 1", "Unknown table of settings 'rnu': did you mean 'run'? (pyproject.toml:3)"),
        (
            "[tool.benchsuite.run]\nlimitt=1",
            "Unknown setting of run 'limitt': did you mean 'limit'? (py",
        ),
        ("[tool.benchsuite.run]\nfresh=true", "Unknown setting of run 'fresh': "),
        ("workers = 'four'", "Expected workers to be a whole number, got four (pyproject.toml:2)"),
        ("workers = true", "Expected workers to be a whole number, got True (pyproject.toml:2)"),
        ("compile = 1", "Expected compile to be true or false, got 1 (pyproject.toml:2)"),
        ("device = 3", "Expected device to be a text in quotes, got 3 (pyproject.toml:2)"),
        ("protocol = []", "Expected protocol to be a text in quotes, or a list of such, got [] (pyproject.toml:2)"),
        ("protocol = ['a', 1]", "Expected protocol to be a text in quotes, or a list of such, got ['a', 1] ("),
        ("cache = 3", "Expected cache to be a folder, as a text in quotes, got 3 (pyproject.toml:2)"),
        ("device = ", "Expected a config file to be TOML in UTF-8, got Invalid value (at line 2, column 10) (py"),
        ("loader = 'fcv'", "Unknown loader 'fcv': did you mean 'ffcv'? (loader is set in pyproject.toml:2)"),
        ("protocol = ['1crop', '11crop']", "(protocol is set in pyproject.toml:2)"),
        ("precision = 'fp31'", "(precision is set in pyproject.toml:2)"),
        ("batch-size = -3", "(batch-size is set in pyproject.toml:2)"),
    ],
)
def test_a_mistake_is_one_line_with_file_and_key(
    text: str, message: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BENCHSUITE_CACHE")
    project_says(text)
    out, error = outputs(capsys, "run", "toy", "--data", "toy", status=2)
    lines = [line for line in error.splitlines() if " from pyproject.toml" not in line]
    assert (out, len(lines)) == ("", 1)
    assert lines[0].startswith("benchsuite: ")
    assert message in lines[0]


def test_a_choice_is_checked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project_says("[tool.benchsuite.data-check]\nsplit = 'val'")
    message = "Expected data-check.split to be test or train, got val (pyproject.toml:3)"
    assert message in outputs(capsys, "data", "check", "digits", status=2)[1]
    assert message in outputs(capsys, "doctor", status=2)[1], "doctor checks the tables of all commands"
    assert outputs(capsys, "list")[1] == "", "other commands do not"


def test_a_typed_value_is_not_blamed_on_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project_says("precision = 'fp32'")
    error = outputs(capsys, "run", "toy", "--data", "toy", "--precision", "fp31", status=2)[1]
    assert "pyproject.toml" not in error


def test_completion_and_help_work_with_a_damaged_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project_says("nonsense = 1")
    assert outputs(capsys, "complete", "--", "run", "--prec") == ("", "")
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    project_says("device = '100%'\nprecision = 'fp32'")
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--help"])
    assert stopped.value.code == 0
    assert "(default: auto)" in " ".join(capsys.readouterr().out.split())


def test_runs_are_completed_from_the_folder_of_a_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "kept" / "runs" / "toy-run").mkdir(parents=True)
    (project / "kept" / "runs" / "toy-run" / "manifest.json").touch()
    project_says("results = 'kept'")
    assert outputs(capsys, "complete", "--", "compare", "toy") == ("toy-run\n", "")


def test_doctor_shows_each_value_with_its_origin(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCHSUITE_RESULTS", "/elsewhere")
    project_says("results = 'kept'\nprotocol = ['1crop', '10crop']\n[tool.benchsuite.run]\nall = true")
    user_says("\nworkers = 0\n")
    record = json.loads(outputs(capsys, "doctor", "--json")[0])
    found = {row["name"]: (row["value"], row["from"]) for row in record["settings"]}
    assert found["results"] == ("/elsewhere", "BENCHSUITE_RESULTS")
    assert found["protocol"] == ("1crop, 10crop", "pyproject.toml:3")
    assert found["run.all"] == ("true", "pyproject.toml:5")
    assert found["workers"] == ("0", f"{Path(os.environ['BENCHSUITE_CONFIG']) / 'config.toml'}:2")
    assert found["device"] == ("auto", "default")
    assert {*GENERAL, "run.all"} == set(found)
    (folder,) = [row for row in record["trials"] if row["name"] == "results"]
    assert folder["detail"].endswith("in /elsewhere (BENCHSUITE_RESULTS)")


def test_general_settings_are_options_of_their_commands_with_the_same_default() -> None:
    for key, general in GENERAL.items():
        for name in general.commands:
            (default,) = (
                action.default
                for action in PARSERS[name.replace("-", " ")]._actions
                if f"--{key}" in action.option_strings
            )
            assert default is None or str(default).lower() == general.usual, key
    assert {key for key, general in GENERAL.items() if not general.commands} == set(VARIABLES)


def test_every_command_with_an_option_for_settings_may_have_a_table() -> None:
    names = {
        name.replace(" ", "-")
        for name, parser in PARSERS.items()
        if any(
            a.option_strings and not a.required and a.option_strings[-1].removeprefix("--") not in ONCE
            for a in parser._actions
        )
    }
    assert names - {"doctor"} == TABLES
    every = {a.option_strings[-1].removeprefix("--") for p in PARSERS.values() for a in p._actions if a.option_strings}
    assert ONCE - every == set(), "no name of an option that is gone"
    assert {name for name in COMMANDS if tasks_of(tasks_of(make_parser([name]))[name])} == {"data", "plugin", "cache"}


def test_no_toml_is_loaded_without_a_setting(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'benchsuite'\n[tool.ruff]\n")
    program = "import sys\nfrom benchsuite.cli import main\nmain(sys.argv[1:])\nprint(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "BENCHSUITE_CONFIG": str(tmp_path / "own")}
    words = [sys.executable, "-c", program, "complete", "--", "run", "res"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert not {"tomllib", "benchsuite.storage.settings"} & set(done.stderr.split())
