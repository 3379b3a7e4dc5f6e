"""Tests of where jobs run: on this machine, on SLURM, on Ray."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fragile_jobs
import pytest

from benchsuite import BadParameter, BenchsuiteError, DataError
from benchsuite.distributed import executors
from benchsuite.distributed.executors import local, opened
from benchsuite.distributed.places import Place


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


def test_a_job_of_slurm_that_dies_with_its_node_is_begun_again_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By submitit's executor for one machine: every job is a process."""
    core = pytest.importorskip("submitit.core.core", reason="the extra slurm is not installed")
    monkeypatch.setattr(executors, "PAUSE", 0.05)
    monkeypatch.setattr(core.Job, "_results_timeout_s", 0)  # it waits 15 seconds for slow disks
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(fragile_jobs.__file__).parent), os.environ.get("PYTHONPATH", "")])
    )
    attempts = tmp_path / "attempts"
    attempts.mkdir()
    place = Place("slurm", {"cluster": "local", "timeout_min": 5, "folder": str(tmp_path / "jobs")})
    with opened(place, tmp_path / "unused", gpus=False) as executor:
        ends = [
            event for event in executor.submit(str(attempts), range(4), fragile_jobs.fragile) if event[1] != "running"
        ]
    good, failed = sorted(ends)[:3], sorted(ends)[3]
    assert good == [(0, "done", 0), (1, "done", 10), (2, "done", 20)]
    assert failed == (3, "failed", "ValueError: three is too many")
    assert sorted(path.name[0] for path in attempts.iterdir()) == ["0", "1", "1", "2", "3"]
    assert not (tmp_path / "unused").exists()
    assert {path.suffix for path in (tmp_path / "jobs").iterdir()} <= {".out", ".err", ".sh", ".pkl"}
    assert len(list((tmp_path / "jobs").glob("*.pkl"))) <= 1, "only what the job that died was given"


def test_an_address_that_does_not_answer_is_one_line_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        pytest.raises(BenchsuiteError, match=rf"--on ray to be given the address .* got {address}: .*refused"),
        opened(Place("ray", {"address": address}), tmp_path, gpus=False),
    ):
        pytest.fail("there is no cluster")


class PretendedRay:
    """A cluster of two machines with eight GPUs and 32 cores each; it computes here, and speaks as Ray does."""

    def __init__(self, **resources: float) -> None:
        self.resources, self.asked, self.open = resources, list[dict[str, Any]](), False

    def is_initialized(self) -> bool:
        return self.open

    def init(self, **_: Any) -> None:
        self.open = True
        print("\x1b[33m(raylet)\x1b[0m Raylet is terminated. Termination is unexpected.\n    a page of logs")

    def shutdown(self) -> None:
        self.open = False

    def cluster_resources(self) -> dict[str, float]:
        return self.resources

    def put(self, value: Any) -> Any:
        return value

    def remote(self, work: Any) -> Any:
        def options(**given: Any) -> Any:
            self.asked.append(given)
            return SimpleNamespace(remote=lambda *values: (work, *values))

        return SimpleNamespace(options=options)

    def wait(self, pending: list[Any], num_returns: int) -> tuple[list[Any], list[Any]]:
        return pending[-num_returns:], pending[:-num_returns]

    def get(self, reference: Any) -> Any:
        work, *values = reference
        return work(*values)


@pytest.mark.parametrize(
    ("resources", "given", "gpus", "asked", "slots", "cores"),
    [
        ({"CPU": 64.0, "GPU": 16.0}, {}, True, {"num_gpus": 1, "num_cpus": 4}, 16, 4),
        ({"CPU": 64.0, "GPU": 16.0}, {"num_gpus": 2, "num_cpus": 3}, True, {"num_gpus": 2, "num_cpus": 3}, 8, 3),
        ({"CPU": 64.0, "GPU": 16.0}, {}, False, {}, 64, 1),
        ({"CPU": 64.0}, {"num_cpus": 8}, True, {"num_cpus": 8}, 8, 8),
        ({}, {}, True, {}, 1, 1),
    ],
)
def test_a_job_on_ray_gets_a_gpu_and_its_share_of_the_cores(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    resources: Any,
    given: Any,
    gpus: bool,
    asked: Any,
    slots: int,
    cores: int,
) -> None:
    module = PretendedRay(**resources)
    monkeypatch.setattr(executors, "package", lambda name: module)
    with opened(Place("ray", given), tmp_path, gpus=gpus) as executor:
        assert (executor.slots, executor.cores) == (slots, cores)
        assert sorted(executor.submit(5, [1, 2], pow)) == [(0, "done", 5), (1, "done", 25)]
    assert module.asked == [{"max_retries": 3, **asked}]
    assert not module.open
    said = capsys.readouterr()
    assert said.out == "", "standard output is for results"
    assert said.err == "benchsuite: ray: (raylet) Raylet is terminated\n"


def test_a_session_of_ray_that_was_there_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = PretendedRay(CPU=1.0)
    module.open = True
    monkeypatch.setattr(executors, "package", lambda name: module)
    with opened(Place("ray"), tmp_path, gpus=True):
        assert module.open
    assert module.open


@pytest.mark.parametrize("name", ["num_cpus", "num_gpus"])
def test_a_share_of_a_node_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(executors, "package", lambda name: PretendedRay(CPU=1.0))
    with (
        pytest.raises(BadParameter, match=f"Expected {name} of ray to be a number, got all"),
        opened(Place("ray", {name: "all"}), tmp_path, gpus=True),
    ):
        pytest.fail("it was opened")
