"""Tests of MLflow and Weights & Biases: their stores are made for real, and read back."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exported_runs import A, B, of_imagenet

from benchsuite import StorageError
from benchsuite.builtin.reporters.trackers import to_mlflow, to_wandb
from benchsuite.runs.export import finished

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def tracking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an MLflow store of files, which is made in no time: a database takes seconds, see the last test."""
    pytest.importorskip("mlflow", reason="needs benchsuite[mlflow]")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return (tmp_path / "mlruns").as_uri()


def mlflow_runs(uri: str, experiment: str = "benchsuite") -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(experiment)
    return sorted(client.search_runs([known.experiment_id]), key=lambda run: str(run.info.run_name))


def artifacts(uri: str, run: Any, folder: Path) -> dict[str, bytes]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    names = [file.path for file in client.list_artifacts(run.info.run_id)]
    folder.mkdir(exist_ok=True)
    return {name: Path(client.download_artifacts(run.info.run_id, name, str(folder))).read_bytes() for name in names}


def stored(run: Any) -> dict[str, bytes]:
    return {name: (run.folder / name).read_bytes() for name in ("manifest.json", "predictions.parquet")}


def test_mlflow_has_one_run_for_each_with_counts_settings_and_files(tmp_path: Path, tracking: str) -> None:
    runs = [finished(of_imagenet(tmp_path, name)) for name in (A, B)]
    assert list(to_mlflow(runs, tracking)) == [f"{name}: added in the experiment benchsuite" for name in (A, B)]
    found = mlflow_runs(tracking)
    assert [run.info.run_name for run in found] == [B, A]
    for run, before in zip(found, reversed(runs), strict=True):
        counts = before.manifest["counts"]
        assert (run.data.metrics["n"], run.data.metrics["top1_errors"]) == (80, counts["top1_errors"])
        assert run.data.metrics["top1_error"] == before.row["top1_error"]
        assert run.data.metrics["top5_high"] == 100 * before.rates[1].interval[1]
        assert run.data.params["protocol"] == before.row["protocol"]
        assert run.data.params["protocol.flip"] == "true"
        assert run.data.tags["benchsuite.run_id"] == before.row["run_id"]
        assert run.info.status == "FINISHED"
        assert artifacts(tracking, run, tmp_path / "read") == stored(before)


def test_mlflow_gets_no_twin_and_finishes_what_was_interrupted(
    tmp_path: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    run = finished(of_imagenet(tmp_path, A))

    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", broken)
        with pytest.raises(OSError, match="the disk is full"):
            list(to_mlflow([run], tracking))
    assert list(to_mlflow([run], tracking)) == [f"{A}: updated in the experiment benchsuite"]
    assert list(to_mlflow([run], tracking)) == [f"{A}: unchanged in the experiment benchsuite"]
    (only,) = mlflow_runs(tracking)
    assert set(artifacts(tracking, only, tmp_path / "read")) == {"manifest.json", "predictions.parquet"}


def test_mlflow_shows_a_run_that_was_made_again_as_it_is_now(tmp_path: Path, tracking: str) -> None:
    first = finished(of_imagenet(tmp_path, A))
    list(to_mlflow([first], tracking, experiment="mine"))
    counts = dict(first.manifest["counts"]) | {"top1_errors": 3}
    again = finished(of_imagenet(tmp_path, A, created="2026-02-01T00:00:00+00:00", counts=counts))
    assert list(to_mlflow([again], tracking, experiment="mine")) == [f"{A}: updated in the experiment mine"]
    (only,) = mlflow_runs(tracking, "mine")
    assert only.data.metrics["top1_errors"] == 3
    assert only.data.tags["benchsuite.created"] == "2026-02-01T00:00:00+00:00"


def test_mlflows_own_database_and_its_artifacts_are_where_the_user_wants_them(tmp_path: Path, tracking: str) -> None:
    """Takes seconds: MLflow makes the database by all of its migrations. It is the store that MLflow itself uses."""
    pytest.importorskip("sqlalchemy", reason="needs benchsuite[mlflow]")
    run, place = finished(of_imagenet(tmp_path, A)), tmp_path / "sub" / "runs.db"
    list(to_mlflow([run], str(place)))
    assert list(to_mlflow([run], str(place))) == [f"{A}: unchanged in the experiment benchsuite"]
    (only,) = mlflow_runs(f"sqlite:///{place}")
    assert only.data.metrics["top1_errors"] == run.manifest["counts"]["top1_errors"]
    assert sorted(path.name for path in (tmp_path / "sub" / "mlartifacts").rglob("*.*")) == [*stored(run)]


def records(path: Path) -> Iterator[bytes]:
    """The records of an offline file of W&B: a head of 7 bytes, then LevelDB's log in blocks of 32 KiB."""
    data, at, part = path.read_bytes(), 7, b""
    while at < len(data):
        if 32_768 - at % 32_768 < 7:
            at += 32_768 - at % 32_768
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield part
            part = b""


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of W&B's files, which it does not upload."""
    wandb = pytest.importorskip("wandb", reason="needs benchsuite[wandb]")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "of-wandb"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb.teardown()  # it reads its settings once for a whole program
    yield tmp_path / "place"
    wandb.teardown()


def test_wandb_keeps_a_run_offline_with_counts_settings_and_files(tmp_path: Path, offline: Path) -> None:
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    run = finished(of_imagenet(tmp_path, A))
    (line,) = to_wandb([run], str(offline), project="mine")
    assert line.startswith(f"{A}: added in {offline}/wandb/offline-run-")
    wandb.teardown()  # its process may still write; it ends with the program otherwise
    (file,) = offline.glob("wandb/offline-run-*/*.wandb")
    found = [Record.FromString(data) for data in records(file)]
    begun = next(r.run for r in found if r.HasField("run"))
    assert (begun.run_id, begun.project) == (A, "mine")
    summary = {i.key or i.nested_key[0]: json.loads(i.value_json) for r in found for i in r.summary.update}
    assert (summary["n"], summary["top1_errors"]) == (80, run.manifest["counts"]["top1_errors"])
    assert summary["top1_error"] == run.row["top1_error"]
    config = {i.key or i.nested_key[0]: json.loads(i.value_json) for r in found for i in r.config.update}
    assert config["protocol"] == "1crop"
    assert not {"environment", "stats"}.intersection(r.WhichOneof("record_type") for r in found), "not of this machine"
    (artifact,) = [r.artifact for r in found if r.HasField("artifact")] or [
        r.request.log_artifact.artifact for r in found if r.request.HasField("log_artifact")
    ]
    assert [entry.path for entry in artifact.manifest.contents] == ["manifest.json", "predictions.parquet"]
    assert [entry.size for entry in artifact.manifest.contents] == [len(data) for data in stored(run).values()]


def test_wandb_gets_no_twin_of_an_offline_run(tmp_path: Path, offline: Path) -> None:
    run = finished(of_imagenet(tmp_path, A))
    (first,), (second,) = to_wandb([run], str(offline)), to_wandb([run], str(offline))
    assert (": added in " in first, ": unchanged in " in second) == (True, True)
    assert len(list(offline.glob("wandb/offline-run-*"))) == 1
    (mark,) = offline.glob("wandb/offline-run-*/benchsuite.json")
    mark.unlink()  # as if the export had been interrupted
    (third,) = to_wandb([run], str(offline))
    assert ": added in " in third


def test_wandb_without_a_login_is_one_line(tmp_path: Path, offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    wandb.teardown()
    with pytest.raises(StorageError, match="or with WANDB_MODE=offline, got ") as error:
        list(to_wandb([finished(of_imagenet(tmp_path, A))], str(offline)))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("send", "name"), [(to_mlflow, "mlflow"), (to_wandb, "wandb")])
def test_without_the_library_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, send: Any, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(StorageError) as error:
        list(send([finished(of_imagenet(tmp_path, A))], str(tmp_path / "place")))
    said = f"Expected --to {name} to be used with its library: pip install 'benchsuite[{name}]', got none installed"
    assert str(error.value) == said
    assert not (tmp_path / "place").exists()
