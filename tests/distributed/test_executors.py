"""Tests of where jobs run: on this machine, on SLURM, on Ray."""

from __future__ import annotations

import pytest

from benchsuite import BenchsuiteError, DataError, UnknownName
from benchsuite.distributed.executors import check, local


def test_places_are_known_and_their_packages_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="did you mean 'slurm'"):
        check("slurmm")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(BenchsuiteError, match=r"pip install 'benchsuite\[ray\]'"):
        check("ray")


def test_here_an_error_of_one_lot_is_an_event_and_the_next_one_runs() -> None:
    def work(lot: int) -> int:
        if lot == 1:
            raise DataError("no")
        return 10 * lot

    assert list(local([0, 1, 2], work)) == [
        (0, "running", None),
        (0, "done", 0),
        (1, "running", None),
        (1, "failed", "no"),
        (2, "running", None),
        (2, "done", 20),
    ]
