"""Tests of ``benchsuite tables``: committed tables are made again from the runs next to them; a difference fails."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from finished_reports import ladder_file
from finished_runs import saved, scores
from finished_trainings import correct, learned

from benchsuite.cli import main
from benchsuite.report.results_pages import END
from benchsuite.report.results_tables import KINDS
from benchsuite.storage.run_folder import compact, read_columns
from benchsuite.training.grid import COLUMNS

A, B, C = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb", "pnn-level-0.1-tiny-ccc"


def page(*tables: str) -> str:
    return "# Page\n\n" + "".join(f"<!-- table {words} -->\n{END}\n\n" for words in tables)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results with a named result in it: two evaluations, a ladder, a training and a grid of one."""
    folder = tmp_path / "results" / "toy"
    saved(folder, A, scores(80, 10, 1))
    saved(folder, B, scores(80, 10, 2, noise=0.7), protocol__label="10crop")
    ladder_file(folder, A, B)
    right = correct(4, 60)
    learned(folder, C, right, watched={"lowpass r=4": [19, 15, 9, 5]})
    row = {"epochs_run": 4, "n": 60, "top1_errors": int((~right[-1]).sum()), "run_id": C, "scale": "mini"}
    (folder / "grids").mkdir()
    with (folder / "grids" / "levels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["level", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows([{"level": "0.1", **row}, {"level": "9", "failed": "Expected a loss, got nan"}])
    every = ["runs .", f"runs . {B}", "ladder ladder.json", "waterfall ladder.json", f"comparisons . {B} {A}"]
    every += ["calibration .", "trainings .", "accountings .", "curves .", "grid grids/levels.csv", "commands ."]
    every += ["effects grids/levels.csv", "seeds .", "watched ."]
    (folder / "README.md").write_text(page(*every, "printed resnet50 he-"))
    (tmp_path / "results" / "README.md").write_text(page("runs toy"))
    return tmp_path / "results"


def tables(results: Path, *options: str) -> int:
    return main(["tables", "--results", str(results), *options])


def test_every_kind_of_table_is_made_once_and_stays_as_it_is(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "toy" / "README.md"
    path.write_text(
        path.read_text() + page("summary ladder.json", f"summary . {C}", f"audit . {C}", "claim 90.53 85.91 10 20")
    )
    assert tables(results, "--check") == 1
    assert path.read_text().count("|") == 0, "a check writes nothing"
    assert tables(results) == 0
    capsys.readouterr()
    assert tables(results, "--check") == 0
    assert capsys.readouterr().out.splitlines() == [
        "20 tables on 2 pages: up to date",
        f"{results}/README.md: 1 table, up to date",
        f"{results}/toy/README.md: 19 tables, up to date",
    ]
    text = path.read_text()
    kinds = {*KINDS, "printed"} - {"frequency", "spectra", "reproductions"}  # these are tested with what they show
    assert {words.split()[0] for words in text.split("<!-- table ")[1:]} == kinds
    assert "/home/me" not in text
    assert "--data cifar10:PATH" in text
    assert "images/s" not in text
    for name in ("ladder.svg", "training-ccc.svg"):
        assert f"]({name})" in text
        assert ElementTree.parse(results / "toy" / name).getroot().tag.endswith("svg")


def test_numbers_are_those_of_the_predictions(results: Path) -> None:
    tables(results)
    text = (results / "toy" / "README.md").read_text()
    errors = {name: (read_columns(results / "toy" / "runs" / name)["rank"] > 0) for name in (A, B)}
    for wrong in errors.values():
        assert f"| {wrong.sum()} | {100 * wrong.mean():.2f} |" in text
    fixed, broken = (errors[A] & ~errors[B]).sum(), (errors[B] & ~errors[A]).sum()
    assert f"{100 * (int(broken) - int(fixed)) / 80:+.2f} | [" in text
    assert f"| {100 * (1 - correct(4, 60)[-1].mean()):.2f} |" in text
    assert "Expected a loss, got nan" in text
    assert "| 20.74 |" in text


@pytest.mark.parametrize(
    "name",
    [f"runs/{A}/predictions.parquet", f"runs/{A}/manifest.json", f"training/{C}/correct.npz", "grids/levels.csv"],
)
def test_a_change_of_any_number_fails_the_check(
    results: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page_of = ["runs .", "trainings .", "grid grids/levels.csv"]
    (results / "toy" / "README.md").write_text(page(*page_of))
    tables(results)
    other, path = tmp_path / "other", results / "toy" / name
    saved(other, A, scores(80, 10, 7))
    learned(other, C, correct(4, 60, seed=5))
    if path.suffix == ".csv":
        path.write_text(path.read_text().replace(",60,", ",61,"))
    else:
        path.write_bytes((other / name).read_bytes())
    capsys.readouterr()
    assert tables(results, "--check") == 1
    said = capsys.readouterr().out
    assert "Expected" in said
    assert tables(results) == 1, "what contradicts itself is told, not written"


def test_a_change_of_prose_is_none_and_one_of_a_cell_is_shown(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "toy" / "README.md"
    path.write_text(page("waterfall ladder.json", "printed resnet50 he-"))
    tables(results)
    path.write_text(path.read_text().replace("# Page", "# Another page\n\nWith a word."))
    assert tables(results, "--check") == 0
    path.write_text(path.read_text().replace("| 20.74 |", "| 20.47 |"))
    capsys.readouterr()
    assert tables(results, "--check") == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("-") and "20.47" in line for line in lines)
    assert any(line.startswith("+") and "20.74" in line for line in lines)
    (results / "toy" / "ladder.svg").unlink()
    assert tables(results, "--json") == 0
    assert json.loads(capsys.readouterr().out)["changed"] == [str(path), str(results / "toy" / "ladder.svg")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("runns .", "did you mean 'runs'"),
        ("runs", "runs PATH [RUN...]"),
        ("ladder", "ladder FILE"),
        ("printed", "printed MODEL"),
        ("claim 90.53 85.91", "claim PERCENT ACCURACY BATCH EPOCHS"),
        ("claim 90.53 many 10 80", "two percentages"),
        ("ladder nowhere.json", "nowhere.json"),
        ("runs . resnet99", "resnet99"),
        ("printed resnet49", "did you mean"),
        ("grid runs/none.csv", "none.csv"),
        ("grid ladder.json", "a table with the columns"),
        ("effects ladder.json", "a table with the columns"),
    ],
)
def test_a_table_that_cannot_be_made_is_told_with_its_place(
    results: Path, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (results / "toy" / "README.md").write_text(page(words))
    assert tables(results) == 1
    line = capsys.readouterr().out.splitlines()[-1]
    assert said in line
    assert f"table {words}" in line


def test_a_page_is_asked_for_alone_and_a_folder_without_one_is_a_mistake(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tables(results, str(results / "README.md")) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3, (
        "the answer, the page, and the manifest of the training that named a path"
    )
    assert tables(tmp_path / "nothing") == 2
    assert "*.md" in capsys.readouterr().err
    assert tables(results, str(tmp_path / "no.md")) == 2


def test_smoothed_numbers_of_a_page_are_those_of_the_monitor(results: Path) -> None:
    tables(results)
    value, best = 0.0, 0.0
    for row in correct(4, 60):
        for start in range(0, 60, 10):
            value = 0.7 * value + 0.3 * row[start : start + 10].mean()
        best = max(best, value)
    assert f"| {100 * np.float64(best):.2f} |" in (results / "toy" / "README.md").read_text()


def test_it_needs_no_torch(results: Path) -> None:
    program = (
        "import sys; from benchsuite.cli import main\n"
        f"assert main(['tables', '--results', {str(results)!r}]) == 0\n"
        "assert not {'torch', 'torchvision', 'timm', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_large_predictions_are_committed_compactly_and_still_counted(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What compact predictions cannot say, the calibration, is left out; everything else stays as it was."""
    assert tables(results) == 0
    toy, path = results / "toy", results / "toy" / "README.md"
    whole = saved(toy, "resnet50-tta-x-ddd", scores(4000, 10, 3), dataset__digest="another")
    path.write_text(page("runs .", "comparisons . resnet50-tta resnet50-tta", "calibration ."))
    assert tables(results, "--check") == 1
    assert f"{whole}: predictions are too large" in capsys.readouterr().out
    before = read_columns(whole)
    ties = json.loads((whole / "manifest.json").read_text())["counts"]
    assert tables(results) == 0
    assert f"{whole}: predictions made compact" in capsys.readouterr().out
    assert (whole / "predictions.parquet").stat().st_size < 60_000
    after = read_columns(whole)
    assert set(after) == {"id", "label", "rank", "top5"}
    assert all(np.array_equal(after[name], before[name]) for name in after)
    assert json.loads((whole / "manifest.json").read_text())["counts"] == ties
    assert tables(results, "--check") == 0
    text = path.read_text()
    counted, *_, calibrated = text.split("<!-- table ")[1:]
    assert f"{100 * (after['rank'] > 0).mean():.2f}" in counted
    assert len([line for line in calibrated.splitlines() if line.startswith("|")]) == 2 + 2


def test_a_report_of_compact_runs_and_a_comparison_leave_the_calibration_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("resnet50-1crop-x-aaa", 1), ("resnet50-10crop-x-bbb", 2)):
        compact(saved(tmp_path, name, scores(80, 10, seed), protocol__label=name.split("-")[1]))
    assert main(["compare", "resnet50-1crop", "resnet50-10crop", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "top-1 error %" in out
    assert "ECE" not in out
    assert main(["report", "--results", str(tmp_path), "--html", str(tmp_path / "page.html")]) == 0
    assert "10crop" in (tmp_path / "page.html").read_text()
