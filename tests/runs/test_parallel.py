"""Tests of ``--processes`` and ``torchrun`` as commands, with an installed plugin."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchsuite import BadParameter, BenchsuiteError, StorageError, load_plugins
from benchsuite.distributed.crew import Crew
from benchsuite.evaluation.question import RunRequest
from benchsuite.evaluator import fill
from benchsuite.progress import Progress
from benchsuite.runs.parallel import announced
from benchsuite.runs.run import run

IMAGES, CHUNKS = 2100, 5
RUN = ["run", "speck", "--weights", "random", "--device", "cpu", "--loader", "logged", "--data", f"specks:{IMAGES}"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin of the specks, installed so that every new process finds it."""
    about = tmp_path / "site" / "specks-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: specks\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[benchsuite]\nspecks = crash_plugin\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(about.parent), str(Path(__file__).parents[1] / "made")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SPECKS_LOG", str(tmp_path / "log"))
    return tmp_path


def started(*words: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *launcher, "benchsuite", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_here(results: Path) -> None:
    """``RUN`` in this process."""
    import crash_plugin

    catalog = load_plugins(entry_points=False, extra=[crash_plugin])
    asked: dict[str, Any] = {"data": f"specks:{IMAGES}", "weights": "random", "device": "cpu", "loader": "logged"}
    run(RunRequest(("speck",), ("1crop",), **asked, results=results), catalog, Progress())


def log_of(place: Path) -> list[list[str]]:
    """Nanoseconds, process and first image of each chunk that was begun."""
    log = place / "log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def wait_for(processes: int, place: Path, command: subprocess.Popen[str]) -> list[int]:
    """Waits until this many processes have begun a chunk; returns them."""
    end = time.monotonic() + 120
    while len({pid for _, pid, _ in log_of(place)}) < processes:
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)
    return [int(pid) for pid in dict.fromkeys(pid for _, pid, _ in log_of(place))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def predictions(results: Path) -> str:
    (file,) = results.glob("runs/*/predictions.parquet")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_processes_share_a_run_finish_for_one_that_is_killed_and_come_to_the_same_bytes(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = installed / "gate"
    monkeypatch.setenv("SPECKS_GATE", str(gate))
    command = started(*RUN, "--processes", "2", "--json", "--results", str(installed / "together"))
    victim = next(pid for pid in wait_for(2, installed, command) if pid != command.pid)
    os.kill(victim, signal.SIGKILL)
    gate.touch()
    out, err = command.communicate(timeout=120)
    assert command.returncode == 0, err
    assert [row["n"] for row in json.loads(out)["runs"]] == [IMAGES]
    begun = [first for *_, first in log_of(installed)]
    assert len(begun) == CHUNKS + 1
    assert len(set(begun)) == CHUNKS
    monkeypatch.setenv("BENCHSUITE_CACHE", str(installed / "another cache"))
    run_here(installed / "alone")
    assert predictions(installed / "alone") == predictions(installed / "together")


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_when_the_command_is_stopped_no_process_stays(
    installed: Path, monkeypatch: pytest.MonkeyPatch, blow: signal.Signals
) -> None:
    monkeypatch.setenv("SPECKS_DELAY", "0.05")
    command = started(*RUN, "--processes", "2")
    pids = wait_for(2, installed, command)
    command.send_signal(blow)
    out, err = command.communicate(timeout=60)
    assert command.returncode == (130 if blow == signal.SIGINT else -9), err
    assert out == ""
    assert "Traceback" not in err
    end = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


def children(pid: int) -> list[int]:
    """The processes that a process has started to compute with it."""
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in started}
    return [child for child, line in lines.items() if b"spawn_main" in line]


def ignores_interrupts(pid: int) -> bool:
    """Whether a process was started with SIGINT blocked, so that not even its first import can be interrupted."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk"))
    return bool(blocked >> (signal.SIGINT - 1) & 1)


@pytest.mark.parametrize("moment", ["starting", "working"])
def test_ctrl_c_in_a_terminal_is_one_line_and_keeps_finished_chunks(
    installed: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It reaches every process there: also one that still imports, and one that computes."""
    monkeypatch.setenv("SPECKS_DELAY", "0.003")
    cache = installed / "cache"
    monkeypatch.setenv("BENCHSUITE_CACHE", str(cache))
    words = [sys.executable, "-m", "benchsuite", *RUN, "--processes", "2"]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 120
    while not (children(command.pid) if moment == "starting" else list(cache.rglob("*.logits"))):
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
    assert all(ignores_interrupts(child) for child in children(command.pid))
    finished = {f: f.stat().st_mtime_ns for f in cache.rglob("*.logits")}
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (130, ""), err
    said = [line for line in err.splitlines() if "random (seed 0) weights" not in line and "evaluating" not in line]
    assert said == ["benchsuite: interrupted; finished work is kept, and the same command continues from there"]
    monkeypatch.setenv("SPECKS_DELAY", "0")
    before = len(log_of(installed))
    _, err = started(*RUN).communicate(timeout=120)
    assert "interrupted" not in err
    assert CHUNKS - len(finished) - 2 <= len(log_of(installed)) - before <= CHUNKS - len(finished)
    assert {f: f.stat().st_mtime_ns for f in finished} == finished


def test_an_error_in_a_process_that_was_started_is_one_line_at_once(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECKS_DELAY", "0.02")
    monkeypatch.setenv("SPECKS_BROKEN", "00513")
    command = started(*RUN, "--processes", "2", "--json")
    out, err = command.communicate(timeout=120)
    assert command.returncode == 2, err
    assert out == ""
    assert err.splitlines()[-1] == "benchsuite: Expected an image to be whole, got a broken one (speck 513)"
    assert err.count("Expected") == 1
    begun = {first for *_, first in log_of(installed)}
    assert begun <= {"00000", "00512", "01024"}, "the leader does not go on to the end before it says so"


def test_under_torchrun_an_error_in_one_process_ends_all_with_one_line(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process would wait for the second one's chunk; torchrun stops it, and adds lines of its own."""
    monkeypatch.setenv("SPECKS_DELAY", "0.02")
    monkeypatch.setenv("SPECKS_BROKEN", "00513")
    launcher = ("torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m")
    command = started(*RUN, launcher=launcher)
    out, err = command.communicate(timeout=240)
    assert (command.returncode, out) == (1, "")
    said = [line for line in err.splitlines() if line.startswith("benchsuite: ") and "random" not in line]
    assert [line for line in said if "evaluating" not in line] == [
        "benchsuite: Expected an image to be whole, got a broken one (speck 513)"
    ]
    pids = {int(pid) for _, pid, _ in log_of(installed)}
    assert pids
    assert not any(alive(pid) for pid in pids)


def test_under_torchrun_a_sweep_is_shared_and_the_first_process_talks(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECKS_GATE", str(installed / "gate"))
    file = installed / "two.toml"
    file.write_text(
        'architectures = "speck"\nweights = "random"\nprotocols = ["1crop", "10crop"]\n'
        f'data = ["specks:{IMAGES}"]\nloader = "logged"\ndevice = "cpu"\nseed = [0, 1]\nlimit = 1100\n'
        "processes = 4\n"  # for other places: here torchrun says how many
    )
    launcher = ("torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m")
    command = started("sweep", str(file), "--json", launcher=launcher)
    wait_for(2, installed, command)
    (installed / "gate").touch()
    out, err = command.communicate(timeout=240)
    assert command.returncode == 0, err
    cells = json.loads(out)["cells"]
    assert [(c["protocol"], c["seed"], c["state"], c["n"]) for c in cells][:2] == [
        ("1crop", 0, "done", 1100),
        ("10crop", 0, "done", 1100),
    ]
    assert {c["state"] for c in cells} == {"done"}
    assert len({pid for _, pid, _ in log_of(installed)}) == 2
    assert len(log_of(installed)) == 2 * 3, "two networks, three chunks"


def test_progress_is_that_of_all_processes_while_the_first_one_still_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes all chunks of its half during the first chunk of this one."""
    from toy_evaluation import SETTINGS, CountingPredict, opener, questions

    from benchsuite.runs import parallel

    monkeypatch.setattr(parallel, "CHUNK", 1)
    (question,) = questions("1crop")
    (member,) = question.members
    network, other = (opener(tmp_path, CountingPredict())(member, member.views) for _ in range(2))
    own, theirs = ([*parallel._tasks([question], [made])] for made in (network, other))
    computed: list[int] = []

    def told(step: int) -> None:
        if not step:
            return
        for task in () if computed else theirs[1::2]:
            list(fill(task.network, question.images, [task.samples], SETTINGS, lambda _: None))
        computed.append(network.predict.calls)

    parallel.SharedPass(question.images, SETTINGS, told, Crew(0, 2, 1)).run(own)
    assert computed == [1, 1, 1, 2, 3], "an image at a time; the two of the other before the second of this one"
    assert network.seconds.images == len(question.samples) == 5


def test_a_chunk_that_another_process_writes_as_well_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk without locks, while this process has already submitted it in parallel with the chunk before."""
    from toy_evaluation import SETTINGS, Ahead, CountingPredict, opener, questions

    from benchsuite.runs import parallel

    monkeypatch.setattr(parallel, "CHUNK", 1)
    monkeypatch.setattr("benchsuite.storage.locks.Locks.take", lambda *_, wait: True)
    (question,) = questions("1crop")
    (member,) = question.members
    network, other = (opener(tmp_path, made)(member, member.views) for made in (Ahead([]), CountingPredict()))
    own, theirs = ([*parallel._tasks([question], [made])] for made in (network, other))
    steps: list[int] = []

    def told(step: int) -> None:
        if step and not sum(steps):
            for task in theirs[:4]:
                list(fill(task.network, question.images, [task.samples], SETTINGS, lambda _: None))
        steps.append(step)

    parallel.SharedPass(question.images, SETTINGS, told, Crew(0, 2, 1)).run(own)
    assert sum(steps) == network.seconds.images == len(question.samples) == 5


def test_jobs_of_a_sweep_go_on_when_the_command_is_stopped(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a terminal reaches every process that was started there; no traceback is printed."""
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    monkeypatch.setenv("SPECKS_GATE", str(installed / "gate"))
    monkeypatch.setenv("BENCHSUITE_RESULTS", str(installed / "results"))
    file = installed / "one.toml"
    file.write_text(
        f'architectures = "speck"\nweights = "random"\ndata = "specks:{IMAGES}"\nloader = "logged"\n'
        'device = "cpu"\n[slurm]\ncluster = "local"\ntimeout_min = 5\n'
    )
    words = [sys.executable, "-m", "benchsuite", "sweep", str(file), "--on", "slurm"]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    (job,) = wait_for(1, installed, command)
    os.killpg(command.pid, signal.SIGINT)
    time.sleep(0.5)
    assert alive(job)
    (installed / "gate").touch()
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert "Traceback" not in err
    end = time.monotonic() + 60
    while not list(installed.glob("results/runs/*/manifest.json")) and time.monotonic() < end:
        time.sleep(0.05)
    assert predictions(installed / "results")


class Recorded(Crew):
    """A worker that returns the given work as that of the leader."""

    def __init__(self, work: Any) -> None:
        super().__init__(1, 2, 2)
        self.work = work

    def receive(self) -> Any:
        return self.work


def test_a_process_with_another_cache_or_other_images_says_so() -> None:
    from toy_evaluation import questions

    from benchsuite.storage.files import cache_dir

    (question,) = questions("1crop")
    with pytest.raises(StorageError, match="a folder that all processes share"):
        announced(Recorded({"token": ".shared-0", "runs": {}}), [question])
    (cache_dir() / ".shared-0").touch()
    with pytest.raises(BenchsuiteError, match="images of process 1"):
        announced(Recorded({"token": ".shared-0", "runs": {question.run_id: ["others", "fp32"]}}), [question])
    with pytest.raises(BenchsuiteError, match="images of process 1"):
        announced(Recorded({"token": ".shared-0", "runs": {"no such run": ["0", "fp32"]}}), [question])
    told = {"token": ".shared-0", "runs": {question.run_id: [question.fingerprint, "fp32"]}}
    assert announced(Recorded(told), [question]) == [question]
    assert announced(Recorded({}), [question]) == []


def test_the_others_compute_in_the_precision_that_the_first_process_came_to() -> None:
    from toy_evaluation import questions

    from benchsuite.evaluation.question import at_precision
    from benchsuite.storage.files import cache_dir

    (question,) = questions("1crop")
    (cache_dir() / ".shared-0").touch()
    chosen = at_precision(question, "bf16", ({"precision": "bf16"},))
    told = {"token": ".shared-0", "runs": {chosen.run_id: [question.fingerprint, "bf16"]}}
    (found,) = announced(Recorded(told), [question])
    assert (found.run_id, found.precision) == (chosen.run_id, "bf16") != (question.run_id, question.precision)


def test_the_number_of_processes_is_checked(tmp_path: Path) -> None:
    from toy_evaluation import CATALOG

    with pytest.raises(BadParameter, match="--processes"):
        run(RunRequest(("toy",), ("1crop",), data="toy", results=tmp_path, processes=0), CATALOG, Progress())
