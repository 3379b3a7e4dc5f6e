"""Which images a run classified correctly in each pass: an evaluation has one pass, a training one for each epoch."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.errors import StorageError, UnknownName, expected, unknown_name
from benchsuite.stats import batch_averaging
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Correctness:
    """The correct predictions of a run: ``correct`` (e, n) bool, one row for each pass, images in loader order.

    ``heldout`` has the number of errors on held-out images after each epoch, (e,). ``of`` is the number of images in
    the whole split. ``accounting`` names how the source of the recipe counted. A value is None if the run does not have
    it. A training that is not ``finished`` has the epochs so far.
    """

    run_id: str
    path: str
    correct: NDArray[np.bool_]
    of: int
    batch_size: int | None = None
    heldout: NDArray[Any] | None = None
    accounting: str | None = None
    finished: bool = True

    @property
    def n(self) -> int:
        """Images in a pass."""
        return int(self.correct.shape[1])

    @property
    def rates(self) -> tuple[Fraction, ...]:
        """The exact accuracy of each pass."""
        return tuple(batch_averaging.ratios(batch_averaging.EXACT, self.correct, 1))


def read(results: Path, name: str) -> Correctness:
    """The passes of an evaluation or a training. ``name`` is its id, the beginning or last part of one, or a path.

    Raises ``UnknownName``, or ``StorageError`` for an incomplete run.
    """
    folder = find(results, name)
    if (folder / "correct.npz").is_file():
        return _training(folder)
    manifest = run_folder.read_whole_manifest(folder)
    rank = run_folder.read_predictions(folder)["rank"].to_numpy()
    return Correctness(folder.name, str(folder), (rank == 0)[None, :], manifest["dataset"]["of"])


def find(results: Path, name: str) -> Path:
    """The folder of an evaluation or a training, by its id, the beginning or last part of one, or its path.

    Raises ``UnknownName``.
    """
    if any((Path(name) / file).is_file() for file in ("correct.npz", "manifest.json")):
        return Path(name)
    trainings = sorted(p.parent for p in results.glob("training/*/correct.npz"))
    known = {p.name: p for p in [*run_folder.runs_in(results), *trainings]}
    matches = [name] if name in known else [run for run in known if run_folder.is_named(run, name)]
    if len(matches) > 1:
        raise UnknownName(f"Expected one run, got {len(matches)} that begin with {name!r}: {', '.join(matches)}")
    if not matches:
        raise unknown_name("run", name, known, f"(in {results / 'runs'} and {results / 'training'})")
    return known[matches[0]]


def _training(folder: Path) -> Correctness:
    """Reads ``correct.npz``: ``bits`` (epochs, ceil(n / 8)) uint8 of ``numpy.packbits``, ``n`` and ``batch_size``."""
    import numpy as np

    file, manifest = folder / "correct.npz", folder / "manifest.json"
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            bits, n, batch_size = stored["bits"], int(stored["n"]), int(stored["batch_size"])
        finished = manifest.is_file()
        recipe = json.loads(manifest.read_text(encoding="utf-8"))["recipe"] if finished else {}
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise StorageError(f"Cannot read the training in {folder}: {error}") from error
    if bits.dtype != np.uint8 or bits.ndim != 2 or bits.shape[1] != (n + 7) // 8 or not bits.size or batch_size < 1:
        got = f"{bits.dtype} of the shape {bits.shape} with n = {n} and batch_size = {batch_size}"
        raise StorageError(expected("the bits of a training", "uint8 of the shape (epochs, n / 8)", got, str(file)))
    correct = np.unpackbits(bits, axis=1, count=n).astype(bool)
    heldout = _heldout(folder, len(correct))
    return Correctness(folder.name, str(folder), correct, n, batch_size, heldout, recipe.get("accounting"), finished)


def _heldout(folder: Path, epochs: int) -> NDArray[Any] | None:
    """The column ``heldout_errors`` of ``epochs.parquet``; None if it does not exist or an epoch has no number."""
    import pandas as pd

    file = folder / "epochs.parquet"
    if not file.is_file():
        return None
    try:
        table = pd.read_parquet(file)
    except Exception as error:
        raise StorageError(f"Cannot read {file}: {error}") from error
    if "heldout_errors" not in table or table["heldout_errors"].isna().any():
        return None
    if len(table) != epochs:
        raise StorageError(expected("the epochs of a training", f"{epochs} as in correct.npz", len(table), str(file)))
    errors: NDArray[Any] = table["heldout_errors"].to_numpy()
    return errors
