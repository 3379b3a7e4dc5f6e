"""Tests of ``benchsuite report``: written files, printed lines, and errors raised before anything is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from finished_reports import two_runs

from benchsuite.cli import main, report

A, B = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder with two runs."""
    two_runs(tmp_path / "results")
    return tmp_path / "results"


def asked(results: Path, *words: str) -> int:
    return main(["report", *words, "--results", str(results)])


def test_every_output_is_written_and_named_with_its_size(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {kind: tmp_path / "out" / f"report.{kind}" for kind in ("html", "markdown", "latex", "csv")}
    words = [word for kind, path in paths.items() for word in (f"--{kind}", str(path))]
    assert asked(results, A, B, *words, "--title", "Ours & theirs") == 0
    assert [line.split(" (")[0] for line in capsys.readouterr().out.splitlines()] == [str(p) for p in paths.values()]
    assert "<title>Ours &amp; theirs</title>" in paths["html"].read_text(encoding="utf-8")
    assert paths["markdown"].read_text(encoding="utf-8").startswith("# Ours & theirs\n".replace("&", r"\&"))
    assert paths["latex"].read_text(encoding="utf-8").startswith("% Ours & theirs\n")
    assert paths["csv"].read_text(encoding="utf-8").startswith("table,run_id,")
    assert not list(tmp_path.glob("out/.*")), "no parts are left behind"


def test_without_an_output_the_tables_are_printed_as_markdown(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(results) == 0
    out = capsys.readouterr().out
    assert out.startswith("# benchsuite report\n\n2 runs of 1 network under 2 protocols")
    assert "## Comparisons" in out


def test_json_is_one_object_and_nothing_else(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(results, A, B, "--json", "--html", str(tmp_path / "r.html")) == 0
    data = json.loads(capsys.readouterr().out)
    assert set(data) == {"summary", "runs", "ladders", "comparisons", "frequencies", "trainings", "files"}
    assert [run["run_id"] for run in data["runs"]] == [A, B]
    assert data["files"] == [str(tmp_path / "r.html")]


def test_what_compare_prints_is_a_source(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", B, A, "--json", "--results", str(results)]) == 0
    path = tmp_path / "compared.json"
    path.write_text(capsys.readouterr().out)
    assert asked(results, str(path), "--json") == 0
    (pair,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (pair["before"], pair["after"]) == (B, A)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "Unknown run 'nothing'"),
        (("resnet50",), "begin with 'resnet50'"),
        (("--gallery",), "--gallery to be used with --html"),
        (("none.json",), "Cannot read none.json"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    markdown = tmp_path / "out.md"
    assert asked(results, *words, "--markdown", str(markdown)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert not markdown.exists()


def test_pictures_that_cannot_be_shown_are_said_in_the_page_and_beside_it(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.html"
    assert asked(results, "--html", str(path), "--gallery") == 0
    said = "no pictures and class names of madeup, 200 images: digits now holds other images"
    assert said in capsys.readouterr().err
    assert said in path.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_one_line(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert asked(results, "--html", str(tmp_path / "file" / "report.html")) == 2
    assert capsys.readouterr().err.startswith(f"benchsuite: Cannot write {tmp_path / 'file' / 'report.html'}")


def test_the_command_needs_no_torch_and_its_help_nothing_heavy(results: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from benchsuite.cli import main, make_parser\n"
        "make_parser(['report'])\n"
        "early = [m for m in ('numpy', 'matplotlib', 'PIL', 'pyarrow') if m in sys.modules]\n"
        f"status = main(['report', '--results', {str(results)!r}, '--html', {str(tmp_path / 'r.html')!r}])\n"
        "print(status, early, 'torch' in sys.modules, 'matplotlib' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 [] False False"


def test_every_option_is_explained() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    actions: list[Any] = parser._actions
    assert all(action.help for action in actions)
