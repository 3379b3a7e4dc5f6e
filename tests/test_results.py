"""Tests of the committed results: tables match their runs, folders are small, no machine is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchsuite import load_plugins
from benchsuite.cli import main
from benchsuite.report import committed_runs
from benchsuite.report.results_pages import pages_in
from benchsuite.report.results_tables import KINDS
from benchsuite.specs.architecture import Architecture
from benchsuite.training.job import cells, scaled

RESULTS = Path(__file__).parents[1] / "results"
FOLDERS = sorted({path.parent for path in RESULTS.glob("*/README.md")})
MOST = 1.5e6
"""Bytes of a committed result, with its predictions."""


def test_every_table_is_what_the_runs_beside_it_say(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["tables", "--check", "--results", str(RESULTS)])
    assert status == 0, capsys.readouterr().out


def test_the_tables_of_the_readme_are_too(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["tables", "--check", "--results", str(RESULTS), str(RESULTS.parent / "README.md")])
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_result_is_small_and_holds_predictions_but_no_images_or_weights(folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in files if path.suffix != ".safetensors"]
    assert sum(path.stat().st_size for path in kept) < MOST
    assert {path.suffix for path in kept} <= {".md", ".json", ".parquet", ".npz", ".csv", ".svg"}


def test_no_committed_run_names_a_path_of_a_machine() -> None:
    assert committed_runs.committed(RESULTS)
    assert [found.path for found in committed_runs.files_with_paths(RESULTS)] == []
    for path in RESULTS.glob("*/**/*"):
        if path.suffix in (".parquet", ".npz", ".csv", ".svg"):
            assert not re.search(rb"/(home|root|work|tmp|Users)/", path.read_bytes()), path


def test_committed_cells_of_a_grid_say_what_the_grid_says_of_them_and_how_they_are_made_again() -> None:
    """No number is published for a cell, except for the cell that equals its recipe; those of HFC are not verified."""
    networks = [a for a in load_plugins(entry_points=False).architectures.values() if isinstance(a, Architecture)]
    words, grids = {}, {}
    for architecture in networks:
        recipes = {r.name: r for r in architecture.recipes}
        for grid in architecture.grids:
            for cell in (scaled(cell, "mini") for _, cell in cells(grid, recipes[grid.recipe])):
                words[cell.name], grids[cell.name] = cell, grid.name
    found = [json.loads(path.read_text(encoding="utf-8")) for path in RESULTS.glob("*/training/*/manifest.json")]
    found = [manifest for manifest in found if manifest["recipe"]["name"] in words]
    assert len(found) == 24 + 43
    for manifest in found:
        told, name = manifest["recipe"], manifest["recipe"]["name"]
        for field in ("source", "expected", "cost", "note"):
            assert told[field] == getattr(words[name], field)
        hfc = name.startswith("hfc-")
        options = f"--seed {told['seed']}" if hfc else "--data cifar10:PATH"
        assert manifest["command"] == f"benchsuite train --grid {grids[name]} {options} --scale mini"
        assert not hfc or told["expected"] == "no number in print" or told["expected"].startswith("not verified")
    claims = {m["recipe"]["name"] for m in found if m["recipe"]["expected"][:3] not in ("no ", "not")}
    assert claims == {"pnn-dispute-sgd-0.5-150-learned-there@mini"}


def test_every_kind_of_table_is_explained() -> None:
    page = (RESULTS / "README.md").read_text(encoding="utf-8").replace("\\|", "|")
    for name, kind in KINDS.items():
        usage = (kind.__doc__ or "").partition("``: ")[0].strip("`")
        assert usage.split()[0] == name
        assert f"| `{usage}` |" in page, usage
    assert "| `printed MODEL [BEGINNING...]` |" in page


def test_every_link_of_a_page_leads_somewhere() -> None:
    for page in pages_in(RESULTS):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page}: {link}"
