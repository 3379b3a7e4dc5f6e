"""Tests of the command ``benchsuite reproduce``: exit statuses, streams, and lines that fit 80 columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_figures import CATALOG, N, figure, imagenet, install

from benchsuite.cli import main


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
