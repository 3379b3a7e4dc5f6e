"""Tests of Ray with two nodes on this machine that share no folder: each has its own home, cache and working folder.

The results folder is ``/proc/self/cwd/results``, so that it is another one for every process, as on another machine.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crash_plugin
import pytest

from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs.catalog import load_plugins

if importlib.util.find_spec("ray") is None and "ray" not in os.environ.get("BENCHSUITE_EXTRA", ""):
    pytest.skip("the extra ray is not installed", allow_module_level=True)
if not Path("/proc/self/environ").exists():
    pytest.skip("nodes are found by /proc, which is not here", allow_module_level=True)

IMAGES, CHUNKS = 2100, 5
SPECKS = ["speck", "--weights", "random", "--device", "cpu", "--loader", "logged", "--data", f"specks:{IMAGES}"]
START = "from ray.scripts.scripts import main; main()"
SMALL = ["--num-cpus", "1", "--object-store-memory", "80000000", "--disable-usage-stats"]


@dataclass(frozen=True)
class Machine:
    """A pretended machine: a folder with all that it has of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        own = {"HOME": "home", "BENCHSUITE_CACHE": "cache", "SPECKS_LOG": "log", "SPECKS_GATE": "gate"}
        quick = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "4"}
        quick |= {"RAY_worker_niceness": "0"}  # else workers wait for all that computes beside them
        quick |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0", "OMP_NUM_THREADS": "1"}
        made = str(Path(__file__).parents[2] / "made")
        path = os.pathsep.join([str(self.folder.parent / "site"), made])
        return {**os.environ, **{n: str(self.folder / p) for n, p in own.items()}, **quick, "PYTHONPATH": path}

    @property
    def work(self) -> Path:
        """The working folder."""
        (self.folder / "work").mkdir(parents=True, exist_ok=True)
        return self.folder / "work"

    def start(self, *words: str) -> None:
        """Starts the servers of a node."""
        (self.folder / "home").mkdir(parents=True)
        command = [sys.executable, "-c", START, "start", *SMALL, "--temp-dir", str(self.folder / "ray"), *words]
        done = subprocess.run(
            command, cwd=self.work, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def begun(self) -> list[str]:
        """The first image of each chunk that was begun."""
        log = self.folder / "log"
        return [line.split()[2] for line in log.read_text().splitlines()] if log.exists() else []

    def die(self) -> None:
        """Kills the servers and workers at once, as if the machine had lost its power."""
        mark = f"BENCHSUITE_CACHE={self.folder / 'cache'}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGKILL)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder with a short name, as the sockets of Ray need, with the plugin of the specks."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    about = folder / "site" / "specks-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: specks\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[benchsuite]\nspecks = crash_plugin\n")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Cluster:
    """The machine that stays, and the address of the cluster."""

    head: Machine
    address: str

    def joined(self, name: str) -> Machine:
        """Another machine, which joins."""
        machine = Machine(self.head.folder.parent / name)
        machine.start("--address", self.address)
        return machine


@pytest.fixture(scope="module")
def cluster(place: Path) -> Iterator[Cluster]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    head = Machine(place / "head")
    try:
        head.start("--head", "--port", str(port), "--include-dashboard", "false")
        yield Cluster(head, f"127.0.0.1:{port}")
    finally:
        for machine in place.iterdir():
            Machine(machine).die()


def survived(cluster: Cluster, victim: Machine, driver: Machine, words: list[str]) -> dict[str, Any]:
    """The output of a command during which one of two nodes dies in the middle of a chunk."""
    (cluster.head.folder / "gate").unlink(missing_ok=True)
    (cluster.head.folder / "log").unlink(missing_ok=True)
    words = [*words, "--on", f"ray:{cluster.address}", "--results", "/proc/self/cwd/results", "--json"]
    command = subprocess.Popen(
        [sys.executable, "-m", "benchsuite", *words],
        cwd=driver.work,
        env=driver.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 240
    while not (victim.begun() and cluster.head.begun()):
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    victim.die()
    (cluster.head.folder / "gate").touch()
    out, err = command.communicate(timeout=240)
    assert command.returncode == 0, err
    assert not list(cluster.head.work.iterdir()), "the node wrote no results"
    assert "benchsuite: ray: (raylet" in err, "one line says that a node died"
    assert "lines of the Raylet logs" not in err
    found: dict[str, Any] = json.loads(out)
    return found


def digests(results: Path) -> list[str]:
    """The digests of the predictions of all runs; their ids also hold who declares the plugin."""
    return sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in results.glob("runs/*/predictions.parquet"))


def alone(results: Path, protocols: tuple[str, ...], seed: int = 0) -> None:
    """The same runs by this process."""
    request = RunRequest(
        ("speck",),
        protocols,
        data=f"specks:{IMAGES}",
        weights="random",
        device="cpu",
        loader="logged",
        results=results,
        seed=seed,
    )
    run(request, load_plugins(extra=[crash_plugin]), Progress())


@pytest.mark.usefixtures("one_thread")
def test_a_run_is_split_over_two_nodes_one_dies_and_the_bytes_are_those_of_one_process(
    cluster: Cluster, place: Path, tmp_path: Path
) -> None:
    second, driver = cluster.joined("second"), Machine(place / "driver")
    words = ["run", *SPECKS, "-p", "1crop", "-p", "10crop"]
    rows = survived(cluster, second, driver, words)["runs"]
    assert [row["n"] for row in rows] == [IMAGES] * 2
    (lost,), kept = second.begun(), cluster.head.begun()
    assert lost in kept, "the other node computes what the dead one had"
    assert len(kept) == len(set(kept)) == CHUNKS, "and nothing twice"
    alone(tmp_path, ("1crop", "10crop"))
    assert digests(driver.work / "results") == digests(tmp_path)
    assert len(set(digests(tmp_path))) == 2
    manifest = json.loads((driver.work / "results" / "runs" / rows[0]["run_id"] / "manifest.json").read_text())
    (node,) = manifest["nodes"]
    assert (node["name"], node["device"], node["images"]) == (socket.gethostname(), "cpu", IMAGES)
    own, theirs = ({p.name for p in (m.folder / "cache").rglob("*.logits")} for m in (driver, cluster.head))
    assert own == theirs


@pytest.mark.usefixtures("one_thread")
def test_the_runs_of_a_sweep_come_back_from_two_nodes_one_of_which_dies(
    cluster: Cluster, place: Path, tmp_path: Path
) -> None:
    third, driver = cluster.joined("third"), Machine(place / "sweeper")
    text = 'architectures = "speck"\nweights = "random"\nprotocols = ["1crop", "10crop"]\nloader = "logged"\n'
    (driver.work / "two.toml").write_text(f'{text}data = "specks:{IMAGES}"\ndevice = "cpu"\nseed = [1, 2]\n')
    cells = survived(cluster, third, driver, ["sweep", "two.toml"])["cells"]
    assert [(c["protocol"], c["seed"], c["state"], c["n"]) for c in cells] == [
        (protocol, seed, "done", IMAGES) for seed in (1, 2) for protocol in ("1crop", "10crop")
    ]
    assert all(c["path"].startswith("/proc/self/cwd/results/runs/") for c in cells)
    for seed in (1, 2):
        alone(tmp_path, ("1crop", "10crop"), seed)
    assert digests(driver.work / "results") == digests(tmp_path)
    assert len(set(digests(tmp_path))) == 4


@pytest.mark.parametrize(
    ("option", "said"), [("num_cpsu=1", "the table [ray] to be options of ray.remote"), ("127.0.0.1:1", "--on ray")]
)
def test_wrong_options_of_ray_are_one_line(cluster: Cluster, place: Path, option: str, said: str) -> None:
    driver = Machine(place / "wrong")
    words = ["run", *SPECKS, "--on", f"ray:{cluster.address},{option}", "--results", str(driver.work)]
    done = subprocess.run(
        [sys.executable, "-m", "benchsuite", *words],
        env=driver.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert option.partition("=")[0] in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
