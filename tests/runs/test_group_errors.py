"""Tests of errors by groups of images in a run: counted by plain loops, with --limit, and after an interruption."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from colour_patches import N, asked
from grouped_patches import BASELINE, CATALOG, NAMES, PLUGIN, grouped

import benchsuite
from benchsuite import DataError
from benchsuite.explanation import comparison
from benchsuite.progress import Progress
from benchsuite.report import export
from benchsuite.report.content import read
from benchsuite.report.sources import sources
from benchsuite.runs.query import load_predictions, query
from benchsuite.runs.run import run
from benchsuite.storage.run_folder import compact, read_columns


def evaluated(results: Path, *protocols: str, **fields: Any) -> list[dict[str, Any]]:
    return run(asked(results, *(protocols or ("1crop",)), **{"data": "grouped", **fields}), CATALOG, Progress())


def by_hand(row: dict[str, Any], names: tuple[str, ...] = NAMES) -> dict[tuple[str, ...], tuple[int, int, int]]:
    """The counts of each group by a loop over the predictions, with groups from the ids."""
    columns = read_columns(Path(row["path"]))
    found = Counter[tuple[tuple[str, ...], str]]()
    for name, rank in zip(columns["id"].tolist(), columns["rank"].tolist(), strict=True):
        values = grouped(int(name[1:]))[: len(names)]
        found[values, "n"] += 1
        found[values, "1"] += rank > 0
        found[values, "5"] += rank > 4
    return {values: (found[values, "n"], found[values, "1"], found[values, "5"]) for values, _ in found}


def counts(row: dict[str, Any], names: tuple[str, ...] = NAMES) -> dict[tuple[str, ...], tuple[int, int, int]]:
    return {
        tuple(group[name] for name in names): (group["n"], group["top1_errors"], group["top5_errors"])
        for group in row["groups"]
    }


def test_each_group_has_the_counts_of_a_plain_loop_and_they_add_up(tmp_path: Path) -> None:
    for row in evaluated(tmp_path, "1crop", "10crop"):
        assert row["group_names"] == list(NAMES)
        assert counts(row) == by_hand(row)
        assert len(row["groups"]) == 6
        assert sum(group["n"] for group in row["groups"]) == row["n"] == N
        assert sum(group["top1_errors"] for group in row["groups"]) == row["top1_errors"] > 0
        columns = read_columns(Path(row["path"]))
        assert list(zip(columns["group_light"], columns["group_place"], strict=True)) == [grouped(i) for i in range(N)]


def test_a_run_without_groups_has_no_word_of_them(tmp_path: Path) -> None:
    (row,) = evaluated(tmp_path, data="grouped:none")
    assert not {"groups", "group_names", "relative_error"} & set(row)
    manifest = json.loads((Path(row["path"]) / "manifest.json").read_text())
    assert "groups" not in manifest
    assert "groups" not in manifest["asked"]["question"]
    assert not any(name.startswith("group_") for name in read_columns(Path(row["path"])))


def test_other_groups_of_the_same_images_are_another_run_from_the_same_logits(tmp_path: Path) -> None:
    rows = [evaluated(tmp_path, data=data)[0] for data in ("grouped:none", "grouped:light", "grouped")]
    assert len({row["run_id"] for row in rows}) == 3
    assert [row["images_per_second"] is None for row in rows] == [False, True, True]
    assert counts(rows[1], NAMES[:1]) == by_hand(rows[1], NAMES[:1])
    (again,) = evaluated(tmp_path)
    assert again["cached"]
    assert again["groups"] == rows[2]["groups"]


def test_a_limited_run_counts_the_groups_of_its_images(tmp_path: Path) -> None:
    (row,) = evaluated(tmp_path, limit=4)
    assert counts(row) == by_hand(row)
    assert sum(group["n"] for group in row["groups"]) == 4


def test_an_interrupted_run_goes_on_and_counts_every_image_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.evaluator.CHUNK", 10)
    with monkeypatch.context() as patch:
        patch.setattr(PLUGIN, "breaks_at", "p27")
        with pytest.raises(KeyboardInterrupt):
            evaluated(tmp_path, batch_size=5)
    assert not list(tmp_path.glob("runs/*/manifest.json"))
    (row,) = evaluated(tmp_path, batch_size=5)
    manifest = json.loads((Path(row["path"]) / "manifest.json").read_text())
    assert 0 < manifest["images_computed"] < N, "the chunks of the first try are used"
    assert counts(row) == by_hand(row)
    assert row["n"] == N


def test_an_error_relative_to_a_reference_is_a_mean_of_ratios(tmp_path: Path) -> None:
    (row,) = evaluated(tmp_path, data="related")
    ratios = []
    for light, reference in BASELINE.errors:
        own = [Fraction(wrong, n) for (value, _), (n, wrong, _) in by_hand(row).items() if value == light]
        ratios.append(sum(own) / 3 / reference)
    assert row["relative_error"] == {
        "name": "relative error",
        "by": "light",
        "cells": 3,
        "source": "an example",
        "value": float(100 * sum(ratios) / 2),
        "missing": [],
    }
    (limited,) = evaluated(tmp_path, data="related", limit=2)
    assert limited["relative_error"]["value"] is None
    assert limited["relative_error"]["missing"] == ["day", "night"]


def test_a_sample_without_a_value_for_each_group_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grouped_patches.grouped", lambda number: ("day",) if number == 7 else grouped(number))
    with pytest.raises(DataError, match=r"the groups to be a value for each of light, place, got \('day',\) \(.*p07"):
        evaluated(tmp_path)


def test_compact_predictions_keep_their_groups(tmp_path: Path) -> None:
    (row,) = evaluated(tmp_path)
    before = read_columns(Path(row["path"]))["group_place"].tolist()
    compact(Path(row["path"]))
    assert read_columns(Path(row["path"]))["group_place"].tolist() == before


def test_groups_can_be_queried(tmp_path: Path) -> None:
    (row,) = evaluated(tmp_path, data="related")
    evaluated(tmp_path, data="grouped:none")
    nights = sum(grouped(i)[0] == "night" for i in range(N))
    assert (load_predictions(tmp_path)["group_light"] == "night").sum() == nights
    words = "group_light, sum((rank > 0)::int)::int as wrong from predictions where group_light = 'night' group by all"
    wrong = sum(counted for (light, _), (_, counted, _) in by_hand(row).items() if light == "night")
    assert query(f"select {words}", tmp_path).to_dict("records") == [{"group_light": "night", "wrong": wrong}]
    words = "group_names, relative_error, relative_error_name from runs where group_names is not null"
    assert query(f"select {words}", tmp_path).to_dict("records") == [
        {
            "group_names": "light+place",
            "relative_error": row["relative_error"]["value"],
            "relative_error_name": "relative error",
        }
    ]


def test_a_comparison_counts_the_images_that_changed_by_group(tmp_path: Path) -> None:
    rows = evaluated(tmp_path, "1crop", "1crop:resize=24,crop=14")
    runs = [comparison.open_run(tmp_path, row["run_id"]) for row in rows]
    found = comparison.compare(*runs)
    wrong = [run.columns["rank"] > 0 for run in runs]
    assert found.top1.fixed + found.top1.broken > 0
    assert [name for name, _ in found.groups] == list(NAMES)
    for place, (_, changes) in enumerate(found.groups):
        for change in changes:
            own = [(a, b) for i, (a, b) in enumerate(zip(*wrong, strict=True)) if grouped(i)[place] == change.label]
            assert (change.n, change.fixed, change.broken) == (
                len(own),
                sum(a and not b for a, b in own),
                sum(b and not a for a, b in own),
            )
        assert sum(change.fixed for change in changes) == found.top1.fixed
    assert comparison.flat(found)["groups"]["light"][0]["label"] in ("day", "night")
    shown = benchsuite.compare(rows[0]["run_id"], rows[1]["run_id"], results=tmp_path)
    assert isinstance(shown, benchsuite.api.comparison.PairedComparisons)
    assert "groups" not in shown.table.columns
    assert shown.groups.groupby("group")["fixed"].sum().to_dict() == dict.fromkeys(NAMES, found.top1.fixed)
    everything = benchsuite.compare(rows[0]["run_id"], rows[1]["run_id"], every=True, results=tmp_path)
    (section,) = [s for s in everything.below() if "values of light" in str(s)]
    head, values = section.cells()
    assert head[:2] == ["light", "images"]
    assert {value[0] for value in values} == {"day", "night"}
    assert any(line == "values of light that changed most, of 2 that changed: --all" for line in shown.lines())


def test_a_report_has_the_groups_in_its_page_its_tables_and_its_csv(tmp_path: Path) -> None:
    (row,) = evaluated(tmp_path, data="related")
    report = read(sources(tmp_path, (row["run_id"],)))
    page = tmp_path / "page.html"
    benchsuite.write_report(row["run_id"], html=page, results=tmp_path, progress=False)
    assert "By group" in page.read_text()
    assert "place b" in page.read_text()
    assert export.as_json(report)["runs"][0]["groups"] == row["groups"]
    lines = list(csv.DictReader(io.StringIO(export.as_csv(report))))
    assert [line["table"] for line in lines] == ["run"] + ["group"] * 6
    assert {
        (line["group_light"], line["group_place"]): tuple(int(line[k]) for k in ("n", "top1_errors", "top5_errors"))
        for line in lines[1:]
    } == by_hand(row)
    assert float(lines[0]["relative_error_value"]) == row["relative_error"]["value"]
    for paper in (export.markdown(report, "Title"), export.latex(report, "Title")):
        assert "place b" in paper
        assert "by light" in paper
        assert "relative error" in paper


def test_every_way_to_print_a_run_shows_its_groups(tmp_path: Path) -> None:
    shared: Any = {"data": "related", "device": "cpu", "catalog": CATALOG, "progress": False, "results": tmp_path}
    one = benchsuite.evaluate("patches", **shared)
    assert "errors by light and place: --all" in repr(one)
    whole = benchsuite.evaluate("patches", every=True, **shared)
    for shown in (repr(whole), whole._repr_html_(), repr(benchsuite.evaluate(["patches"], every=True, **shared))):
        assert "patches 1crop, by group" in shown
        assert "place c" in shown
    assert "relative error" in repr(one)
    page = repr(benchsuite.show(one.run_id, every=True, results=tmp_path, catalog=CATALOG))
    assert "by light and place" in page
    (line,) = csv.DictReader(io.StringIO(CATALOG.reporters["csv"].render([one.row])))
    assert line["groups"].count("+") == 5
    assert line["group_names"] == "light+place"
    assert line["relative_error_missing"] == ""
