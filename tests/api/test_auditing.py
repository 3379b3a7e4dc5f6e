"""Tests of ``benchsuite.audit``: the table of a run, and a claim without one."""

from __future__ import annotations

from typing import Any

import pytest
from toys import ToyPlugin

import benchsuite
from benchsuite import BadParameter

CATALOG = benchsuite.load_plugins(entry_points=False, extra=[ToyPlugin()])


def test_a_run_is_counted_under_every_accounting() -> None:
    options: Any = {"catalog": CATALOG, "data": "toy", "device": "cpu", "progress": False}
    run = benchsuite.evaluate("toy", "1crop", **options)
    found = benchsuite.audit(run, batch_sizes=[2], orders=10, draws=10)
    exact = found.table.set_index("accounting").loc["exact"]
    assert (exact["printed"], exact["off"]) == (60.0, 0.0)
    assert found.record == benchsuite.audit(run.run_id, batch_sizes=[2], orders=10, draws=10).record
    assert repr(found).startswith(f"{run.run_id}: 60.00 % of the images are right; published accountings print ")
    assert "exact: 3 right of 5, 60.00 [" in repr(found)
    assert found.claims.empty


def test_a_claim_needs_no_run() -> None:
    found = benchsuite.audit(claim="90.53", accuracy="85.91", batch_sizes=[10], epochs=3, draws=20)
    assert found.table.empty
    assert set(found.claims["batch_size"]) == {10}
    assert repr(found).startswith("90.53 % or more is printed at least half of the time by ")
    assert len(found.cells()[1]) < len(found.claims)
    every = benchsuite.audit(claim="90.53", accuracy="85.91", batch_sizes=[10], epochs=3, draws=20, every=True)
    assert len(every.cells()[1]) == len(every.claims)
    with pytest.raises(BadParameter, match="Expected --claim to be a percentage"):
        benchsuite.audit(claim="high", accuracy="85.91")
