"""Tests of the command ``benchsuite reproduce``: exit statuses, streams, and lines that fit 80 columns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import reproduction_program
from finished_trainings import correct, learned
from made_up_figures import CATALOG, N, figure, imagenet, install
from toy_evaluation import Counted

import benchsuite
from benchsuite.cli import main
from benchsuite.explanation import ledger
from benchsuite.training.job import TrainRequest, plan


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options of the made-up images, in a terminal of 80 columns."""
    monkeypatch.setattr("benchsuite.cli.reproduce.load_plugins", lambda: CATALOG)
    monkeypatch.setenv("COLUMNS", "80")
    return ["--data", imagenet(tmp_path / "data"), "--device", "cpu", "--batch-size", "64"]


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["reproduce", *words])
    streams = capsys.readouterr()
    assert all(len(line) <= 80 or " " not in line.strip() for line in streams.out.splitlines())  # or a path
    return status, streams.out, streams.err


def test_the_exit_status_is_the_verdict(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, figure("a-figure", "99.0"))
    status, out, err = ran(capsys, "a-figure", *words)
    assert status == 1
    assert out.startswith("not reproduced: a-figure, printed 99.0 %, measured ")
    assert err.startswith("benchsuite: a-figure: 1 figure by evaluations\n")
    measured = float(out.partition("measured ")[2].partition(" %")[0])
    install(monkeypatch, figure("a-figure", f"{measured:.1f}"))
    status, out, err = ran(capsys, "a-figure", *words)
    assert (status, out.partition(":")[0]) == (0, "reproduced")
    assert "finished already: nothing is computed" in err
    status, out, _ = ran(capsys, "a-figure", *words, "--weights", "random")
    assert (status, out.partition(":")[0]) == (0, "not comparable")
    assert "why: other weights" in out
    with_typo = main(["reproduce", "a-figur", *words])
    assert with_typo == 2
    assert capsys.readouterr().err == (
        "benchsuite: Unknown model, published figure or pattern of ids 'a-figur': did you mean 'a-figure'?\n"
    )


def test_a_model_is_a_table_that_names_why_and_what_is_missing(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [figure(f"a-long-name-of-a-figure-{i}-top1", "99.00", weights="") for i in range(6)]
    install(monkeypatch, figure("one", "99.0"), figure("two", "9.0", protocol="10crop"), *rows)
    status, out, _ = ran(capsys, "colours", *words)
    assert status == 1
    lines = out.splitlines()
    assert lines[0].startswith("colours, 8 published figures: ")
    assert lines[0].endswith("6 not measured")
    flat = " ".join(out.split())
    assert "one: off by" in flat
    assert "and 2 more: missing: the weights of The source: --weights FILE (docs/weights.md)" in flat


def test_json_is_one_object_of_a_plan_and_of_a_result(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, figure("a-figure", "9.0", protocol="10crop"))
    assert main(["reproduce", "a-figure", *words, "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["passes"][0] | {"pixels": 0} == {
        "network": "colours, weights even, on imagenet",
        "runs": 4,
        "answered": 0,
        "images": N,
        "views": 10,
        "pixels": 0,
    }
    status = main(["reproduce", "a-figure", *words, "--json"])
    found = json.loads(capsys.readouterr().out)
    (one,) = found["figures"]
    assert status == (one["verdict"] == "not reproduced")
    assert len(one["measurements"]) == 4


def wrong(words: list[str], protocol: str) -> int:
    """The errors under a protocol, by ``benchsuite.evaluate``."""
    asked: dict[str, Any] = {"catalog": CATALOG, "device": "cpu", "progress": False}
    return benchsuite.evaluate("colours", protocol, weights="even", data=words[1], **asked).top1_errors


@pytest.mark.parametrize(
    ("fields", "options", "status", "verdict", "said"),
    [
        ({}, [], 0, "reproduced", "why: within rounding"),
        ({"error": "99.0"}, [], 1, "not reproduced", "all images were measured, so this is no chance"),
        ({}, ["--limit", "20"], 0, "reproduced", "lies in the 95 % interval"),
        ({"error": "99.9"}, ["--limit", "20"], 1, "not reproduced", "the probability to be as far off by chance"),
        ({"dataset": "imagenet-v2"}, [], 0, "not comparable", "why: other dataset (imagenet): needed is the published"),
        ({}, ["--weights", "other"], 0, "not comparable", "why: other weights: needed are even"),
        ({"weights": ""}, [], 0, "not comparable", "missing: the weights of The source: --weights FILE"),
        ({"split": "test"}, [], 0, "not comparable", "missing: the labels of ImageNet's test images"),
        ({"protocol": "10crop", "error": "logit"}, [], 0, "reproduced", "a choice that the source leaves open"),
        ({"protocol": "10crop", "error": "99.0"}, [], 1, "not reproduced", "no open choice of the same views gives"),
    ],
)
def test_each_verdict_is_printed_with_its_reason_and_its_exit_status(
    fields: dict[str, str],
    options: list[str],
    status: int,
    verdict: str,
    said: str,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The figure is that of the stated protocol, or of another choice that the source leaves open."""
    usual = f"{100 * wrong(words, '1crop') / N:.1f}"
    if fields.get("error") == "logit":
        by_logit = wrong(words, "10crop:merge=logit")
        assert by_logit not in (wrong(words, "10crop"), wrong(words, "10crop:flip=false"))
        fields = fields | {"error": f"{100 * by_logit / N:.1f}"}
    install(monkeypatch, figure("a-figure", **({"error": usual} | fields)))
    found, out, _ = ran(capsys, "a-figure", *words, *options)
    assert (found, out.partition(":")[0]) == (status, verdict)
    assert said in " ".join(out.split())
    assert ("not measured" in out) == ("missing:" in out)


@pytest.mark.parametrize(
    ("printed", "seeds", "scale", "status", "verdict", "said"),
    [
        ("19.05", 1, "full", 0, "reproduced", "counted exact-best, epoch 1"),
        ("19.05", 3, "full", 0, "reproduced", "counted exact-best, mean of 3 seeds"),
        ("90.00", 3, "full", 1, "not reproduced", "no open choice gives the figure: 19.05 to 47.62 %"),
        ("19.05", 1, "mini", 0, "not comparable", "scale mini: smaller than the recipe"),
        ("19.05", 4, "full", 0, "not comparable", "with seeds 3 to 6: --train"),
    ],
)
def test_a_training_has_a_verdict_by_its_seeds_and_accountings(
    printed: str,
    seeds: int,
    scale: str,
    status: int,
    verdict: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Finished trainings of three seeds err on 10 of 21 images in the last epoch, and on 4 in the best one."""
    import toy_training

    catalog = toy_training.catalog()
    row = figure("a-training", printed, architecture="tiny", dataset="dots", weights="")
    monkeypatch.setattr(ledger, "load", lambda: (row,))
    known = {"a-training": ledger.Trained("a-training", "usual", "exact exact-best")}
    monkeypatch.setattr(ledger, "trained", lambda: known)
    monkeypatch.setattr("benchsuite.cli.reproduce.load_plugins", lambda: catalog)
    for seed, wrong_now in ((3, 10), (4, 9), (5, 11)):
        asked = TrainRequest("tiny", "usual", seed=seed, scale=scale, device="cpu", results=tmp_path)
        right = correct(2, 21)
        right[:, :] = False
        right[0, : 21 - wrong_now + 6] = right[1, : 21 - wrong_now] = True
        recipe = {"name": "usual", "accounting": "exact", "expected": "", "source": "", "seed": seed}
        run_id = plan(asked, catalog).run_id
        (learned(tmp_path, run_id, right, recipe=recipe) / "last.safetensors").touch()
    words = ["--seeds", str(seeds), "--scale", scale, "--device", "cpu", "--results", str(tmp_path)]
    found, out, _ = ran(capsys, "a-training", *words)
    assert (found, out.partition(":")[0]) == (status, verdict)
    assert said in " ".join(out.split())
    assert ("seeds: " in out) == (seeds == 3)


def test_a_killed_reproduction_goes_on_with_the_network_that_it_had_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is killed when two of three figures are measured, and its second network is read."""
    data, folder = imagenet(tmp_path / "data"), Path(reproduction_program.__file__).parent
    paths = os.pathsep.join(map(str, (folder, folder.parent)))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    results = str(tmp_path / "killed")
    words = [sys.executable, str(folder / "reproduction_program.py"), data, results]
    with subprocess.Popen(words, env=environment) as process:
        while process.poll() is None and not Path(results, "waiting").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    finished = {path.parent.name for path in Path(results).glob("runs/*/manifest.json")}
    assert len(finished) == 5  # one crop, and ten crops with four combinations of open choices
    assert not (Path(results) / "reproductions").exists()
    reproduction_program.installed(monkeypatch)
    counted = Counted(monkeypatch)
    status, out, err = ran(capsys, *reproduction_program.command(data, results)[1:])
    assert status == 1
    assert counted.views <= N  # at most one crop of the other network, and no view of the first
    assert "5 runs of 45 images, finished already: nothing is computed" in err
    assert out.startswith("colours, 3 published figures: 3 not reproduced")
    tables = [(Path(results) / "reproductions" / "colours.md").read_text(encoding="utf-8")]
    ran(capsys, *reproduction_program.command(data, str(tmp_path / "whole"))[1:])
    tables.append((tmp_path / "whole" / "reproductions" / "colours.md").read_text(encoding="utf-8"))
    assert tables[0] == tables[1]
