"""SQL over all runs and predictions, and both as pandas DataFrames."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, StorageError, expected
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.parameters import show
from benchsuite.storage import run_folder

INSTALL = "pip install 'benchsuite[query]'"


def load_runs(results: Path | str | None = None) -> Any:
    """Every complete run of a results folder as a pandas DataFrame, one row each, by run id.

    The columns are those of ``run --json``, flattened (``seconds_forward``, ``top1_low``, ``near_ties_top1``), and the
    command, the time, the digests and the versions. ``results`` is by default BENCHSUITE_RESULTS or ./results.
    """
    import pandas as pd

    return pd.DataFrame(list(_rows(_folder(results))))


def load_predictions(results: Path | str | None = None) -> Any:
    """Every prediction of every complete run as a pandas DataFrame: ``run_id`` and the columns of predictions.parquet.

    A column that a run does not have, such as ``brier`` in old runs, is empty for it.
    """
    import pandas as pd

    frames = [
        run_folder.read_predictions(Path(row["path"])).assign(run_id=row["run_id"]) for row in _rows(_folder(results))
    ]
    if not frames:
        return pd.DataFrame(columns=["run_id", *run_folder.COLUMNS])
    whole = pd.concat(frames, ignore_index=True)
    return whole[["run_id", *(name for name in whole.columns if name != "run_id")]]


def query(sql: str, results: Path | str | None = None) -> Any:
    """A DataFrame: the result of SQL over the tables ``runs`` and ``predictions``, as ``benchsuite query`` does.

    The SQL dialect is DuckDB's. Predictions are read from their files as far as the query needs them. Raises
    ``BadParameter`` for SQL that fails, and ``StorageError`` if DuckDB is not installed or there is no run.
    """
    with _tables(_folder(results)) as connection:
        return _execute(connection, sql).df()


def rows(sql: str, results: Path | str | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The result of ``query`` as plain Python values: the names of the columns, and the rows."""
    with _tables(_folder(results)) as connection:
        relation = _execute(connection, sql)
        return list(relation.columns), relation.fetchall()


@contextlib.contextmanager
def _tables(results: Path) -> Iterator[Any]:
    """An in-memory DuckDB connection with the two tables; nothing is fetched from the network."""
    try:
        import duckdb
    except ImportError:
        raise StorageError(f"Expected DuckDB to be installed for queries, got none: {INSTALL}") from None
    runs = load_runs(results)
    if runs.empty:
        raise StorageError(expected("the results folder", "one with a run in it", "none", str(results / "runs")))
    files = [str(Path(path) / "predictions.parquet") for path in runs["path"]]
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.register("runs", runs)
        connection.register("run_files", runs[["run_id"]].assign(filename=files))
        connection.read_parquet(files, union_by_name=True, filename=True).create_view("every_file")
        connection.execute(
            "CREATE VIEW predictions AS SELECT run_id, every_file.* EXCLUDE (filename) "
            "FROM every_file JOIN run_files USING (filename)"
        )
        yield connection


def _execute(connection: Any, sql: str) -> Any:
    """The result as a relation of DuckDB."""
    import duckdb

    try:
        relation = connection.sql(sql)
    except duckdb.Error as error:
        reason = " ".join(str(error).split())
        raise BadParameter(expected("a query", "SQL over the tables runs and predictions", reason)) from None
    if relation is None:
        raise BadParameter(expected("a query", "one that returns a table", sql))
    return relation


def _folder(results: Path | str | None) -> Path:
    return Path(results or os.environ.get("BENCHSUITE_RESULTS") or "results")


def _rows(results: Path) -> Iterator[dict[str, Any]]:
    for folder in run_folder.runs_in(results):
        manifest = run_folder.read_manifest(folder)
        if manifest is not None:
            yield flat(manifest, folder)


def flat(manifest: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A run as one row of scalars."""
    row = run_manifest.result_row(manifest, str(folder), cached=True)
    del row["cached"]
    low, high = row.pop("top1_interval")
    row |= {"top1_low": low, "top1_high": high}
    if "real_n" in row:
        row["real_low"], row["real_high"] = row.pop("real_interval") or (None, None)
    row.pop("groups", None)  # the columns group_NAME of the predictions have them
    if "group_names" in row:
        row["group_names"] = "+".join(row["group_names"])
    if "relative_error" in row:
        relative = row.pop("relative_error")
        row |= {"relative_error": relative["value"], "relative_error_name": relative["name"]}
    for name in ("seconds", "near_ties"):
        row |= {f"{name}_{key}": value for key, value in row.pop(name).items()}
    row |= {name: "+".join(show(value) for value in row.pop(name)) for name in ("resize", "crop", "interpolation")}
    if "preprocessing" in row:
        row["preprocessing"] = "; and ".join(row["preprocessing"])
    row |= {"created": manifest["created"], "command": manifest["command"], "benchsuite": manifest["benchsuite"]}
    row |= {f"{name}_digest": manifest[name]["digest"] for name in ("weights", "dataset")}
    return row | {f"version_{name}": version for name, version in manifest["versions"].items()}
