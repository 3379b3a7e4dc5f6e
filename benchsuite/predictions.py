"""Per-sample predictions and the run directory: the manifest is written last, so a run is whole or absent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite import metrics
from benchsuite.chunks import writing
from benchsuite.errors import BenchsuiteError, StorageError, UnknownName, unknown_name
from benchsuite.specs.combine import Combine, softmax
from benchsuite.specs.dataset import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("id", "label", "rank", "top5", "probability5", "probability_true", "margin1", "margin5", "brier")
REAL = "real"
"""A further column where the labels were reassessed: is the first answer among them? Empty for images without any."""


def rows(
    samples: Sequence[Sample], scores: NDArray[np.float64], how: Combine, among: Sequence[int] = ()
) -> dict[str, Any]:
    """What is kept of each sample: the columns ``COLUMNS``, and ``REAL``. (n, c) scores -> columns of length n.

    ``among`` are the class indices that the scores belong to, rising; by default 0..c-1.

    ``rank`` is the place of the true class (0 is best), ``margin1`` and ``margin5`` how far the decision at 1 and 5
    is from flipping, in the space of the scores; probabilities are the scores normalised to sum to 1; ``brier`` is the
    sum over classes of the squared distance of probability and truth.
    """
    import numpy as np

    labels = np.array([s.label for s in samples], dtype=np.int64)
    index = np.asarray(among if among else np.arange(scores.shape[1]))
    place = np.searchsorted(index, labels)
    best = metrics.top(scores, 6)
    rank = metrics.ranks(scores, place, best=best)
    weight = softmax(scores) if how.space == "logit" else scores
    total = weight.sum(axis=1, keepdims=True)
    true = np.take_along_axis(weight, place[:, None], axis=1) / total
    squares = np.einsum("nc,nc->n", weight, weight)[:, None] / total**2
    found: dict[str, Any] = {
        "id": [s.id for s in samples],
        "label": labels.astype(np.int32),
        "rank": rank.astype(np.int32),
        "top5": index[best[:, :5]].astype(np.int32),
        "probability5": np.take_along_axis(weight, best[:, :5], axis=1) / total,
        "probability_true": true[:, 0],
        "margin1": metrics.margins(scores, place, 1, best=best),
        "margin5": metrics.margins(scores, place, 5, best=best),
        "brier": np.maximum(0.0, squares - 2 * true + 1)[:, 0],
    }
    if any(s.real is not None for s in samples):
        answers = index[best[:, 0]].tolist()
        found[REAL] = [a in s.real if s.real else None for a, s in zip(answers, samples, strict=True)]
    return found


def join(parts: Sequence[dict[str, Any]], samples: Sequence[Sample]) -> dict[str, Any]:
    """The columns of all chunks, one row per sample, asserted: the ids are exactly those of the split, in order."""
    import numpy as np

    whole = {
        name: [i for p in parts for i in p[name]] if name in ("id", REAL) else np.concatenate([p[name] for p in parts])
        for name in (*COLUMNS, *((REAL,) if any(REAL in p for p in parts) else ()))
    }
    if whole["id"] != [s.id for s in samples]:
        raise BenchsuiteError(
            f"Expected one prediction for each of {len(samples)} samples, got {len(set(whole['id']))} distinct of "
            f"{len(whole['id'])}: no number is printed"
        )
    return whole


def count(columns: dict[str, Any], tolerance: float) -> dict[str, int]:
    """Integer counts of a run: n, errors at 1 and 5, and decisions within ``tolerance`` of flipping.

    Where labels were reassessed, ``real_n`` images have any, and the first answer of ``real_errors`` is none of them.
    """
    import numpy as np

    rank, judged = columns["rank"], [right for right in columns.get(REAL, ()) if right is not None]
    real = {"real_n": len(judged), "real_errors": judged.count(False)} if REAL in columns else {}
    return real | {
        "n": len(rank),
        "top1_errors": metrics.errors_at(rank, 1).hits,
        "top5_errors": metrics.errors_at(rank, 5).hits,
        "top1_near_ties": int((np.abs(columns["margin1"]) <= tolerance).sum()),
        "top5_near_ties": int((np.abs(columns["margin5"]) <= tolerance).sum()),
    }


def write_run(folder: Path, manifest: dict[str, Any], columns: dict[str, Any]) -> None:
    """Writes predictions.parquet, then manifest.json. Raises ``StorageError`` naming the place.

    The manifest of a run that was there before goes first: it says nothing of these predictions.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: _arrow(column) for name, column in columns.items()}
    with writing(folder / "predictions.parquet") as part:
        pq.write_table(pa.table(arrays), part)
        (folder / "manifest.json").unlink(missing_ok=True)
    with writing(folder / "manifest.json") as part:
        part.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _arrow(column: Any) -> Any:
    """Texts, (n,) numbers, (n, k) lists of numbers, or a list of True, False and None as an Arrow array.

    It is made from bytes: ``pyarrow.array`` would import pandas, half a second, and make an object of every list.
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


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a whole run, or None."""
    try:
        found = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and (folder / "predictions.parquet").is_file() else None


def read_predictions(folder: Path) -> Any:
    """The predictions of a run as a pandas DataFrame. Raises ``StorageError`` for a file that cannot be read."""
    import pandas as pd

    try:
        return pd.read_parquet(folder / "predictions.parquet")
    except Exception as error:
        raise StorageError(f"Cannot read {folder / 'predictions.parquet'}: {error}") from error


def read_columns(folder: Path, names: Sequence[str] = COLUMNS) -> dict[str, NDArray[Any]]:
    """Columns of a run's predictions as arrays, without pandas; lists become (n, k). Those a run lacks are left out.

    Runs from before ``brier`` was kept do not have it. Raises ``StorageError`` for a file that cannot be read.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(folder / "predictions.parquet") as file:
            table = file.read(columns=[n for n in names if n in file.schema_arrow.names])
        found = {name: table.column(name).combine_chunks() for name in table.column_names}
        return {
            name: column.flatten().to_numpy().reshape(len(column), -1)
            if hasattr(column, "flatten") and hasattr(column, "offsets")
            else column.to_numpy(zero_copy_only=False)
            for name, column in found.items()
        }
    except Exception as error:
        raise StorageError(f"Cannot read {folder / 'predictions.parquet'}: {error}") from error


def runs_in(results: Path) -> list[Path]:
    """The folders of the runs in a results folder, by name."""
    return sorted(p.parent for p in results.glob("runs/*/manifest.json"))


def find_run(results: Path, name: str) -> Path:
    """The folder of a run: its id, the beginning of one, its last part, or a path. Raises ``UnknownName``."""
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
    """Whether a run's id begins with the name, or ends in it after its last dash, as tables of runs have it."""
    return run.startswith(name) or run.rpartition("-")[2] == name


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(p.name for p in paths)
