"""Tests of the table of a grid and the effects of its factors, compared with a plain loop over all pairs."""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path

import pytest

from benchsuite import DataError
from benchsuite.report.tables.grids import effects, grid
from benchsuite.training.grid import COLUMNS

FACTORS = {"rate": ("low", "high", "higher"), "noise": ("there", "none"), "level": ("1", "2")}


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*FACTORS, *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(seed: int) -> list[dict[str, str]]:
    """A full factorial in which the level has no effect without noise, and in which one training failed."""
    chance, made = random.Random(seed), dict[str, str]()
    rows = []
    for rate, noise, level in itertools.product(*FACTORS.values()):
        run_id = f"{rate}-{noise}-{level if noise == 'there' else 'any'}"
        errors = made.setdefault(run_id, str(chance.randrange(1000)))
        row = {"rate": rate, "noise": noise, "level": level, "epochs_run": "3", "n": "1000", "top1_errors": errors}
        rows.append(row | {"run_id": run_id, "scale": "mini"})
    lost = rows[1]["run_id"]
    words = "Expected the loss to be a number, got nan"
    return [r | {"top1_errors": "", "n": "", "failed": words} if r["run_id"] == lost else r for r in rows]


@pytest.mark.parametrize("seed", range(5))
def test_effects_are_those_of_pairs_that_differ_in_nothing_else(tmp_path: Path, seed: int) -> None:
    rows = rows_of(seed)
    sheet = effects(table(tmp_path / "toy.csv", rows))
    found = {tuple(c.text for c in line[:3]): tuple(c.text for c in line[3:]) for line in sheet.rows}
    want = {}
    for factor, (first, *rest) in FACTORS.items():
        for level in rest:
            pairs = set()
            for a, b in itertools.product(rows, rows):
                same = all(a[f] == b[f] for f in FACTORS if f != factor)
                done = a["run_id"] != b["run_id"] and not a.get("failed") and not b.get("failed")
                if same and done and (a[factor], b[factor]) == (first, level):
                    pairs.add((a["run_id"], b["run_id"], int(b["top1_errors"]) - int(a["top1_errors"])))
            changes = [change / 10 for *_, change in pairs]
            want[factor, first, level] = (sum(changes) / len(changes), min(changes), max(changes), len(changes))
    assert set(found) == set(want)
    for key, (mean, least, most, count) in want.items():
        got = found[key]
        assert [float(text.replace("\N{MINUS SIGN}", "-")) for text in got[:3]] == pytest.approx(
            [mean, least, most], abs=0.006
        )
        assert got[3] == str(count)
    assert found["level", "1", "2"][3] == "2", "without noise the levels are one training; one with noise failed"


def test_a_level_that_is_never_compared_has_no_line(tmp_path: Path) -> None:
    rows = [row for row in rows_of(1) if row["noise"] == "none" and row["rate"] == "high"]
    assert effects(table(tmp_path / "toy.csv", rows)).rows == ()


def test_the_table_has_a_line_for_every_combination_and_says_which_failed(tmp_path: Path) -> None:
    sheet = grid(table(tmp_path / "toy.csv", rows_of(2)))
    assert len(sheet.rows) == 12
    assert sum("Expected the loss" in line[-1].text for line in sheet.rows) == 1
    assert sheet.remarks == ("scale mini: smaller than the recipe",)


def test_errors_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "toy.csv", [row | {"top1_errors": "many"} for row in rows_of(3)])
    for made in (grid, effects):
        with pytest.raises(DataError, match="whole numbers of images and errors"):
            made(path)
