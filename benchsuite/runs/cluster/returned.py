"""Runs that a node returns: the files of a run folder, as they are written on the machine of the command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import StorageError
from benchsuite.runs import manifest as run_manifest
from benchsuite.runs.cluster import nodes
from benchsuite.storage.run_folder import place_run


@dataclass(frozen=True, slots=True)
class ReturnedRun:
    """The files of a finished run, and the node that it was computed on."""

    manifest: bytes
    predictions: bytes
    node: str


def packed(folder: Path) -> ReturnedRun:
    """The files of a run folder on this node. Raises ``StorageError``."""
    try:
        manifest, predictions = ((folder / name).read_bytes() for name in ("manifest.json", "predictions.parquet"))
    except OSError as error:
        raise StorageError(f"Cannot read {error.filename}: {error.strerror or error}") from error
    return ReturnedRun(manifest, predictions, nodes.name())


def unpacked(run: ReturnedRun, results: Path, fingerprint: str) -> tuple[Path, dict[str, Any]]:
    """Writes a run to the results folder; returns its folder and manifest. The predictions are unchanged.

    ``fingerprint`` is that of the images on this machine: by it a later command sees whether they have changed. The
    manifest names the node. Raises ``StorageError``.
    """
    manifest = json.loads(run.manifest)
    manifest["dataset"]["fingerprint"] = fingerprint
    manifest["nodes"] = [node_entry(run.node, manifest)]
    folder = results / "runs" / manifest["run_id"]
    place_run(folder, manifest, lambda part: part.write_bytes(run.predictions))
    return folder, manifest


def node_entry(node: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of ``nodes`` in a manifest, of a node that computed all of it."""
    numerics, versions = manifest["numerics"], manifest["versions"]
    return {
        "name": node,
        "device": numerics["device"],
        **{package: versions[package] for package in ("torch", "pillow")},
        "images": manifest["images_computed"],
    }


def row_of(manifest: Mapping[str, Any], folder: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row that a node made of a run, with the folder that the run has here."""
    return {**row, **run_manifest.result_row(manifest, str(folder), row["cached"])}
