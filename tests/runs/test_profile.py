"""Tests of ``--profile``: the times of a pass, and the advice that follows from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_evaluation import CATALOG

from benchsuite.evaluation.question import RunRequest
from benchsuite.evaluation.timing import Seconds
from benchsuite.evaluator import OpenNetwork
from benchsuite.progress import Progress
from benchsuite.report.tables.text import profile_table
from benchsuite.runs import run as running
from benchsuite.runs.profile import begin, profile, profiles, record
from benchsuite.storage.run_folder import read_manifest

SECONDS = {"decode": 2.0, "wait": 1.0, "resize": 1.5, "forward": 8.0, "total": 10.0}


PREPARED = SECONDS | {"prepare": 5.0, "forward": 3.0}


def manifest(
    protocol: str = "1crop", seconds: dict[str, float] = SECONDS, views: int = 1, **numerics: Any
) -> dict[str, Any]:
    """A pass of 100 images in 10 seconds whose network alone needs 5."""
    usual = {"precision": "fp32", "device": "cpu", "loader": "torch", "workers": 2, "batch_size": 8, "compiled": False}
    return {
        "run_id": f"net-{protocol}",
        "architecture": {"name": "net"},
        "protocol": {"label": protocol},
        "members": [{"views": [{}] * views}],
        "seconds": dict(seconds),
        "images_computed": 100,
        "images_per_second": 10.0,
        "numerics": usual | numerics,
        "profile": {"alone": 20.0, "peak_memory": 3 * 2**30, "device_memory": None},
    }


def test_the_parts_of_the_wall_clock_make_up_the_whole() -> None:
    found = profile(manifest())
    assert found["wait"] + found["forward"] + found["other"] == found["total"] == 10
    assert (found["decode"], found["resize"], found["other"]) == (2, 1.5, 1)
    assert (found["images_per_second"], found["forward_alone"], found["of_limit"]) == (10, 20, 0.5)


def test_making_batches_is_neither_the_network_nor_the_rest() -> None:
    found = profile(manifest(seconds=PREPARED))
    assert found["wait"] + found["prepare"] + found["forward"] + found["other"] == found["total"] == 10
    assert (found["prepare"], found["forward"], found["other"]) == (5, 3, 1)


def test_a_run_that_did_not_count_making_batches_still_has_a_profile() -> None:
    found = profile(manifest())
    assert (found["prepare"], found["other"], found["bound"]) == (None, 1, "forward")
    headers, (line,) = profile_table([found])
    assert dict(zip(headers, line, strict=True))["prepare s"] == ""


@pytest.mark.parametrize(
    ("changed", "bound", "said"),
    [
        ({}, "forward", "--precision auto"),
        ({"prepare": 4.0, "forward": 4.0}, "forward", "--precision auto"),
        ({"prepare": 4.1, "forward": 3.9}, "prepare", "--processes 2"),
        ({"prepare": 4.0, "forward": 2.0, "wait": 3.9}, "prepare", "--processes 2"),
        ({"prepare": 3.0, "forward": 2.0, "wait": 4.0}, "decode", "--loader ffcv"),
        ({"wait": 1.49}, "forward", "--compile"),
        ({"wait": 1.51}, "decode", "--loader ffcv"),
        ({"wait": 4.0, "resize": 2.1}, "resize", "Fewer scales"),
    ],
)
def test_what_a_pass_waits_for_decides_the_advice(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, float], bound: str, said: str
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    found = profile(manifest(seconds=SECONDS | changed))
    assert found["bound"] == bound
    assert said in " ".join(found["advice"])


def test_a_host_that_makes_batches_is_advised_more_processes_and_no_larger_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    advice = profile(manifest(seconds=PREPARED, views=10, device="cuda", processes=4))["advice"]
    assert advice[0].startswith("The network waits for the host")
    assert "--processes 8" in advice[1]
    assert "--batch-size" not in " ".join(advice)
    assert len(profile(manifest(seconds=PREPARED, processes=8))["advice"]) == 1, "no core is left for another process"


@pytest.mark.parametrize("changed", [{"prepare": 5.0, "forward": 3.0}, {"wait": 5.0, "forward": 4.0}])
def test_a_device_that_computes_while_the_host_works_is_the_limit(changed: dict[str, float]) -> None:
    made = manifest(seconds=SECONDS | changed, device="cuda")
    made["profile"]["alone"] = 11.0
    assert profile(made)["bound"] == "forward"


@pytest.mark.parametrize(
    ("views", "size", "advised"), [(1, 511, True), (1, 512, False), (10, 512, True), (2, 1024, False)]
)
def test_no_batch_is_advised_that_is_larger_than_a_chunk(views: int, size: int, advised: bool) -> None:
    advice = " ".join(profile(manifest(views=views, device="cuda", batch_size=size))["advice"])
    assert (f"--batch-size above {size}" in advice) == advised


@pytest.mark.parametrize(
    ("worked", "device", "bound"), [(3.0, "cuda", "prepare"), (9.0, "cuda", "decode"), (3.0, "cpu", "decode")]
)
def test_workers_that_rest_while_a_device_waits_mean_that_one_thread_cannot_take_their_images(
    monkeypatch: pytest.MonkeyPatch, worked: float, device: str, bound: str
) -> None:
    """Two workers could have worked for 16 seconds."""
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    seconds = {"decode": worked, "wait": 8.0, "resize": 0.5, "prepare": 0.5, "forward": 1.0, "total": 10.0}
    found = profile(manifest(seconds=seconds, device=device))
    assert found["bound"] == bound
    assert any("--processes 2" in line for line in found["advice"]) is (bound == "prepare")


def test_idle_cores_are_the_first_advice_to_a_pass_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    waiting = SECONDS | {"wait": 5.0}
    assert "--workers 16: 2 are at work" in profile(manifest(seconds=waiting))["advice"][1]
    assert not any("--workers" in words for words in profile(manifest(seconds=waiting, workers=16))["advice"])


def test_cores_that_other_processes_work_on_are_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    waiting = SECONDS | {"wait": 5.0}
    assert "--workers" not in " ".join(profile(manifest(seconds=waiting, workers=2, processes=8))["advice"])
    assert "--workers 4: 2 are at work in each" in profile(manifest(seconds=waiting, processes=4))["advice"][1]


@pytest.mark.parametrize(
    ("numerics", "absent", "said"),
    [
        ({"precision": "bf16"}, "--precision", "--compile"),
        ({"compiled": True}, "--compile", "--precision auto"),
        ({"chosen": [{"precision": "fp32"}]}, "--precision", "--compile"),
        ({"precision": "tf32", "device": "cuda"}, "auto", "--precision bf16 is faster"),
        ({"precision": "fp16"}, "float32", "--precision auto"),
        ({"precision": "fp16", "device": "cuda"}, "--precision", "--batch-size"),
        ({"device": "cuda", "batch_size": 256}, "ffcv", "--batch-size above 256"),
    ],
    ids=str,
)
def test_nothing_is_advised_that_was_done(numerics: dict[str, Any], absent: str, said: str) -> None:
    advice = " ".join(profile(manifest(**numerics))["advice"])
    assert said in advice
    assert absent not in advice


def test_a_check_is_not_advised_to_who_asked_for_it_and_had_too_few_images() -> None:
    few = manifest() | {"asked": {"precision": "auto"}}
    assert "--precision" not in " ".join(profile(few)["advice"])


def test_a_prepared_file_is_not_advised_to_a_pass_that_reads_one() -> None:
    advice = profile(manifest(seconds=SECONDS | {"wait": 5.0}, loader="ffcv"))["advice"]
    assert advice[0].startswith("The network waits for images; decoding")
    assert "ffcv" not in " ".join(advice)


def test_runs_of_one_pass_have_one_profile() -> None:
    other = manifest("fullconv", seconds=SECONDS | {"total": 11.0})
    found = profiles([manifest("1crop"), manifest("10crop"), other])
    assert [one["protocols"] for one in found] == [["1crop", "10crop"], ["fullconv"]]
    assert found[0]["runs"] == ["net-1crop", "net-10crop"]


def test_a_pass_that_computed_nothing_says_how_to_measure() -> None:
    nothing = manifest(seconds=dict.fromkeys(SECONDS, 0.0)) | {"images_computed": 0, "images_per_second": None}
    del nothing["profile"]
    found = profile(nothing)
    assert (found["bound"], found["of_limit"], found["peak_memory"]) == (None, None, None)
    assert "--fresh" in found["advice"][0]
    headers, (line,) = profile_table([found])
    assert len(line) == len(headers)


def test_the_table_rounds_once_and_shows_shares() -> None:
    seconds = SECONDS | {"prepare": 0.5, "forward": 7.5}
    headers, (line,) = profile_table(profiles([manifest("1crop", seconds), manifest("10crop", seconds)]))
    cells = dict(zip(headers, line, strict=True))
    assert cells == {
        "architecture": "net",
        "protocols": "1crop + 10crop",
        "images": "100",
        "decode s": "2.00",
        "resize s": "1.50",
        "wait s": "1.00 (10.0 %)",
        "prepare s": "0.50 (5.0 %)",
        "forward s": "7.50 (75.0 %)",
        "other s": "1.00 (10.0 %)",
        "total s": "10.00",
        "images/s": "10.0",
        "forward alone": "20.0",
        "of it": "0.50",
        "peak GiB": "3.00",
    }


def test_the_limit_is_that_of_all_networks_one_after_the_other(tmp_path: Path) -> None:
    def never(*args: Any) -> Any:
        raise AssertionError

    store: Any = None
    opened = [OpenNetwork(never, (), store, "", busy=lambda s=s: s, seconds=Seconds(images=30)) for s in (1.0, 2.0)]
    assert record(opened, "cpu")["alone"] == 20
    assert record([OpenNetwork(never, (), store, "", busy=lambda: 0.0)], "cpu")["alone"] is None


def test_peak_memory_is_that_of_this_process() -> None:
    before = record([], "cpu")["peak_memory"]
    block = np.ones(2**27, dtype=np.uint8)
    after = record([], "cpu")["peak_memory"]
    assert before > 2**20
    assert block.nbytes * 0.5 < max(after, before) < 2**36
    assert after >= before


class Statistics:
    """The peak memory of two GPUs, in bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.peak = {"cuda:0": 7, "cuda:1": 9}
        self.told: list[str] = []
        monkeypatch.setattr(torch.cuda, "init", lambda: self.told.append("init"))
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", self.peak.get)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)

    def reset(self, device: str) -> None:
        self.told.append(f"reset {device}")
        self.peak[device] = 0


def test_the_peak_of_a_device_is_that_since_its_pass_began(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Statistics(monkeypatch)
    begin("cuda:1")
    assert gpus.told == ["init", "reset cuda:1"]
    gpus.peak["cuda:1"] = 5
    assert record([], "cuda:1")["device_memory"] == 5
    assert record([], "cuda:0")["device_memory"] == 7
    begin("cpu")
    assert record([], "cpu")["device_memory"] is None
    assert len(gpus.told) == 2


def test_every_pass_of_a_run_begins_its_profile_before_a_network_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    opened = running._open
    monkeypatch.setattr("benchsuite.runs.profile.begin", lambda device: told.append(f"begin {device}"))
    monkeypatch.setattr(running, "_open", lambda *a, **how: told.append("open") or opened(*a, **how))
    for name in ("1crop", "10crop"):
        running.run(RunRequest(("toy",), (name,), data="toy", device="cpu", results=tmp_path), CATALOG, Progress())
    assert told == ["begin cpu", "open"] * 2


def test_a_real_run_keeps_what_a_profile_needs(tmp_path: Path) -> None:
    request = RunRequest(("toy",), ("1crop", "10crop"), data="toy", device="cpu", results=tmp_path)
    rows = running.run(request, CATALOG, Progress())
    found = [read_manifest(Path(row["path"])) for row in rows]
    (one,) = profiles([m for m in found if m])
    json.dumps(one, allow_nan=False)
    assert one["protocols"] == ["1crop", "10crop"]
    assert one["images"] == 5
    assert 0 < one["images_per_second"] < one["forward_alone"]
    assert one["forward"] <= one["total"]
    assert one["prepare"] > 0
    assert one["advice"]
