"""Crews: who leads, how many threads each process uses, and which crew a command gets."""

from __future__ import annotations

import pytest

from benchsuite import BadParameter
from benchsuite.distributed.crew import SpawnedWorker, SpawningLeader, TorchrunWorker, gather


@pytest.fixture
def under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_the_crew_is_the_one_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert gather(1, "name", print, ()).size == 1
    several = gather(3, "name", print, ())
    assert isinstance(several, SpawningLeader)
    assert (several.size, several.leads) == (3, True)
    assert [SpawnedWorker(2, 3, {}).threads(usual) for usual in (1, 6, 7)] == [1, 2, 2]


@pytest.mark.usefixtures("under_torchrun")
def test_under_torchrun_the_crew_is_its_processes_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = gather(1, "name", print, ())
    assert isinstance(crew, TorchrunWorker)
    assert (crew.rank, crew.size, crew.local_size, crew.leads) == (1, 4, 2, False)
    assert crew.threads(8) == 4
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert crew.threads(8) == 8, "there it is meant for each process"
    with pytest.raises(BadParameter, match="torchrun"):
        gather(2, "name", print, ())
