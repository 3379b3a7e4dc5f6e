"""Tests of ``benchsuite.sweep``: a dictionary in place of a file, states, and the finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_evaluation import WITH_ENTRY_POINTS
from toys import TOP1_ERRORS

import benchsuite
from benchsuite import BadParameter

CELLS: dict[str, Any] = {"architectures": "toy", "protocols": ["1crop", "10crop"], "data": "toy", "device": "cpu"}
HERE: Any = {"catalog": WITH_ENTRY_POINTS, "progress": False}


@pytest.fixture(autouse=True)
def toys_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What computes a cell finds the toys too."""
    monkeypatch.setattr("benchsuite.runs.sweep.load_plugins", lambda: WITH_ENTRY_POINTS)


def test_a_dictionary_is_swept_like_a_file(tmp_path: Path) -> None:
    planned = benchsuite.sweep(CELLS, dry_run=True, **HERE)
    assert planned.table["state"].tolist() == ["to do", "to do"]
    heard: list[str] = []
    found = benchsuite.sweep(CELLS, report=lambda spec, cell, state: heard.append(state.state), **HERE)
    assert [run.top1_errors for run in found.runs] == [TOP1_ERRORS["1crop"], TOP1_ERRORS["10crop"]]
    assert heard[-1] == "done"
    file = tmp_path / "toys.toml"
    file.write_text('architectures = "toy"\nprotocols = ["1crop", "10crop"]\ndata = "toy"\ndevice = "cpu"\n')
    again = benchsuite.sweep(file, **HERE)
    assert again.table["state"].tolist() == ["answered", "answered"]
    assert again.table["run_id"].tolist() == found.table["run_id"].tolist()
    assert repr(again).splitlines()[0] == "toys: 2 answered; top-1 error 20.00 to 40.00 %"


def test_a_failed_cell_keeps_its_error_and_the_others_are_done() -> None:
    cells = CELLS | {"architectures": ["toy", "torchvision:vit_b_16"], "protocols": "fullconv"}
    found = benchsuite.sweep(cells, **HERE)
    assert len(found.failed) == len(found.runs) == 1
    (error,) = found.failed.values()
    assert "torchvision:vit_b_16" in error
    assert error in repr(found)


def test_a_wrong_key_is_an_error_of_one_line() -> None:
    with pytest.raises(BadParameter, match="protocol"):
        benchsuite.sweep({"architectures": "toy", "protocoll": "1crop"}, **HERE)
