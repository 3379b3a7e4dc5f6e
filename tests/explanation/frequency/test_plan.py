"""Tests of the plan of a frequency analysis: its radii, its runs, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wave_pictures import CATALOG, N, asked

from benchsuite import BadParameter, DataError, UnknownName
from benchsuite.explanation.frequency.plan import RADII, flat, make_plan, parse_radii, scaled
from benchsuite.progress import Progress
from benchsuite.runs.run import run


def test_the_radii_are_the_articles_for_32_pixels_and_in_proportion_otherwise() -> None:
    assert [scaled(r, 32) for r in RADII] == [4, 8, 12, 16, 20, 24, 28]
    assert [scaled(r, 224) for r in RADII] == [28, 56, 84, 112, 140, 168, 196]
    assert [scaled(r, 28) for r in RADII] == [4, 7, 11, 14, 18, 21, 25]


@given(st.integers(1, 64), st.integers(1, 600))
def test_a_scaled_radius_is_the_nearest_whole_number(radius: int, side: int) -> None:
    assert abs(scaled(radius, side) - radius * side / 32) <= 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4,-1", "0 or more, got -1"),
        ("4,8,4", "different numbers, got 4 twice"),
        ("four", "whole numbers of waves per side, 0 or more, got four"),
        ("2.5", "got 2.5"),
        ("", "got nothing"),
        ("4,", "got nothing"),
    ],
)
def test_radii_that_cannot_be_used_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        parse_radii(text)


def test_the_runs_filter_the_protocol_of_the_run_and_share_its_options(tmp_path: Path) -> None:
    (row,) = run(asked(tmp_path, "10crop:flip=false", limit=10), CATALOG, Progress())
    plan = make_plan(asked(tmp_path), row["run_id"], CATALOG, (2, 5), 3)
    assert plan.clean.run_id == row["run_id"]
    labels = [q.bound.label for q in plan.in_one_pass]
    of = "of=10crop(flip=false)"
    wanted = [f"{kind}:r={r},{of}" for r in (2, 3, 5) for kind in ("lowpass", "highpass")]
    assert labels == ["10crop:flip=false", *wanted]
    assert {len(q.samples) for q in plan.in_one_pass} == {10}
    assert [q.bound.label for q in plan.under_attack] == ["10crop:flip=false", f"pgd:eps=8/255,{of}"]
    assert plan.view.crop is not None
    assert plan.view.crop.position == "center"
    assert plan.attacked_view is not None
    assert plan.attacked_view.crop == plan.view.crop


def test_a_network_without_a_run_is_tested_under_one_crop(tmp_path: Path) -> None:
    run(asked(tmp_path, "1crop", "10crop"), CATALOG, Progress())
    plan = make_plan(asked(tmp_path, limit=8), "waves", CATALOG)
    assert plan.clean.bound.label == "1crop"
    assert len(plan.clean.samples) == 8
    assert [step.radius for step in plan.filtered] == [2, 3, 5, 6, 8, 9, 11]
    assert plan.radius == 5


def test_many_images_are_attacked_in_part_and_of_large_crops_fewer_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.explanation.frequency.plan.ATTACKED", 10)
    plan = make_plan(asked(tmp_path), "waves", CATALOG)
    assert [len(q.samples) for q in plan.under_attack] == [10, 10]
    assert len(plan.measured) == 10
    monkeypatch.setattr("benchsuite.explanation.frequency.plan.MEASURED", 4)
    assert len(make_plan(asked(tmp_path), "waves", CATALOG).measured) == 10
    monkeypatch.setattr("benchsuite.explanation.frequency.plan.LARGE", 11)
    measured = make_plan(asked(tmp_path), "waves", CATALOG).measured
    assert len(measured) == 4
    assert set(measured) <= set(plan.under_attack[0].samples)
    assert len(make_plan(asked(tmp_path), "waves", CATALOG).clean.samples) == N


def test_a_run_of_whole_images_is_filtered_but_not_attacked(tmp_path: Path) -> None:
    (row,) = run(asked(tmp_path, "fullconv"), CATALOG, Progress())
    plan = make_plan(asked(tmp_path), row["run_id"], CATALOG)
    assert plan.under_attack == []
    assert plan.attacked_view is None
    assert plan.left_out.startswith("fullconv shows whole images")
    assert len(plan.in_one_pass) == 15
    assert "whole images" in flat(plan)["left_out"]


def test_a_plan_as_json_says_what_is_finished(tmp_path: Path) -> None:
    (row,) = run(asked(tmp_path, "1crop"), CATALOG, Progress())
    data = flat(make_plan(asked(tmp_path), row["run_id"], CATALOG, (2, 5), 5))
    assert [(r["protocol"], r["finished"]) for r in data["runs"]] == [
        ("1crop", True),
        *((f"{kind}:r={r}", False) for r in (2, 5) for kind in ("lowpass", "highpass")),
        ("pgd:eps=8/255", False),
    ]
    assert (data["views"], data["images"], data["measured"]) == (4, N, N)
    assert all(r["command"].startswith("benchsuite run waves -p") for r in data["runs"])


def test_runs_that_cannot_be_analysed_are_refused(tmp_path: Path) -> None:
    (filtered,) = run(asked(tmp_path, "lowpass"), CATALOG, Progress())
    two = asked(tmp_path, "ensemble")
    (ensemble,) = run(
        type(two)(("waves", "plain"), two.protocols, data="waves", device="cpu", results=tmp_path), CATALOG, Progress()
    )
    with pytest.raises(BadParameter, match="one network, got waves\\+plain"):
        make_plan(asked(tmp_path), ensemble["run_id"], CATALOG)
    with pytest.raises(BadParameter, match="does not change pixels, got lowpass"):
        make_plan(asked(tmp_path), filtered["run_id"], CATALOG)
    with pytest.raises(UnknownName, match="Unknown run 'wafes'"):
        make_plan(asked(tmp_path), "wafes", CATALOG)


def test_a_run_whose_data_are_gone_is_one_error(tmp_path: Path) -> None:
    (row,) = run(asked(tmp_path, "1crop", data="waves:here"), CATALOG, Progress())
    folder = tmp_path / "runs" / row["run_id"]
    text = (folder / "manifest.json").read_text().replace("waves:here", "waves:gone")
    (folder / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="Expected waves:PATH to be a folder"):
        make_plan(asked(tmp_path), row["run_id"], CATALOG)
    shutil.rmtree(folder)
    with pytest.raises(UnknownName):
        make_plan(asked(tmp_path), row["run_id"], CATALOG)
