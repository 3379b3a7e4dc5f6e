"""A run on disk: ``predictions.parquet`` and ``manifest.json``, which is written last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.errors import StorageError, UnknownName, expected, unknown_name
from benchsuite.storage.files import writing

if TYPE_CHECKING:
    from numpy.typing import NDArray


COLUMNS = ("id", "label", "rank", "top5", "probability5", "probability_true", "margin1", "margin5", "brier")
REAL = "real"
"""Extra column for reassessed labels: whether the top-1 class is one of them; null for images without any."""
VANISHED = "vanished"
"""Extra column of runs under attack: whether the gradient of the image's loss is zero everywhere."""
GROUP = "group_"
"""Prefix of the extra columns of groups: ``group_corruption`` has the value of ``corruption`` of each image."""
COMPACT = ("id", "label", "rank", "top5", REAL, VANISHED)
"""The columns of compact predictions, with those of groups: a tenth of the bytes."""


def write_run(folder: Path, manifest: dict[str, Any], columns: dict[str, Any]) -> None:
    """Writes predictions.parquet, then manifest.json. Raises ``StorageError`` with the path.

    The manifest of an earlier run in the folder is deleted first, because it does not describe these predictions.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: _arrow(column) for name, column in columns.items()})
    place_run(folder, manifest, lambda part: pq.write_table(table, part))


def place_run(folder: Path, manifest: Mapping[str, Any], write_predictions: Callable[[Path], object]) -> None:
    """Writes a run in the order of ``write_run``; ``write_predictions`` writes the file that it is given."""
    with writing(folder / "predictions.parquet") as part:
        write_predictions(part)
        (folder / "manifest.json").unlink(missing_ok=True)
    with writing(folder / "manifest.json") as part:
        part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _arrow(column: Any) -> Any:
    """An Arrow array of strings, (n,) numbers, (n, k) lists of numbers, or a list of True, False and None.

    It is made from buffers: ``pyarrow.array`` would import pandas (half a second) and make an object of every list.
    """
    import numpy as np
    import pyarrow as pa

    def plain(values: NDArray[Any]) -> Any:
        buffers = [None, pa.py_buffer(np.ascontiguousarray(values))]
        return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), buffers)

    def bits(values: list[bool]) -> Any:
        return pa.py_buffer(np.packbits(np.array(values, dtype=bool), bitorder="little"))

    if isinstance(column, list) and not all(isinstance(value, str) for value in column):
        known = [value is not None for value in column]
        return pa.Array.from_buffers(pa.bool_(), len(column), [bits(known), bits([bool(value) for value in column])])
    if isinstance(column, list):
        texts = [text.encode() for text in column]
        ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts)))
    if column.ndim == 1:
        return plain(column)
    ends = np.arange(len(column) + 1, dtype=np.int32) * np.int32(column.shape[1])
    return pa.ListArray.from_arrays(plain(ends), plain(column.reshape(-1)))


def compact(folder: Path) -> None:
    """Rewrites a run's predictions with the columns ``COMPACT`` only, compressed. Nothing else can be read afterwards.

    Errors, answers and comparisons are still counted; probabilities, near ties and calibration are not.
    """
    import pyarrow.parquet as pq

    path = folder / "predictions.parquet"
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        table = file.read(columns=[*(name for name in COMPACT if name in names), *_groups(names)])
    with writing(path) as part:
        pq.write_table(table, part, compression="zstd", compression_level=19)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run; None if the manifest or the predictions are missing or the manifest is not valid JSON."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and (folder / "predictions.parquet").is_file() else None


def read_whole_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run. Raises ``StorageError`` unless the folder holds a whole run."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise StorageError(expected("a run", "whole: a manifest and its predictions", "a broken one", str(folder)))
    return manifest


def read_predictions(folder: Path) -> Any:
    """The predictions of a run as a pandas DataFrame. Raises ``StorageError`` for a file that cannot be read."""
    import pandas as pd

    try:
        return pd.read_parquet(folder / "predictions.parquet")
    except Exception as error:
        raise StorageError(f"Cannot read {folder / 'predictions.parquet'}: {error}") from error


def _groups(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(GROUP)]


def read_columns(folder: Path, names: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Columns of a run's predictions as arrays, without pandas; lists become (n, k). Missing columns are left out.

    ``names`` are by default ``COLUMNS`` and the columns of groups. Old runs have no column ``brier``. Raises
    ``StorageError`` for a file that cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(folder / "predictions.parquet") as file:
            known = file.schema_arrow.names
            wanted = names or (*COLUMNS, *_groups(known))
            table = file.read(columns=[name for name in wanted if name in known])
        columns = {name: table.column(name).combine_chunks() for name in table.column_names}
        return {
            name: column.flatten().to_numpy().reshape(len(column), -1)
            if hasattr(column, "flatten") and hasattr(column, "offsets")
            else column.to_numpy(zero_copy_only=False)
            for name, column in columns.items()
        }
    except Exception as error:
        raise StorageError(f"Cannot read {folder / 'predictions.parquet'}: {error}") from error


def runs_in(results: Path) -> list[Path]:
    """The folders of the runs in a results folder, sorted by name."""
    return sorted(p.parent for p in results.glob("runs/*/manifest.json"))


def find_run(results: Path, name: str) -> Path:
    """The folder of a run, by its id, the beginning of one or of its last part, or its path. Raises ``UnknownName``."""
    if (Path(name) / "manifest.json").is_file():
        return Path(name)
    known = runs_in(results)
    matches = [p for p in known if p.name == name] or [p for p in known if is_named(p.name, name)]
    if len(matches) > 1:
        raise UnknownName(f"Expected one run, got {len(matches)} that begin with {name!r}: {_names(matches)}")
    if not matches:
        raise unknown_name("run", name, [p.name for p in known], f"(in {results / 'runs'})")
    return matches[0]


def is_named(run: str, name: str) -> bool:
    """Whether a run's id, or its part after the last dash, as in tables of runs, begins with the name."""
    return run.startswith(name) or run.rpartition("-")[2].startswith(name)


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(p.name for p in paths)
