"""Tests of sweeps: each cell is computed once, a failed one stops no other, clusters get only the remaining cells."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from toy_evaluation import TOY_SWEEP, WITH_ENTRY_POINTS
from toys import TOP1_ERRORS

from benchsuite.cli import main
from benchsuite.distributed.failure import Failure
from benchsuite.progress import Progress
from benchsuite.runs import sweep as sweeps
from benchsuite.runs.cluster.returned import ReturnedRun
from benchsuite.runs.sweep import SweepOptions, sweep
from benchsuite.runs.sweep_file import parse


@pytest.fixture(autouse=True)
def toys_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line finds the toys in addition to the installed plugins."""
    monkeypatch.setattr("benchsuite.cli.sweep.load_plugins", lambda: WITH_ENTRY_POINTS)


def file_of(place: Path, text: str) -> str:
    path = place / "toys.toml"
    path.write_text(text)
    return str(path)


def test_a_skip_that_no_cell_matches_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the message, a typing error in a pattern could cost hours of unwanted computation."""
    tables = '[[skip]]\nprotocol = "10*"\n[[skip]]\narchitecture = "toy"\nprotocol = "11crop"\n'
    text = 'architectures = "toy"\ndata = "toy"\nprotocols = ["1crop", "10crop"]\n' + tables
    assert main(["sweep", file_of(tmp_path, text), "--dry-run"]) == 0
    said = "benchsuite: no cell matches the [[skip]] of architecture = 'toy', protocol = '11crop'\n"
    assert capsys.readouterr().err == said


BROKEN = """
architectures = ["toy", "torchvision:vit_b_16"]
protocols = ["1crop", "10crop", "fullconv"]
data = "toy"
device = "cpu"
[[skip]]
architecture = "*vit*"
protocol = "1*"
"""


def test_a_broken_cell_stops_no_other_and_can_be_asked_again_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, BROKEN)
    assert main(["sweep", file, "--json", "--dry-run"]) == 1
    states = [c["state"] for c in json.loads(capsys.readouterr().out)["cells"]]
    assert states == ["to do"] * 3 + ["failed"]
    assert not list(Path(os.environ["BENCHSUITE_RESULTS"]).iterdir()), "a dry run writes nothing"
    assert main(["sweep", file, "--json"]) == 1
    streams = capsys.readouterr()
    cells = json.loads(streams.out)["cells"]
    assert {c["protocol"]: c["top1_errors"] for c in cells if c["state"] == "done"} == {
        p: TOP1_ERRORS[p] for p in ("1crop", "10crop", "fullconv")
    }
    assert [c["error"] is None for c in cells] == [True] * 3 + [False]
    assert "1 of 4: toy 1crop toy: done, top-1 error 40.00 %" in streams.err
    assert main(["sweep", file, "--json", "--last-failed"]) == 1
    (again,) = json.loads(capsys.readouterr().out)["cells"]
    assert again["architecture"] == "torchvision:vit_b_16"
    assert main(["sweep", file, "--json"]) == 1
    states = [c["state"] for c in json.loads(capsys.readouterr().out)["cells"]]
    assert states == ["answered"] * 3 + ["failed"]


def answers(file: str, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    """The cells of a sweep in which none fails."""
    assert main(["sweep", file, "--json", *options]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["cells"]
    return found


@pytest.mark.parametrize("protocols", [["fgsm:eps=0.6"], ["10crop", "fgsm:eps=0.6", "1crop"], ["10crop", "pgd"]])
def test_an_attack_is_a_cell_and_only_the_protocols_of_the_file_are_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], protocols: list[str]
) -> None:
    text = f'architectures = "toy"\nprotocols = {json.dumps(protocols)}\ndata = "toy"\ndevice = "cpu"\n'
    file = file_of(tmp_path, text)
    done = answers(file, capsys)
    assert [(c["state"], c["precision"]) for c in done] == [("done", "fp32")] * len(protocols)
    assert {c["protocol"]: c["top1_errors"] for c in done if c["protocol"] != "pgd:eps=8/255"}.items() <= {
        *(("fgsm:eps=0.6", 5), ("1crop", TOP1_ERRORS["1crop"]), ("10crop", TOP1_ERRORS["10crop"]))
    }
    assert len(list(Path(os.environ["BENCHSUITE_RESULTS"], "runs").iterdir())) == len(protocols)
    assert [c["state"] for c in answers(file, capsys, "--dry-run")] == ["answered"] * len(protocols)


def test_every_cell_has_its_own_answer_in_any_order_of_protocols(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command evaluates ensembles after all other protocols."""
    text = 'architectures = "toy"\nprotocols = ["ensemble:protocol=10crop", "1crop"]\ndata = "toy"\ndevice = "cpu"\n'
    file = file_of(tmp_path, text)
    for cells in (answers(file, capsys), answers(file, capsys)):
        assert [(c["protocol"], c["top1_errors"]) for c in cells] == [
            *(("ensemble:protocol=10crop", TOP1_ERRORS["10crop"]), ("1crop", TOP1_ERRORS["1crop"])),
        ]


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` chooses bfloat16 if at least two views are computed."""
    monkeypatch.setattr(
        "benchsuite.runs.auto_precision.worth_it", lambda asked: sum(len(m.views) for q in asked for m in q.members) > 1
    )
    monkeypatch.setattr("benchsuite.runs.auto_precision.BOUNDS", {"bf16": 1.0})
    monkeypatch.setattr("benchsuite.models.precision.candidates", lambda device: ("bf16",))


@pytest.mark.usefixtures("checked")
def test_an_answer_in_the_precision_that_auto_came_to_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the cell would never count as done, and on SLURM it would be a new job each time."""

    file = file_of(tmp_path, 'architectures = "toy"\nprotocols = ["1crop", "10crop"]\ndata = "toy"\ndevice = "cpu"\n')
    done = answers(file, capsys)
    assert [(c["state"], c["precision"]) for c in done] == [("done", "bf16")] * 2
    for options in (["--dry-run"], []):
        again = answers(file, capsys, *options)
        assert [c["state"] for c in again] == ["answered"] * 2
        assert [c["precision_check"] for c in again] == [c["precision_check"] for c in done]
    assert [c["state"] for c in answers(file, capsys, "--fresh", "--dry-run")] == ["to do"] * 2


@pytest.mark.usefixtures("checked")
def test_what_is_left_of_a_lot_keeps_the_precision_of_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One crop alone is too few for a check, so it would be in float32 and the ten crops in bfloat16."""
    file = file_of(tmp_path, 'architectures = "toy"\nprotocols = ["1crop", "10crop"]\ndata = "toy"\ndevice = "cpu"\n')
    shutil.rmtree(answers(file, capsys)[0]["path"])
    assert [c["precision"] for c in answers(file, capsys)] == ["bf16"] * 2


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_what_is_left_beside_an_attack_keeps_its_precision(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], precision: str
) -> None:
    """Without the attack the rest would be in bfloat16, which would never answer the cells of the whole."""
    text = 'architectures = "toy"\nprotocols = ["1crop", "10crop", "fgsm"]\ndata = "toy"\ndevice = "cpu"\n'
    file = file_of(tmp_path, text + f'precision = "{precision}"\n')
    first = answers(file, capsys)
    for cell in first[:2]:
        shutil.rmtree(cell["path"])
    assert [c["run_id"] for c in answers(file, capsys)] == [c["run_id"] for c in first]
    assert [c["state"] for c in answers(file, capsys, "--dry-run")] == ["answered"] * 3


def test_cells_that_fail_when_they_are_computed_fail_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the network detects a crop of no pixels."""
    text = BROKEN.replace('"fullconv"]', '"10crop:crop=900,resize=5"]')
    assert main(["sweep", file_of(tmp_path, text), "--json"]) == 1
    cells = [c for c in json.loads(capsys.readouterr().out)["cells"] if c["architecture"] == "toy"]
    assert [c["state"] for c in cells] == ["done", "done", "failed"]
    assert "900" in cells[2]["error"]


def test_a_table_of_cells_is_printed_and_reasons_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", file_of(tmp_path, BROKEN)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "40.00" in next(line for line in lines if " toy " in line and "1crop" in line)
    assert any(line.startswith("torchvision:vit_b_16 fullconv toy: Expected") for line in lines)
    assert "seed" not in "".join(lines), "columns that do not vary are left out"


def test_cells_that_fail_for_one_reason_have_one_line_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a missing folder would print one line for each of its cells."""
    text = 'architectures = "toy"\nprotocols = ["1crop", "10crop"]\ndata = ["imagenet:/no/such", "folder:/nor/this"]\n'
    assert main(["sweep", file_of(tmp_path, text), "--dry-run"]) == 1
    reasons = [line for line in capsys.readouterr().out.splitlines() if "Expected" in line]
    assert [line.partition(": Expected")[0] for line in reasons] == [
        "toy 1crop imagenet:/no/such and 1 more",
        "toy 1crop folder:/nor/this and 1 more",
    ]


@pytest.mark.parametrize("columns", [80, 160])
def test_names_are_whole_in_any_terminal_and_what_all_cells_share_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = (
        'architectures = ["toy", "torchvision:mobilenet_v3_small"]\nweights = "random"\nprecision = ["fp32", "bf16"]\n'
    )
    assert main(["sweep", file_of(tmp_path, text + 'data = "digits"\n'), "--dry-run"]) == 0
    table = capsys.readouterr().out
    lines = [line.split() for line in table.splitlines() if "mobilenet" in line]
    assert [line[:4] for line in lines] == [
        ["torchvision:mobilenet_v3_small", "1crop", "digits", name] for name in ("fp32", "bf16")
    ]
    assert max(map(len, table.splitlines())) <= columns
    assert "random" not in table


def test_a_good_sweep_is_status_zero_and_has_nothing_to_ask_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, 'architectures = "toy"\ndata = "toy"\ndevice = "cpu"\n')
    assert main(["sweep", file]) == 0
    assert main(["sweep", file, "--last-failed"]) == 2
    assert "after a cell has failed" in capsys.readouterr().err
    assert main(["sweep", file, "--dry-run", "--on", "slrum"]) == 2
    assert "Unknown place 'slrum'" in capsys.readouterr().err


def test_a_cluster_is_not_asked_for_cells_that_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(tmp_path, 'architectures = "toy"\ndata = "toy"\ndevice = "cpu"\n')
    assert main(["sweep", file]) == 0
    monkeypatch.setattr("benchsuite.distributed.places.package", lambda name: None)
    for place in ("slurm", "ray"):
        monkeypatch.setattr(f"benchsuite.distributed.executors.{place}", lambda *_: pytest.fail("a cluster was asked"))
        assert main(["sweep", file, "--on", place]) == 0


def test_what_a_cell_before_has_answered_is_not_said_to_be_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Loaders of the same pixels share their results, and so would seem to share their speed."""
    twin = dataclasses.replace(WITH_ENTRY_POINTS.loaders["torch"], name="twin")
    catalog = dataclasses.replace(WITH_ENTRY_POINTS, loaders={**WITH_ENTRY_POINTS.loaders, "twin": twin})
    asked = parse("s", {**TOY_SWEEP, "protocols": "1crop", "loader": ["torch", "twin"], "device": "cpu"}, catalog)
    states = sweep(asked, SweepOptions(tmp_path), catalog, Progress(), lambda cell, state: None)
    assert [state.state for state in states.values()] == ["done", "answered"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its debug jobs leave their logs open
def test_slurm_jobs_by_submitits_own_executor_without_slurm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    monkeypatch.setattr("benchsuite.runs.sweep.load_plugins", lambda: WITH_ENTRY_POINTS)
    text = BROKEN + '[slurm]\ncluster = "debug"\ntimeout_min = 5\n'
    assert main(["sweep", file_of(tmp_path, text), "--on", "slurm", "--json"]) == 1
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert [c["state"] for c in cells] == ["done"] * 3 + ["failed"]
    assert cells[0]["top1_errors"] == TOP1_ERRORS["1crop"]
    for wrong in ("tasks_per_node = 2", "no_such_parameter = 1", 'slurm_partion = "x"'):
        assert main(["sweep", file_of(tmp_path, text + wrong), "--on", "slurm", "--fresh"]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert "[slurm]" in said
        assert wrong.partition(" ")[0] in said or "one task" in said


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its debug jobs leave their logs open
def test_runs_come_back_from_a_node_that_does_not_see_the_results_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    monkeypatch.setattr("benchsuite.runs.sweep.load_plugins", lambda: WITH_ENTRY_POINTS)
    text = BROKEN + f'[slurm]\ncluster = "debug"\nfolder = "{tmp_path / "jobs"}"\n'
    results = Path(os.environ["BENCHSUITE_RESULTS"])
    seen = sweeps.carry_out

    def elsewhere(errand: Any, job: Any) -> Any:
        with monkeypatch.context() as own:
            own.setattr("benchsuite.runs.cluster.nodes._MARK", ".unseen")
            returned = seen(errand, job)
        assert not list(results.glob("runs/*"))
        return returned

    monkeypatch.setattr(sweeps, "carry_out", elsewhere)
    assert main(["sweep", file_of(tmp_path, text), "--on", "slurm", "--json"]) == 1
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert {c["protocol"]: c["top1_errors"] for c in cells if c["state"] == "done"} == {
        p: TOP1_ERRORS[p] for p in ("1crop", "10crop", "fullconv")
    }
    assert {Path(c["path"]).parent for c in cells if c["state"] == "done"} == {results / "runs"}
    (manifest, *_) = (json.loads((Path(c["path"]) / "manifest.json").read_text()) for c in cells if "path" in c)
    assert [(n["name"], n["images"]) for n in manifest["nodes"]] == [(socket.gethostname(), 5)]
    monkeypatch.undo()
    monkeypatch.setattr("benchsuite.cli.sweep.load_plugins", lambda: WITH_ENTRY_POINTS)
    monkeypatch.setenv("BENCHSUITE_RESULTS", str(results))
    assert main(["sweep", file_of(tmp_path, text), "--json"]) == 1
    states = [c["state"] for c in json.loads(capsys.readouterr().out)["cells"]]
    assert states == ["answered"] * 3 + ["failed"]


def test_a_job_for_a_node_has_full_paths_and_a_thread_for_each_of_its_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    table = {**TOY_SWEEP, "data": "folder:pictures", "protocols": "1crop"}
    for more, cores, workers in (({}, 8, 8), ({"processes": 3}, 8, 2), ({"workers": 5}, 8, 5), ({}, None, None)):
        asked = parse("s", {**table, **more}, WITH_ENTRY_POINTS)
        (job,) = sweeps.jobs(asked, asked.cells, tmp_path, fresh=False)
        request = sweeps._for_node(job, WITH_ENTRY_POINTS, cores).request
        assert (request.data, request.workers) == (f"folder:{tmp_path / 'pictures'}", workers)


@pytest.mark.parametrize("change", ["images", "crash"])
def test_a_run_of_a_node_with_other_images_is_a_failed_cell(tmp_path: Path, change: str) -> None:
    asked = parse("s", {**TOY_SWEEP, "protocols": "1crop", "device": "cpu"}, WITH_ENTRY_POINTS)
    (job,) = sweeps.jobs(asked, asked.cells, tmp_path, fresh=False)
    row = {"run_id": "toy-1crop-toy-000000000000", "path": "there"}
    one = ReturnedRun(b"{}", b"", "far")
    value = sweeps.Returned([sweeps.CellState("done", row=row)], {row["run_id"]: one})
    event = (0, "done", value) if change == "images" else (0, "done", Failure("DataError", "node far: no images"))
    number, state, line = sweeps.received(job, event, WITH_ENTRY_POINTS)
    assert (number, state) == (0, "failed")
    assert "node far" in line
    assert not list(tmp_path.glob("runs/*"))


def test_without_slurm_a_sweep_on_it_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("submitit", reason="the extra slurm is not installed")
    if shutil.which("srun"):
        pytest.skip("SLURM is here")
    assert main(["sweep", file_of(tmp_path, BROKEN), "--on", "slurm"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    rule = 'on a machine with SLURM, or with cluster = "local" in [slurm]'
    assert said.startswith(f"benchsuite: Expected --on slurm to be {rule}, got")
    assert "srun" in said
