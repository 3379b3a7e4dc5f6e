"""Tests of the command ``benchsuite audit``: streams, exit statuses, tables that fit a terminal of 100 columns."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchsuite.cli import main
from benchsuite.stats.accounting import CATALOGUE
from benchsuite.storage import run_folder

CLAIM = ["audit", "--claim", "90.53", "--batch-size", "10", "--epochs", "80", "--accuracy", "85.91"]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def evaluation() -> str:
    """360 images in runs of 9 right and 1 wrong, of a split of 400."""
    rank = np.where(np.arange(360) % 10 == 9, 2, 0)
    folder = Path(os.environ["BENCHSUITE_RESULTS"]) / "runs" / "net-1crop-set-ab"
    run_folder.write_run(folder, {"dataset": {"of": 400}}, {"id": list(map(str, range(360))), "rank": rank})
    return folder.name


@pytest.fixture
def training() -> str:
    """13 epochs of 10,000 images with rising accuracy, and a recipe whose source printed the best smoothed number."""
    rng = np.random.default_rng(1)
    correct = rng.random((13, 10_000)) < np.linspace(0.5, 0.86, 13)[:, None]
    folder = Path(os.environ["BENCHSUITE_RESULTS"]) / "training" / "pnn-recipe-cd"
    folder.mkdir(parents=True)
    np.savez(folder / "correct.npz", bits=np.packbits(correct, axis=1), n=10_000, batch_size=10)
    (folder / "manifest.json").write_text(json.dumps({"recipe": {"accounting": "smoothed-best"}}))
    return folder.name


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert max(map(len, out.splitlines())) <= 100
    assert "…" not in out
    return out


def cells(out: str, name: str) -> list[str]:
    """The words of the first line of a table that begins with a name."""
    return next(line.split()[1:] for line in out.splitlines() if line.split()[:1] == [name])


def test_an_evaluation_is_shown_in_six_batch_sizes(capsys: pytest.CaptureFixture[str], evaluation: str) -> None:
    brief = printed(capsys, "audit", evaluation, "--orders", "5")
    assert brief.startswith(f"{evaluation}: 90.00 % of the images are right; published accountings print ")
    assert cells(brief, "nominal")[-2:] == ["84.38", "84.38"]
    assert len(brief.splitlines()) <= 24
    out = printed(capsys, "audit", evaluation, "--orders", "5", "--all")
    assert "exact: 324 right of 360 of 400, 90.00 [86.47, 92.69] %, an image is 0.28 points" in out
    assert cells(out, "accounting")[-6:] == ["5", "10", "16", "20", "64", "128"]
    assert cells(out, "nominal")[-4:] == ["84.38", "-5.63", "84.38", "-5.63"]
    assert cells(out, "exact") == ["90.00", "+0.00"] * 6
    assert "right images / images, over the whole split [the rule of this suite]" in out


def test_one_batch_size_is_shown_with_images_and_orders(capsys: pytest.CaptureFixture[str], evaluation: str) -> None:
    out = printed(capsys, "audit", evaluation, "--batch-size", "64", "--world-size", "7", "--all")
    assert cells(out, "accounting") == ["printed", "off", "images", "other", "orders", "counted"]
    assert cells(out, "nominal") == ["84.38", "-5.63", "-20.3", "84.38", "+-0.00", "360"]
    assert cells(out, "padded-7")[:3] == ["90.11", "+0.11", "+0.4"]  # 364 images, the first four of them right again
    assert "padded-64" not in out
    assert "other orders: mean and standard deviation" in " ".join(out.split())


def test_a_training_is_shown_with_epochs_and_chances(capsys: pytest.CaptureFixture[str], training: str) -> None:
    words = ("audit", training, "--claim", "90.53", "--draws", "50", "--orders", "50")
    assert "90.53 % or more is printed at least half of the time by" in " ".join(printed(capsys, *words).split())
    out = printed(capsys, *words, "--all")
    assert "the source of its recipe counted smoothed-best" in out
    assert "in the last of 13 epochs" in out
    table = out[out.index("what each prints") :]
    assert cells(table, "exact")[6] == "13"
    assert "orders >=" in out
    for name in set(CATALOGUE) - {"exact-best-heldout"}:
        assert sum(line.split()[:1] in ([name], [f"{name}:"]) for line in out.splitlines()) >= 3, name
    assert "overstate what the best epoch gains" in " ".join(out.split())


def test_a_training_that_was_killed_is_counted_as_far_as_it_came(
    capsys: pytest.CaptureFixture[str], training: str
) -> None:
    assert "not finished" not in printed(capsys, "audit", training, "--orders", "5")
    (Path(os.environ["BENCHSUITE_RESULTS"]) / "training" / training / "manifest.json").unlink()
    out = printed(capsys, "audit", training, "--orders", "5")
    assert "the training is not finished: these are its epochs so far" in out
    assert "its recipe" not in out


def test_the_dispute_needs_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, *CLAIM, "--draws", "200")
    assert "if 85.91 % are right; by exact counting in 0.0 %." in " ".join(out.split())
    assert "the same numbers: batch-mean, nominal, full-batches, padded-8 as exact" in " ".join(out.split())
    assert len(out.splitlines()) <= 24
    assert cells(out, "exact-best")[2:] == ["0.0", "0.0", "100.0"]
    assert cells(out, "smoothed-best")[2:5] == ["100.0", "0.0", "0.0"]


def test_a_narrow_terminal_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, training: str
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["audit", training, "--claim", "90.53", "--draws", "20", "--orders", "20"]) == 0
    assert "…" not in capsys.readouterr().out


def test_json_is_one_object_on_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str], training: str) -> None:
    words = ["audit", training, "--claim", "90.53", "--draws", "20", "--orders", "20", "--json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert (found["run_id"], found["n"], found["passes"], found["batch_sizes"]) == (training, 10_000, 13, [10])
    assert found["recipe_accounting"] == "smoothed-best"
    assert isinstance(found["hits"], int)
    assert [row["accounting"] for row in found["rows"]] == [row["accounting"] for row in found["claims"]]
    for row in found["rows"]:
        assert row["off"] == pytest.approx(row["off_count"] + row["off_choice"])
        assert not any(isinstance(value, dict | list) for value in row.values())
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["audit"], "Expected a run, or --claim with --accuracy and --batch-size in its place, got neither"),
        (["audit", "net-1crob"], "Unknown run 'net-1crob': did you mean 'net-1crop-set-ab'?"),
        (["audit", "net", "--claim", "much"], "Expected --claim to be a percentage such as 90.53, got much"),
        (["audit", "--claim", "inf"], "Expected --claim to be a percentage such as 90.53, got inf"),
        (["audit", "net", "--batch-size", "ten"], "invalid int value: 'ten'"),
        (["audit", "net", "--batch-size", "0"], "Expected --batch-size to be at least 1, got 0"),
        (["audti"], "did you mean 'audit'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], evaluation: str, words: list[str], message: str
) -> None:
    try:
        status = main(words)
    except SystemExit as stop:
        status = int(str(stop.code))
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
