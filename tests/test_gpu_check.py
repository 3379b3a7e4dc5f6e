"""Tests of benchmarks/gpu: its stages on the CPU and on a pretended CUDA device, and what a failing check does."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
ON_CUDA = {"memory of the process limited", "memory taken by another tensor"}
OPTIONAL = ["PIL", "pandas", "pluggy", "pyarrow", "rich", "safetensors", "scipy", "sklearn", "timm", "torchvision"]
BENCH = SimpleNamespace(pace=0.0, free=lambda: None)


def checked(out: Path, *words: str, **more: str) -> tuple[int, list[dict[str, Any]], str]:
    """The exit status of the check, its rows and its table."""
    environment = os.environ | {"PYTHON": sys.executable, "OUT": str(out), "OMP_NUM_THREADS": "1"} | more
    command = ["bash", str(ROOT / "benchmarks" / "gpu" / "check.sh"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (out / "check.json").is_file(), done.stderr
    data = json.loads((out / "check.json").read_text(encoding="utf-8"))
    page = (out / "README.md").read_text(encoding="utf-8")
    assert page in done.stdout
    assert data["machine"]["torch"]
    return done.returncode, data["rows"], page


@pytest.mark.parametrize(("mode", "not_there"), [("--cpu", ON_CUDA), ("--pretend", set())])
def test_every_stage_passes_without_a_device(tmp_path: Path, mode: str, not_there: set[str]) -> None:
    """``--pretend`` goes through the code for CUDA: a mistake there is found before there is a device."""
    status, rows, page = checked(tmp_path, mode)
    assert {r["check"]: r["text"] for r in rows if r["verdict"] == "failed"} == {}
    assert {r["check"] for r in rows if r["verdict"] == "skipped"} == not_there
    assert status == 0
    stages = dict.fromkeys(r["stage"] for r in rows)
    assert [*stages] == ["prepare", "exact", "speed", "memory", "processes", "training", "switches", "compile"]
    assert all(f"| {r['stage']} | {r['check']} | {r['verdict']} |" in page for r in rows)
    assert all(r["expected"] and f" | {r['expected']} | " in page for r in rows)
    assert "stopped" not in page
    measured = {r["check"]: r["values"] for r in rows if r["stage"] == "speed"}
    for name in ("1crop, resized images", "10crop, resized images", "multiscale, images"):
        assert measured[f"{name} in memory"]["of_bare"] > 0
    assert measured["timm's validation loop, JPEG files"]["ours_of_first"] > 0


def test_torch_and_numpy_suffice_and_what_else_is_missing_is_told(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in OPTIONAL:
        text = f"raise ModuleNotFoundError('No module named {name}', name={name!r})\n"
        (hidden / f"{name}.py").write_text(text, encoding="utf-8")
    path = os.pathsep.join([str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])])
    status, rows, _ = checked(tmp_path / "out", "--pretend", "--stages", "memory", PYTHONPATH=path)
    found = {r["check"]: (r["verdict"], r["text"]) for r in rows}
    assert found["memory taken by another tensor"] == ("skipped", "PIL is not installed here")
    rest = {verdict for verdict, text in found.values() if "not installed" not in text}
    assert rest == {"passed", "measured"}
    assert status == 0


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The modules of the check, as ``gpu_check``, and a folder for it."""
    (tmp_path / "gpu_check").symlink_to(ROOT / "benchmarks" / "gpu")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GPU_CHECK_WORK", str(tmp_path))
    monkeypatch.setenv("GPU_CHECK_SMALL", "1")
    yield tmp_path
    for name in [n for n in sys.modules if n.partition(".")[0] == "gpu_check"]:
        del sys.modules[name]


def found_by(
    gpu: Path,
    *runs: Callable[[Any], Any],
    seconds: float = 30.0,
    limits: Mapping[Callable[[Any], Any], float] | None = None,
    whole: float = 60.0,
) -> tuple[list[tuple[str, str, str]], int]:
    """The rows of toy stages of two checks each, the second of which passes; and the exit status.

    ``limits`` are the seconds of the stages that do not have ``seconds``.
    """
    from gpu_check.rows import Check, Record, Stage, report, run_stages

    limit = [(limits or {}).get(r, seconds) for r in runs]
    checks = [(Check("first", r, expected="fine"), Check("second", passed_by, expected="fine")) for r in runs]
    stages = [Stage(f"stage {i}", limit[i], pair) for i, pair in enumerate(checks)]
    record = Record(gpu / "rows.jsonl", {"device": "a toy"}, gpu / "out")
    rows = run_stages(stages, lambda: BENCH, record, whole)
    status = report(record)
    page = (gpu / "out" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {r.check} | {r.verdict} | {r.text} | fine |" in page for r in rows)
    return [(r.stage, r.verdict, r.text) for r in rows], status


def passed_by(bench: Any) -> Any:
    from gpu_check.rows import promised

    return promised(True, "fine")


def raises(bench: Any) -> Any:
    raise ValueError("a reason\nin two lines")


def breaks(bench: Any) -> Any:
    from gpu_check.rows import promised

    return promised(False, "3 of 4 images differ")


def dies(bench: Any) -> Any:
    os._exit(7)


def hangs(bench: Any) -> Any:
    time.sleep(600)


def lacks(bench: Any) -> Any:
    import no_such_package  # noqa: F401


def test_a_failing_check_is_a_row_with_its_reason_and_the_status_is_1(gpu: Path) -> None:
    rows, status = found_by(gpu, raises, breaks, passed_by)
    assert rows == [
        ("stage 0", "failed", "ValueError: a reason in two lines"),
        ("stage 0", "passed", "fine"),
        ("stage 1", "failed", "3 of 4 images differ"),
        ("stage 1", "passed", "fine"),
        ("stage 2", "passed", "fine"),
        ("stage 2", "passed", "fine"),
    ]
    assert status == 1


def test_a_stage_that_dies_or_hangs_ends_alone(gpu: Path) -> None:
    rows, status = found_by(gpu, dies, hangs, passed_by, limits={hangs: 1.5})
    assert rows[0] == ("stage 0", "failed", "the process of the stage ended with status 7")
    assert rows[2] == ("stage 1", "failed", "the stage ran out of time, after 2 s")
    assert [verdict for _, verdict, _ in rows] == ["failed", "skipped", "failed", "skipped", "passed", "passed"]
    assert status == 1


def test_a_stage_that_had_no_time_of_its_own_is_skipped_unless_it_dies(gpu: Path) -> None:
    """The time of all stages was over, which is no failure."""
    rows, status = found_by(gpu, hangs, seconds=100.0, whole=8.0)
    assert rows == [("stage 0", "skipped", "no time was left for it")] * 2
    assert status == 0
    rows, status = found_by(gpu, dies, seconds=100.0, whole=8.0)
    assert rows[0] == ("stage 0", "failed", "the process of the stage ended with status 7")
    assert status == 1


def test_a_check_that_is_killed_leaves_the_table_of_what_it_found(gpu: Path) -> None:
    """Also the row that it was writing, if it is not whole, spoils nothing."""
    from gpu_check.rows import Check, Record, Stage, run_stages

    record = Record(gpu / "rows.jsonl", {"device": "a toy"}, gpu / "out")
    stages = [Stage("stage", 60.0, (Check("first", passed_by), Check("second", hangs)))]
    process = multiprocessing.get_context("fork").Process(target=run_stages, args=(stages, lambda: BENCH, record, 90.0))
    process.start()
    table = gpu / "out" / "README.md"
    while not (table.is_file() and "first" in table.read_text(encoding="utf-8")):
        assert process.is_alive()
        time.sleep(0.01)
    process.kill()
    process.join()
    assert "1 checks: 0 failed, 1 passed, 0 measured, 0 skipped. It was stopped here." in table.read_text()
    rows = json.loads((gpu / "out" / "check.json").read_text())["rows"]
    assert [(r["check"], r["verdict"]) for r in rows] == [("first", "passed")]
    with record.path.open("a") as file:
        file.write('{"stage": "sta')
    assert [r.check for r in record.rows()] == ["first"]


def test_a_missing_package_is_no_failure(gpu: Path) -> None:
    rows, status = found_by(gpu, lacks)
    assert rows == [("stage 0", "skipped", "no_such_package is not installed here"), ("stage 0", "passed", "fine")]
    assert status == 0


def test_no_check_begins_without_the_time_that_it_needs(gpu: Path) -> None:
    from gpu_check.rows import Check, Record, Stage, run_stages

    stage = Stage("stage", 20.0, (Check("long", raises, 60.0), Check("short", passed_by)))
    record = Record(gpu / "rows.jsonl", {})
    rows = run_stages([stage], lambda: SimpleNamespace(pace=1.0, free=lambda: None), record, 60.0)
    assert [(r.check, r.verdict) for r in rows] == [("long", "skipped"), ("short", "passed")]
    assert "it needs about 60" in rows[0].text


@pytest.mark.parametrize(
    ("real", "rate", "verdict"), [(True, 91, "passed"), (True, 89, "failed"), (False, 1, "measured")]
)
def test_an_evaluation_on_a_card_fails_under_nine_tenths_of_the_bare_pass(
    gpu: Path, real: bool, rate: int, verdict: str
) -> None:
    from gpu_check import speed

    spent = dict.fromkeys(("wait", "prepare", "forward", "total"), 1.0)
    memory = {"device_memory": None, "peak_memory": None}
    found = SimpleNamespace(rate=rate, clock=2.0, columns={"top5": [0]}, manifest={"seconds": spent, "profile": memory})
    bench = SimpleNamespace(
        sizes=SimpleNamespace(pictures=0),
        cuda=False,
        real=real,
        lower="bf16",
        rates={"bf16": 100.0},
        evaluate=lambda protocols, **options: {"1crop": found},
    )
    check = next(c for c in speed.SPEED.checks if c.name == "1crop, resized images in memory")
    outcome = check.run(bench)
    assert outcome.verdict == verdict
    assert f"{rate / 100:.2f} of the bare pass" in outcome.text
    assert check.expected == "0.90 of the bare pass or more"


def test_pixels_that_are_multiplied_by_the_reciprocal_are_found(gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CUDA does with a number of the host: 126 of the 256 values then differ."""
    from gpu_check.bench import Bench
    from gpu_check.exact import pixel_values
    from gpu_check.made_up import SMALL

    from benchsuite.models.input_normalization import InputNormalization

    assert pixel_values(Bench("cpu", SMALL)).verdict == "passed"
    reciprocal = lambda self, pixels: pixels.permute(0, 3, 1, 2).float() * (1 / self.largest)  # noqa: E731
    monkeypatch.setattr(InputNormalization, "unit", reciprocal)
    outcome = pixel_values(Bench("cpu", SMALL))
    assert outcome.verdict == "failed"
    assert f"{2 * 3 * 126} of 1536 unit values" in outcome.text


def test_a_resize_of_which_one_bit_differs_is_found(gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpu_check import exact
    from gpu_check.bench import Bench
    from gpu_check.made_up import SMALL

    right, called = exact.resized, itertools.count()
    monkeypatch.setattr(exact, "RESIZES", exact.RESIZES[-2:])
    monkeypatch.setattr(exact, "resized", lambda *how: right(*how) ^ (next(called) == 6))
    outcome = exact.resize_bits(Bench("cpu", SMALL))
    assert outcome.verdict == "failed"
    assert "1 of 24 resizes have other bits than on the CPU" in outcome.text
    monkeypatch.setattr(exact, "resized", right)
    assert exact.resize_bits(Bench("cpu", SMALL)).verdict == "passed"
    monkeypatch.setattr(exact, "difference", lambda device: "other bits than Pillow")
    outcome = exact.resize_bits(Bench("cpu", SMALL))
    assert (outcome.verdict, outcome.text.partition("; ")[2]) == ("failed", "other bits than Pillow")
