"""Tests of benchmarks/pixels.py: an exact loader has no difference, and differences are counted as they are."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import scripts

from benchsuite import Sample, Split, load_plugins


@pytest.fixture(scope="module")
def script() -> Any:
    return scripts.loaded("benchmarks/pixels.py")


def test_the_cells_are_those_of_a_plain_count(script: Any) -> None:
    found = script.Difference()
    before = np.zeros((2, 2, 3), np.uint8)
    for changes in ({}, {(0, 0, 0): 5, (1, 1, 2): 1}, {(0, 1, 1): 250}):
        after = before.copy()
        for place, value in changes.items():
            after[place] = value
        found.add(before, after)
    assert found.cells == [f"{100 * 3 / 36:.1f} %", f"{256 / 36:.3f}", "250", "1 of 3"]


def test_it_prints_a_row_for_each_loader(
    script: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = load_plugins(entry_points=False)
    torch = catalog.loaders["torch"]

    def brighter(split: Split, samples: Sequence[Sample], then: Callable[..., Any], workers: int) -> Iterator[Any]:
        assert torch.images is not None
        return torch.images(split, samples, lambda pixels, s: then(np.asarray(pixels) | 1, s), workers)

    loaders = {**catalog.loaders, "odd": dataclasses.replace(torch, name="odd", images=brighter, exact=False)}
    monkeypatch.setattr(script, "load_plugins", lambda: dataclasses.replace(catalog, loaders=loaders))
    monkeypatch.setattr(sys, "argv", ["pixels.py", "digits", "--limit", "6", "--loader", "torch,resident", "odd"])
    script.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert rows[2] == ["torch,resident", "0.0 %", "0.000", "0", "6 of 6"]
    assert rows[3][0] == "odd"
    assert rows[3][4] == "0 of 6"
    assert len(rows) == 4
