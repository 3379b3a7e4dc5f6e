"""Tests of the command ``benchsuite explain --frequency``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from finished_reports import Page
from wave_pictures import CATALOG, N, asked

from benchsuite.cli import main
from benchsuite.progress import Progress
from benchsuite.runs.run import run

WORDS = ["--frequency", "--radii", "1,3", "--radius", "3"]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the waves."""
    monkeypatch.setattr("benchsuite.cli.explain.load_plugins", lambda: CATALOG)


@pytest.fixture
def clean(isolated: Path) -> str:
    (row,) = run(asked(isolated / "results", "1crop"), CATALOG, Progress())
    return str(row["run_id"])


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert main(["explain", *words]) == 0
    streams = capsys.readouterr()
    return streams.out, streams.err


def test_the_answer_is_first_and_the_rest_fits_a_screen(
    capsys: pytest.CaptureFixture[str], clean: str, isolated: Path
) -> None:
    out, err = said(capsys, clean, *WORDS)
    lines = out.splitlines()
    data = json.loads(said(capsys, clean, *WORDS, "--json")[0])
    at = data["curve"][1]
    words = " ".join(out.split())
    assert words.startswith(f"{at['swapped']} of {N} images (")
    assert "The article reports about 600 of 10,000" in words
    assert len(lines) <= 19, "24 with seven radii"
    assert max(map(len, lines)) <= 80
    assert sum(line.strip().startswith(("1 ", "3 ")) for line in lines) == 2, "two radii in one table"
    assert lines[-1].endswith(": --all")
    whole = said(capsys, clean, *WORDS, "--all")[0].splitlines()
    assert sum(line.strip().startswith(("1 ", "3 ")) for line in whole) == 4, "two radii in two tables"
    for word in ("Accuracy under pgd", "first layer (", "preprocessing: ", "energy within r"):
        assert word not in out.replace("preprocessing: --all", "")
        assert word in "\n".join(whole)
    file = isolated / "results" / "frequency" / clean / "frequency.json"
    assert f"written to{file}" in out.replace("\n  ", "").replace("written to ", "written to")
    assert "6 runs, 1 of them finished already; 4 views of 20 images" in err


def test_everything_is_in_the_json(capsys: pytest.CaptureFixture[str], clean: str) -> None:
    data = json.loads(said(capsys, clean, *WORDS, "--json")[0])
    assert data["run_id"] == clean
    assert [at["radius"] for at in data["curve"]] == [1, 3]
    for at in data["curve"]:
        for run_of in (at["low"], at["high"]):
            assert run_of["accuracy"]["percent"] == pytest.approx(100 * run_of["right"] / N)
            low, high = run_of["accuracy"]["interval"]
            assert low <= run_of["accuracy"]["percent"] <= high
            assert 0 <= run_of["p"] <= 1
    assert data["measurement"]["gradient"]["n"] == N
    assert data["files"][0].endswith("frequency.json")
    assert data["attack"]["words"].startswith("pgd eps=8/255, steps=10")


def test_the_runs_of_a_folder_elsewhere_are_put_next_to_it(
    capsys: pytest.CaptureFixture[str], clean: str, isolated: Path, tmp_path: Path
) -> None:
    (isolated / "results").rename(tmp_path / "elsewhere")
    html = tmp_path / "page.html"
    words = [str(tmp_path / "elsewhere" / "runs" / clean), *WORDS, "--html", str(html)]
    out, err = said(capsys, *words)
    assert "6 runs, 1 of them finished already" in err
    assert str(tmp_path / "elsewhere" / "frequency" / clean / "frequency.json") in out.replace("\n  ", "")
    assert not (isolated / "results" / "runs").exists()
    assert html.is_file()


def test_a_network_is_analysed_with_the_options_of_run(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(said(capsys, "waves", "--data", "waves", "--limit", "9", *WORDS, "--json")[0])
    assert data["n"] == 9
    assert data["protocol"] == "1crop"


def test_a_plan_runs_nothing(capsys: pytest.CaptureFixture[str], clean: str, isolated: Path) -> None:
    out, err = said(capsys, clean, *WORDS, "--plan")
    assert err == ""
    assert "lowpass:r=3" in out
    assert "6 runs, 1 of them finished already" in out
    data = json.loads(said(capsys, clean, *WORDS, "--plan", "--json")[0])
    assert data["radii"] == [1, 3]
    assert not (isolated / "results" / "frequency").exists()
    assert len(list((isolated / "results" / "runs").iterdir())) == 1


def test_the_page_has_the_question_as_title_and_the_triples(
    capsys: pytest.CaptureFixture[str], clean: str, tmp_path: Path
) -> None:
    html = tmp_path / "page.html"
    data = json.loads(said(capsys, clean, *WORDS, "--html", str(html), "--json")[0])
    found = Page(html.read_text(encoding="utf-8"))
    assert found.faults == []
    assert ("title", "Which spatial frequencies does waves use?") in found.texts
    assert len(data["triples"]) > 0
    assert len(found.named("img")) == 3 * len(data["triples"]) + 2
    assert all(image["src"].startswith("data:image/png") for image in found.named("img"))
    assert "Right only by their high frequencies" in found.text
    assert "rows" in found.text, "classes have names, as the data set is opened"
    assert data["files"][1] == str(html)
    assert [a["id"] for a in found.named("section")][:2] == [f"frequency-{clean}", "results"]


MISTAKES: list[tuple[list[str], str]] = [
    (["--frequency", "--from", "1crop", "--to", "10crop"], "--from to be used only without --frequency"),
    (["--frequency", "--shapley"], "--shapley to be used only without --frequency"),
    (["--frequency", "--top5"], "--top5"),
    (["--frequency", "--accounting", "exact:8"], "--accounting"),
    (["--frequency", "--limit", "5"], "a run is explained with its own options"),
    (["--frequency", "--data", "waves"], "a run is explained with its own options"),
    (["--frequency", "--radii=-4"], "whole numbers of waves per side, 0 or more, got -4"),
    (["--frequency", "--radii", "4,4"], "4 twice"),
    (["--frequency", "--radii", "a"], "got a"),
    (["--frequency", "--radius", "1.5"], "--radius to be whole numbers"),
    (["another", "--frequency"], "used with one run or one network"),
    (["--radii", "4"], "--radii to be used only with --frequency"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_mistakes_are_one_line_and_status_two(
    capsys: pytest.CaptureFixture[str], clean: str, words: list[str], message: str
) -> None:
    assert main(["explain", clean, *words]) == 2
    streams: Any = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.splitlines()) == 1, streams.err
    assert message in streams.err


def test_an_unknown_run_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "nothere", "--frequency"]) == 2
    assert "Unknown run 'nothere'" in capsys.readouterr().err
