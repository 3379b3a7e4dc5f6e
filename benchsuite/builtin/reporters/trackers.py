"""Reporters that write runs into the stores of experiment trackers: MLflow, and Weights & Biases.

Each run of benchsuite is one run there, found again by the id that benchsuite gave it: a second export makes no twin.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchsuite import FinishedRun, Reporter, StorageError, expected, first_line, hookimpl

FILES = ("manifest.json", "predictions.parquet")
"""The files of a run that are kept with it."""

RUN, CREATED = "benchsuite.run_id", "benchsuite.created"
"""MLflow's tags by which a run is found again, and by which it is seen to have changed since."""

MARK = "benchsuite.json"
"""A file in the folder of a complete offline run of W&B: which run it is."""


def to_mlflow(runs: Sequence[FinishedRun], place: str | None, *, experiment: str = "benchsuite") -> Iterator[str]:
    """One MLflow run for each run, with parameters, metrics, and the manifest and the predictions as artifacts.

    ``place`` is MLflow's tracking URI, or a file ``*.db`` for SQLite next to which the artifacts lie; without it,
    MLFLOW_TRACKING_URI or MLflow's own default. A run that is there already is left alone, or, if it was not completed
    or benchsuite has evaluated it again since, updated.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow about its own libraries
        try:
            from mlflow import MlflowClient
        except ImportError:
            raise StorageError(_missing("mlflow")) from None
        uri, artifacts = _mlflow_place(place)
        client = MlflowClient(tracking_uri=uri)
        known = client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else client.create_experiment(experiment, artifact_location=artifacts)
        for run in runs:
            yield f"{run.row['run_id']}: {_into_mlflow(client, number, run)} in the experiment {experiment}"


def _mlflow_place(place: str | None) -> tuple[str | None, str | None]:
    """The tracking URI, and where the artifacts of a new experiment lie; None for MLflow's default."""
    if place is None or "://" in place or not place.endswith(".db"):
        return place, None
    path = Path(place).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}", (path.parent / "mlartifacts").as_uri()


def _into_mlflow(client: Any, experiment: str, run: FinishedRun) -> str:
    import datetime

    from mlflow.entities import Metric, Param, RunTag

    found = client.search_runs([experiment], f"tags.`{RUN}` = '{run.row['run_id']}'", max_results=1)
    before = found[0] if found else None
    created = run.manifest["created"]
    if before is not None and before.info.status == "FINISHED" and before.data.tags.get(CREATED) == created:
        return "unchanged"
    start = int(1000 * datetime.datetime.fromisoformat(created).timestamp())
    if before is None:
        before = client.create_run(experiment, start, {RUN: run.row["run_id"]}, run.row["run_id"])
    number = before.info.run_id
    tags = [RunTag(key, str(value)) for key, value in (_about(run) | {CREATED: created}).items()]
    new = {key: str(value) for key, value in _settings(run).items() if key not in before.data.params}
    metrics = [Metric(key, value, start, 0) for key, value in _measured(run).items()]
    client.log_batch(number, metrics, [Param(key, value) for key, value in new.items()], tags)
    for name in FILES:
        client.log_artifact(number, str(run.folder / name))
    client.set_terminated(number, "FINISHED", start + int(1000 * run.row["seconds"]["total"]))
    return "updated" if found else "added"


def to_wandb(
    runs: Sequence[FinishedRun], place: str | None, *, project: str = "benchsuite", entity: str | None = None
) -> Iterator[str]:
    """One run of Weights & Biases for each run, with the manifest and the predictions as an artifact.

    ``place`` is the folder of W&B's local files; without it, WANDB_DIR or the current folder. Whether runs are uploaded
    is W&B's own setting: WANDB_MODE=offline keeps them in the folder, for ``wandb sync``. An offline run that is
    complete there is left alone; an online one is continued under the same id.
    """
    try:
        import wandb
    except ImportError:
        raise StorageError(_missing("wandb")) from None
    root = Path(place or os.environ.get("WANDB_DIR") or ".")
    root.mkdir(parents=True, exist_ok=True)
    for run in runs:
        try:
            yield f"{run.row['run_id']}: {_into_wandb(wandb, root, run, project, entity)}"
        except wandb.errors.UsageError as error:  # such as no API key
            rule = "used after `wandb login`, or with WANDB_MODE=offline"
            raise StorageError(expected("--to wandb", rule, first_line(error))) from None


def _into_wandb(wandb: Any, root: Path, run: FinishedRun, project: str, entity: str | None) -> str:
    own = run.row["run_id"]
    mark = {"run_id": own, "created": run.manifest["created"], "project": project, "entity": entity}
    for path in root.glob(f"wandb/offline-run-*/{MARK}"):
        if json.loads(path.read_text(encoding="utf-8")) == mark:
            return f"unchanged in {path.parent}"
    # W&B would record the machine that exports, which need not be the one that evaluated.
    foreign = {f"x_{name}": True for name in ("disable_meta", "disable_stats")} | {"x_save_requirements": False}
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, **foreign)
    how = {"project": project, "entity": entity, "dir": str(root), "settings": quiet}
    with wandb.init(id=own, name=own, resume="allow", **how) as begun:
        begun.config.update(_settings(run) | _about(run), allow_val_change=True)
        begun.summary.update(_measured(run))
        artifact = wandb.Artifact(own, "benchsuite-run")
        for name in FILES:
            artifact.add_file(str(run.folder / name))
        begun.log_artifact(artifact)
        folder, url = Path(begun.dir).parent, None if begun.offline else begun.url
    if url is not None:
        return f"written to {url}"
    (folder / MARK).write_text(json.dumps(mark) + "\n", encoding="utf-8")
    return f"added in {folder}; wandb sync uploads it"


def _settings(run: FinishedRun) -> dict[str, Any]:
    """What was asked: the same for every run with this id."""
    row, manifest = run.row, run.manifest
    names = ("architecture", "weights", "protocol", "dataset", "precision", "loader")
    limit = {} if row["limit"] is None else {"limit": row["limit"]}
    return {
        **{name: row[name] for name in names},
        **{f"protocol.{name}": value for name, value in manifest["protocol"]["parameters"].items()},
        **({"preprocessing": "; and ".join(row["preprocessing"])} if "preprocessing" in row else {}),
        **limit,
        "seed": manifest["asked"]["seed"],
        "weights_digest": manifest["weights"]["digest"],
        "dataset_digest": manifest["dataset"]["digest"],
    }


def _about(run: FinishedRun) -> dict[str, Any]:
    """What may differ if the same run is made again."""
    manifest = run.manifest
    device = {"benchsuite.device": manifest["numerics"]["device"]}
    return {"benchsuite.version": manifest["benchsuite"], "benchsuite.command": manifest["command"], **device}


def _measured(run: FinishedRun) -> dict[str, int | float]:
    """Counts as integers; errors and bounds of their intervals as unrounded percentages; images/s, if it is known."""
    row = run.row
    found: dict[str, int | float] = {name: row[name] for name in ("n", "of", "views")}
    for rate in run.rates:
        low, high = (100 * bound for bound in rate.interval)
        found |= {f"{rate.name}_n": rate.n, f"{rate.name}_errors": rate.errors}
        found |= {f"{rate.name}_error": row[f"{rate.name}_error"]}
        found |= {f"{rate.name}_low": low, f"{rate.name}_high": high}
    found |= {f"near_ties_{name}": row["near_ties"][name] for name in ("top1", "top5")}
    found |= {name: row[name] for name in ("vanished", "images_per_second") if row.get(name) is not None}
    return found


def _missing(name: str) -> str:
    return expected(f"--to {name}", f"used with its library: pip install 'benchsuite[{name}]'", "none installed")


@hookimpl
def benchsuite_reporters() -> tuple[Reporter, ...]:
    """``mlflow`` and ``wandb``."""
    return (
        Reporter("mlflow", None, "Runs in a store of MLflow (extra mlflow).", send=to_mlflow),
        Reporter("wandb", None, "Runs of Weights & Biases, also offline (extra wandb).", send=to_wandb),
    )
