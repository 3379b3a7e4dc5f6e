"""Tests of several processes training one network: the same recipe, every test image once, one process that writes."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import failing_training
import numpy as np
import pytest
import torch
import toy_training
from safetensors.torch import load_file

from benchsuite.distributed import process_group
from benchsuite.distributed.process_group import Group, leads
from benchsuite.models.device import own_device
from benchsuite.progress import Progress
from benchsuite.training.job import TrainRequest
from benchsuite.training.run import train

PROGRAM = Path(__file__).parents[1] / "made" / "training_program.py"
RECIPES = ("quiet", "quiet-mixed", "usual", "experiment", "attacked", "resting")
"""The first two are without batch statistics and dropout; ``attacked`` takes gradients of the shared network; blocks of
``resting`` wake in the middle."""


def environment(rank: int, size: int, port: int) -> dict[str, str]:
    """The environment variables that ``torchrun`` sets."""
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    return {**os.environ, **own, **where, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROGRAM.parent)}


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The output of two processes for each of ``RECIPES``, by its name."""
    port, results = free_port(), tmp_path_factory.mktemp("together")
    command = [sys.executable, str(PROGRAM), str(results), ",".join(RECIPES), "0", "60"]
    started = [
        subprocess.Popen(command, env=environment(i, 2, port), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for i in range(2)
    ]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    found = [[json.loads(line) for line in out.splitlines() if line.startswith(b"{")] for out, _ in said]
    return dict(zip(RECIPES, zip(*found, strict=True), strict=True))


@pytest.mark.parametrize("recipe", ["quiet", "quiet-mixed"])
def test_two_processes_without_batch_statistics_train_as_one_does(rows: Any, tmp_path: Path, recipe: str) -> None:
    """The last batch of an epoch has 4 images; of the 21 test images one process evaluates 11, the other 10."""
    together, _ = rows[recipe]
    request = TrainRequest("tiny", recipe, device="cpu", precision="fp32", results=tmp_path)
    alone = train(request, toy_training.catalog(), Progress())
    assert together["processes"] == 2
    assert together["run_id"] == alone["run_id"]
    mine, theirs = (load_file(Path(row["path"]) / "last.safetensors") for row in (alone, together))
    for name, tensor in mine.items():
        np.testing.assert_allclose(theirs[name].numpy(), tensor.numpy(), rtol=2e-3, atol=2e-5, err_msg=name)
    kept = [np.load(Path(row["path"]) / "correct.npz") for row in (alone, together)]
    assert int(kept[1]["n"]) == 21
    assert np.array_equal(kept[0]["bits"], kept[1]["bits"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_agree_on_one_network_that_one_of_them_writes(rows: Any, recipe: str) -> None:
    first, second = ({k: v for k, v in r.items() if k not in ("seconds", "images_per_second")} for r in rows[recipe])
    assert first == second
    names = sorted(p.name for p in Path(first["path"]).iterdir())
    assert names == ["correct.npz", "epochs.parquet", "last.safetensors", "manifest.json"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_parts_of_a_batch_are_every_image_once(size: int) -> None:
    for count in (0, 1, 5, 21):
        parts = [list(range(count))[Group(rank, size).share(count)] for rank in range(size)]
        assert sorted(i for part in parts for i in part) == list(range(count))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_process_alone_leads_and_takes_the_device_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not process_group.under_torchrun()
    assert leads()
    assert own_device("cuda") == "cuda"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for name, value in environment(1, 2, 1).items():
        monkeypatch.setenv(name, value)
    assert process_group.under_torchrun()
    assert not leads()
    assert own_device("cuda") == "cuda:1"
    assert own_device("cpu") == "cpu"
    assert dataclasses.asdict(Group()) == {"rank": 0, "size": 1}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ``group`` asks of torch as process 1 of 2, in order; nothing is done."""
    found: list[Any] = []
    for name, value in environment(1, 2, 1).items():
        monkeypatch.setenv(name, value)
    answers = {"is_initialized": False, "get_rank": 1, "get_world_size": 2}
    for name, answer in answers.items():
        monkeypatch.setattr(torch.distributed, name, lambda answer=answer: answer)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: found.append(("set_device", device)))
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, **options: found.append((backend, options))
    )
    monkeypatch.setattr(process_group.atexit, "register", lambda function: None)
    return found


def test_processes_on_gpus_each_take_their_own_before_they_meet(calls: list[Any]) -> None:
    """Otherwise the tensors of ``collect`` and ``wait`` would be on the first GPU in all processes."""
    with process_group.group("cuda:1") as group:
        assert group == Group(1, 2)
    assert calls == [("set_device", "cuda:1"), ("nccl", {"device_id": torch.device("cuda", 1)})]


def test_processes_on_cpus_meet_without_a_device(calls: list[Any]) -> None:
    with process_group.group("cpu") as group:
        assert group == Group(1, 2)
    assert calls == [("gloo", {})]


@pytest.mark.parametrize("buffers", [True, False])
@pytest.mark.parametrize("name", ["broadcast_buffers", "forward_sync_buffers"])
def test_the_option_of_buffers_has_the_name_that_this_version_of_torch_knows(
    monkeypatch: pytest.MonkeyPatch, name: str, buffers: bool
) -> None:
    def older(module: Any, device_ids: Any = None, broadcast_buffers: bool = True) -> Any:
        return module, device_ids, {"broadcast_buffers": broadcast_buffers}

    def newer(
        module: Any, device_ids: Any = None, broadcast_buffers: Any = None, forward_sync_buffers: Any = None
    ) -> Any:
        assert broadcast_buffers is None, "it would warn"
        return module, device_ids, {"forward_sync_buffers": forward_sync_buffers}

    stand_in = older if name == "broadcast_buffers" else newer
    monkeypatch.setattr(torch.nn.parallel, "DistributedDataParallel", stand_in)
    assert Group(0, 2).wrap("net", "cuda:1", buffers) == ("net", [torch.device("cuda", 1)], {name: buffers})
    assert Group(0, 2).wrap("net", "cpu", buffers) == ("net", None, {name: buffers})


CARDS = Path(__file__).parents[1] / "made" / "pretended_cards.py"


def launched(*words: str) -> subprocess.Popen[str]:
    """Two processes that ``torchrun`` starts on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CARDS.parent), "PYTHONWARNINGS": "default"}
    return subprocess.Popen([*launcher, *words], env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_under_torchrun_each_process_evaluates_and_trains_on_a_card_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two pretended cards; one process alone comes to the same bytes and, without batch statistics, weights."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    with monkeypatch.context() as both:  # each process waits in its first chunk until the other has begun one too
        both.setenv("SPECKS_LOG", str(log))
        both.setenv("SPECKS_GATE", str(gate))
        command = launched(str(CARDS), str(tmp_path / "both"))
    end = time.monotonic() + 120
    while len({line.split()[1] for line in log.read_text().splitlines()} if log.exists() else ()) < 2:
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    gate.touch()
    out, err = command.communicate(timeout=120)
    assert command.returncode == 0, err
    assert "FutureWarning" not in err, "torch renamed an option of its DistributedDataParallel"
    found = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert sorted(one["run"] for one in found) == [["cuda:0"], ["cuda:1"]]
    assert all(one["loads"] == one["run"] for one in found)
    assert sorted(one["train"] for one in found) == [["cuda:0"], ["cuda:1"]]
    (rows,) = (one["rows"] for one in found if one["rows"])
    assert [row["n"] for row in rows] == [1100]
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setenv("PYTHONPATH", str(CARDS.parent))
    alone = subprocess.run(
        [sys.executable, str(CARDS), str(tmp_path / "alone")], capture_output=True, text=True, timeout=240, check=False
    )
    assert alone.returncode == 0, alone.stderr
    one = json.loads(alone.stdout)
    mine, theirs = (Path(row["path"]) / "predictions.parquet" for row in (one["rows"][0], rows[0]))
    assert mine.read_bytes() == theirs.read_bytes()
    first, second = (load_file(Path(o["trained"]["path"]) / "last.safetensors") for o in (one, found[0]))
    for name, tensor in first.items():
        np.testing.assert_allclose(second[name].numpy(), tensor.numpy(), rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("fails", ["all", "second"])
def test_an_error_under_torchrun_is_one_line_and_ends_all(tmp_path: Path, fails: str) -> None:
    """Also if the others then lose their connection to the one that failed."""
    lost, unknown = failing_training.REASON, "Unknown recipe of resnet20 'nosuch': known: "
    words = ["-m", "benchsuite", "train", "resnet20", "--recipe", "nosuch", "--results"]
    command = launched(*(words if fails == "all" else [failing_training.__file__]), str(tmp_path))
    _, err = command.communicate(timeout=120)
    assert command.returncode == 1
    said = [line for line in err.splitlines() if line.startswith("benchsuite: ")]
    said = [line for line in said if not any(word in line for word in ("reading ", "training "))]  # progress
    assert len(said) == 1, err
    assert said[0].startswith(f"benchsuite: {unknown if fails == 'all' else lost}")
