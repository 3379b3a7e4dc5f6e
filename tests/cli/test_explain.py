"""Tests of the command ``benchsuite explain``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import colour_patches
import pytest
from toy_evaluation import Counted

from benchsuite.cli import main
from benchsuite.progress import Progress
from benchsuite.report import content
from benchsuite.report.plots import figures
from benchsuite.report.sources import sources
from benchsuite.report.tables import runs as run_tables
from benchsuite.runs.run import run
from benchsuite.storage.run_folder import read_columns

LADDER = ["explain", "patches", "--data", "patches", "--device", "cpu", "--batch-size", "64", "--from", "1crop"]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the patches."""
    monkeypatch.setattr("benchsuite.cli.explain.load_plugins", lambda: colour_patches.CATALOG)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert main(list(words)) == 0
    streams = capsys.readouterr()
    return streams.out, streams.err


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BEGINNING = "resnet50: 24.7, 22.85 and 20.74 % top-1 error are one network tested by three\n  protocols"


def test_the_first_lines_answer_why_he_et_al_print_three_errors(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, "explain", "resnet50")
    assert err == ""
    assert out.startswith(BEGINNING)
    assert f"```\n{out}```\n" in README
    assert "measured here" not in out
    ten = "\n".join(out.splitlines()[:10])
    assert all(words in ten for words in ("24.7 ", "22.85 ", "20.74 ", "1crop", "10crop", "multiscale", "protocol"))
    assert re.search(r"^\d+ more figures, .*:\n  benchsuite explain resnet50 --all$", out, re.MULTILINE)


def one_line(text: str) -> str:
    return " ".join(text.replace("\\\n", "").split())


def test_every_figure_is_printed_with_its_open_choices_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "explain", "resnet50", "--all")[0]
    assert out.startswith(BEGINNING)
    text = one_line(out)
    assert "24.7 % resnet50.v1 1crop 256/224 He et al. (MSRA) original" in text
    step = text[text.index("[he-t4-ms-resnet-50-top1]") :]
    assert "one stated factor: protocol: 10crop -> multiscale 224+256+384+480+640" in step
    assert "merge space: probabilities -> not stated" in step
    assert "these figures alone show no single cause of -2.11 K. He says: one ResNet-50" in step
    assert "--from he-t3-10c-resnet-50-top1 --to he-t4-ms-resnet-50-top1" in step
    fb = text[text.index("[fb-10crop-50-top1]") :]
    assert "confounded, 5 factors at once, no single cause" in fb
    assert "merge space: probabilities -> logits" in fb


def test_an_answer_is_printed_as_markdown_and_written_as_a_page(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    out = said(capsys, "explain", "resnet50", "--markdown", "--html", str(page))[0]
    assert out.startswith("**resnet50: 24.7, 22.85 and 20.74 % top-1 error are one network")
    assert "| 22.85 | 10crop 256/224 | He et al. original | protocol | -1.85 from 24.7 | protocol alone [1] |" in out
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "20.74" in text
    assert "says K. He" in text
    out = said(capsys, *LADDER, "--to", "10crop", "--markdown", "--html", str(page))[0]
    assert out.startswith("**measured change: ")
    assert "10crop:flip=false" in page.read_text(encoding="utf-8")


def test_printed_figures_as_json_at_top1_and_top5(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(said(capsys, "explain", "resnet50", "--json")[0])
    assert set(data) == {"model", "answer", "figures", "claims", "runs"}
    assert data["answer"].startswith("resnet50: 24.7, 22.85 and 20.74 % top-1 error")
    assert data["claims"][0]["rows"] == [data["figures"][i]["id"] for i in (0, 2, 3)]
    assert data["figures"][0]["id"] == "he-gh-1c-resnet-50-top1"
    assert data["runs"] == []
    five = json.loads(said(capsys, "explain", "resnet50", "--top5", "--json")[0])["figures"]
    assert {row["id"].rpartition("-")[2] for row in five} == {"top5"}


def test_an_unverified_figure_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "explain", "lbcnn")[0].splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("82.74"))
    assert "(unverified)" in " ".join(lines[place : place + 3])
    assert "(unverified) [lbcnn-2nd-82.74]" in one_line(said(capsys, "explain", "lbcnn", "--all")[0])


def test_runs_of_the_model_stand_below_its_figures(
    capsys: pytest.CaptureFixture[str], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import finished_runs

    finished_runs.saved(isolated / "results", "mine", finished_runs.scores(30, 10, 1))
    out, _ = said(capsys, "explain", "resnet50")
    below = out[out.index("measured here") :]
    assert "resnet50" in below
    assert "IMAGENET1K_V1" in below
    assert [r["run_id"] for r in json.loads(said(capsys, "explain", "resnet50", "--json")[0])["runs"]] == ["mine"]


def test_a_ladder_says_first_what_it_costs_and_then_each_rung(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, *LADDER, "--to", "10crop:merge=logit")
    notes = err.splitlines()
    assert notes[0] == "benchsuite: 4 rungs on 45 images of toy"
    assert "4 runs; at most 10 distinct views of 45 images: 450 forward passes, 1960 pixels per image" in notes[5]
    assert all(label in out for label in ("1crop", "10crop:flip=false", "10crop:merge=logit"))
    assert "left over: +0.00" in out
    assert "benchsuite compare patches-1crop-toy-" in one_line(out)
    _, again = said(capsys, *LADDER, "--to", "10crop:merge=logit")
    assert "4 runs, all of them finished already: nothing is computed" in again


def test_a_ladder_of_nine_rungs_costs_the_forward_passes_of_its_distinct_views(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, isolated: Path, tmp_path: Path
) -> None:
    counted = Counted(monkeypatch)
    data = json.loads(said(capsys, *LADDER, "--to", "multiscale", "--json")[0])
    manifests = [json.loads((Path(r["path"]) / "manifest.json").read_text()) for r in data["rungs"]]
    distinct = {json.dumps(view, sort_keys=True) for manifest in manifests for view in manifest["views"]}
    assert len(data["rungs"]) == 9
    assert colour_patches.N * len(distinct) <= counted.views <= 1.1 * colour_patches.N * len(distinct)
    assert counted.views == data["cost"]["views"] * data["n"]
    for number, rung in enumerate(data["rungs"]):
        monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / f"cache{number}"))
        (row,) = run(
            colour_patches.asked(tmp_path / f"alone{number}", rung["protocol"]), colour_patches.CATALOG, Progress()
        )
        names = ("run_id", "top1_errors", "top5_errors")
        assert [row[name] for name in names] == [rung[name] for name in names]


def test_a_ladder_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, *LADDER, "--to", "multiscale", "--json", "--shapley")
    data = json.loads(out)
    assert len(data["rungs"]) == 9
    assert data["left_over"] == 0
    assert data["orders"] == 2520
    assert {share["factor"] for share in data["shapley"]} == {
        *("crops", "mirror images", "pooling", "scale 14", "scale 24", "scale 30", "scale 40"),
    }
    whole = data["rungs"][-1]["top1_error"] - data["rungs"][0]["top1_error"]
    assert sum(share["mean"] for share in data["shapley"]) == pytest.approx(whole)
    assert "9 rungs" in err


def test_the_last_step_may_be_another_accounting_and_costs_nothing(
    capsys: pytest.CaptureFixture[str], isolated: Path
) -> None:
    words = [*LADDER, "--to", "10crop"]
    plain = json.loads(said(capsys, *words, "--json")[0])
    assert plain["counted"] is None
    data = json.loads(said(capsys, *words, "--json", "--accounting", "smoothed:8")[0])
    assert data["rungs"] == plain["rungs"]
    assert data["cost"]["views"] == 0
    right = read_columns(Path(plain["rungs"][-1]["path"]), ("rank",))["rank"] == 0
    value = 0.0
    for start in range(0, colour_patches.N - 8 + 1, 8):
        value = 0.7 * value + 0.3 * right[start : start + 8].mean()
    exact = 100 * (1 - right.mean())
    assert data["counted"]["error"] == pytest.approx(100 * (1 - value))
    assert data["counted"]["change"] == pytest.approx(100 * (1 - value) - exact)
    assert data["left_over"] == 0
    out, _ = said(capsys, *words, "--accounting", "smoothed:8")
    assert f"{100 * (1 - value):.2f}" in out
    assert re.search(r"measured change: \S+ in 3 steps", out)
    ladder = isolated / "ladder.json"
    ladder.write_text(json.dumps(data))
    (shown,) = content.read(sources(isolated / "results", (str(ladder),))).ladders
    assert shown.left_over == 0
    assert [cell.text for cell in run_tables.rungs(shown).rows[-1]][1:3] == [
        "accounting: exact → smoothed, batches of 8",
        f"{100 * (1 - value):.2f}",
    ]
    assert figures.waterfall(shown).rows[-1].bars[0].end == pytest.approx(100 * (1 - value))


def test_what_an_accounting_leaves_of_a_printed_figure_is_left_over(
    capsys: pytest.CaptureFixture[str], isolated: Path
) -> None:
    words = ["explain", "patches", *LADDER[2:], "--to", "he-t3-10c-resnet-50-top1"]
    plain = json.loads(said(capsys, *words, "--json")[0])
    data = json.loads(said(capsys, *words, "--json", "--accounting", "nominal:7")[0])
    assert data["left_over"] == pytest.approx(plain["left_over"] - data["counted"]["change"])
    assert data["counted"]["change"] > 0, "7 batches of 7 are more than 45 images"
    ladder = isolated / "ladder.json"
    ladder.write_text(json.dumps(data))
    (shown,) = content.read(sources(isolated / "results", (str(ladder),))).ladders
    assert float(shown.left_over) == pytest.approx(data["left_over"])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("smoothed", "NAME:BATCH"),
        ("smoothed:0", "NAME:BATCH"),
        ("smoothed-best:8", "a single pass"),
        ("smothed:8", "did you mean 'smoothed'"),
    ],
)
def test_an_accounting_that_cannot_be_used_is_refused_before_any_work(
    capsys: pytest.CaptureFixture[str], isolated: Path, text: str, rule: str
) -> None:
    assert main([*LADDER, "--to", "10crop", "--accounting", text]) == 2
    assert rule in capsys.readouterr().err
    assert not (isolated / "results" / "runs").exists()


def test_fair_shares_are_printed_with_the_number_of_orders(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, *LADDER, "--to", "10crop", "--shapley")
    assert "averaged over 2 orders" in out
    assert "mirror images" in out


def test_a_plan_runs_nothing(capsys: pytest.CaptureFixture[str], isolated: Path) -> None:
    out, err = said(capsys, *LADDER, "--to", "multiscale", "--plan")
    assert err == ""
    assert "22 distinct views" in out
    assert "scale 40: without -> with" in out
    data = json.loads(said(capsys, *LADDER, "--to", "multiscale", "--plan", "--json")[0])
    assert data["cost"]["views"] == 22
    assert len(data["rungs"]) == 9
    assert list((isolated / "results").iterdir()) == []
    assert not (isolated / "cache" / "chunks").exists()


@pytest.fixture
def runs(isolated: Path) -> list[str]:
    rows = run(colour_patches.asked(isolated / "results", "1crop", "10crop"), colour_patches.CATALOG, Progress())
    return [row["run_id"] for row in rows]


def test_two_runs_are_explained_by_the_ladder_between_them(capsys: pytest.CaptureFixture[str], runs: list[str]) -> None:
    data = json.loads(said(capsys, "explain", *runs, "--json")[0])
    assert [rung["protocol"] for rung in data["rungs"]] == ["1crop", "10crop:flip=false", "10crop"]
    assert [data["rungs"][0]["run_id"], data["rungs"][-1]["run_id"]] == runs


def test_a_network_with_changed_weights_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = said(capsys, *LADDER, "--to", "10crop", "--transform", "redder:by=3", "--json")
    assert {rung["weights"] for rung in json.loads(out)["rungs"]} == {"even, redder:by=3"}


def test_a_run_and_a_printed_figure_leave_something_over(capsys: pytest.CaptureFixture[str], runs: list[str]) -> None:
    out, _ = said(capsys, "explain", runs[0], "he-gh-10c-resnet-50-top1")
    assert "published figure (to): 22.9 % [he-gh-10c-resnet-50-top1]" in out
    assert "other dataset (toy)" in out
    assert "left over: +0.00" not in out


MISTAKES: list[tuple[list[str], str]] = [
    (["explain", "resnet5"], "did you mean 'resnet56'"),
    (["explain", "resnet50", "--from", "1crop"], "given together"),
    (["explain", "resnet50", "--to", "1crop"], "given together"),
    (["explain", "a", "b", "c"], "given one model, two runs, or one network"),
    (["explain", "a", "b", "--from", "1crop", "--to", "10crop"], "given one model, two runs, or one network"),
    (["explain", "resnet50", "--plan"], "--plan to be used only with --from and --to, or with two runs"),
    (["explain", "resnet50", "--shapley"], "--shapley"),
    (["explain", "a", "b", "--all"], "--all to be used only to explain published figures"),
    ([*LADDER, "--to", "10crop", "--plan", "--html", "x.html"], "--html to be used only without --plan"),
    (["explain", "resnet50", "--data", "digits"], "--data"),
    (["explain", "a", "b", "--limit", "5"], "a run is measured with its own options"),
    (["explain", "a", "b", "--top5"], "--top5"),
    (["explain", "a", "b", "--transform", "redder"], "as a run is measured with its own options, got redder (a b)"),
    (["explain", "resnet50", "--transform", "redder"], "--transform to be used only with --from and --to, or with two"),
    ([*LADDER, "--to", "10crop", "--transform", "reder"], "did you mean 'redder'"),
    ([*LADDER, "--to", "10crop", "--top5"], "published figures"),
    ([*LADDER, "--to", "1crop"], "two different protocols"),
    ([*LADDER, "--to", "10crop:sice=3"], "did you mean 'resize'"),
    ([*LADDER, "--to", "he-t4-other-vggv5-top1"], "a top-1 figure"),
    ([*LADDER, "--to", "toy", "--shapley"], "made of known factors"),
    (["explain", "nothere", "northere"], "Unknown run 'nothere'"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=lambda v: " ".join(v[1:]) if isinstance(v, list) else "")
def test_mistakes_are_one_line_and_status_two(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(words) == 2
    streams: Any = capsys.readouterr()
    assert streams.out == ""
    assert len(streams.err.splitlines()) == 1, streams.err
    assert message in streams.err
