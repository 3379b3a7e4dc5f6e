"""``benchsuite.train``: trains a network by a recipe, or a grid of trainings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

from benchsuite.api.options import Surroundings, results_folder, surroundings
from benchsuite.api.shown import Shown
from benchsuite.errors import BadParameter, expected, unknown_name
from benchsuite.report.tables.text import Table, grid_table, preprocessing_lines, training_table
from benchsuite.stats.digits import with_interval
from benchsuite.stats.metrics import Count
from benchsuite.storage import training_folder
from benchsuite.storage.data_places import located
from benchsuite.training import grid as grids
from benchsuite.training import run as running
from benchsuite.training.job import TrainRequest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class Training(Shown):
    """A finished training; ``row`` is its object of ``train --json``. Errors are those of the last epoch."""

    run_id: str
    path: Path
    architecture: str
    recipe: str
    dataset: str
    n: int
    top1_errors: int
    row: Mapping[str, Any] = field(compare=False)

    @property
    def weights(self) -> Path:
        """The file of the last weights, to be evaluated with ``weights=``."""
        return self.path / training_folder.LAST

    @property
    def epochs(self) -> pd.DataFrame:
        """One row for each epoch: learning rate, loss, errors on training, held-out and test images, seconds."""
        import pandas as pd

        return pd.read_parquet(self.path / training_folder.EPOCHS)

    @property
    def table(self) -> pd.DataFrame:
        """The training as a table of one row, as in ``train --json``."""
        import pandas as pd

        return pd.json_normalize([dict(self.row)], sep="_")

    def lines(self) -> Sequence[str]:
        """The error of the last epoch, and the folder."""
        error = with_interval(Count(self.top1_errors, self.n))
        lines = [f"{self.architecture}, {self.recipe} on {self.dataset}: top-1 error {error} % after the last epoch"]
        lines += preprocessing_lines([self.row])
        if self.row["scale"] != "full":
            lines.append(
                f"scale {self.row['scale']}: smaller than the recipe, so not comparable with the published number"
            )
        return [*lines, f"{'answered from' if self.row['cached'] else 'written to'} {self.path}"]

    def cells(self) -> Table:
        """The table of ``benchsuite train``, a line for each fact."""
        headers, (cells,) = training_table([self.row])
        return ["", ""], [list(pair) for pair in zip(headers, cells, strict=True)]


@dataclass(frozen=True, slots=True, repr=False)
class TrainedGrid(Shown):
    """The trainings of a grid; ``rows`` are the objects of ``train --grid NAME --json``."""

    grid: str
    rows: tuple[Mapping[str, Any], ...]

    @property
    def table(self) -> pd.DataFrame:
        """One row for each combination of levels."""
        import pandas as pd

        return pd.json_normalize([dict(row) for row in self.rows], sep="_")

    def lines(self) -> Sequence[str]:
        """How many combinations were trained."""
        failed = sum(1 for row in self.rows if row["failed"])
        return [f"{self.grid}: {len(self.rows)} trainings" + (f", {failed} of them failed" if failed else "")]

    def cells(self) -> Table:
        """The table of ``benchsuite train --grid``."""
        return grid_table(self.rows)


Tell = Callable[[list[dict[str, Any]]], None]
"""Receives the rows of a grid so far, after each training."""


class TrainOptions(Surroundings, total=False):
    """The options of ``benchsuite train``, with the same defaults; ``benchsuite train --help`` describes them."""

    data: str | None
    scale: str
    epochs: int | None
    seed: int | None
    heldout: int
    device: str
    precision: str
    compiled: bool
    fresh: bool
    results: str | Path | None


@overload
def train(
    architecture: str, recipe: str | None = None, *, grid: None = None, **options: Unpack[TrainOptions]
) -> Training: ...
@overload
def train(*, grid: str, tell: Tell | None = None, **options: Unpack[TrainOptions]) -> TrainedGrid: ...
@overload
def train(
    architecture: str | None = None,
    recipe: str | None = None,
    *,
    grid: str | None = None,
    tell: Tell | None = None,
    **options: Unpack[TrainOptions],
) -> Training | TrainedGrid: ...
def train(
    architecture: str | None = None,
    recipe: str | None = None,
    *,
    grid: str | None = None,
    tell: Tell | None = None,
    **options: Unpack[TrainOptions],
) -> Training | TrainedGrid:
    """Trains a network by a recipe, as ``benchsuite train`` does, or continues a training that was stopped.

    ``train("resnet20", "he-cifar", data="cifar10:PATH", scale="mini")`` returns a ``Training``;
    ``train(grid="NAME")`` trains every combination of a grid and returns a ``TrainedGrid``; then ``tell(rows)`` is
    called after each training. A finished training is read from its folder. In the processes that ``torchrun`` starts,
    all return the same result. Raises a ``BenchsuiteError`` for every mistake of a user.
    """
    if (architecture is None) == (grid is None) or (grid and recipe):
        got = " ".join(word for word in (architecture, recipe, grid) if word) or "nothing"
        raise BadParameter(expected("the training", "an ARCHITECTURE with its --recipe, or a --grid", got))
    own = {f.name for f in dataclasses.fields(TrainRequest)} - {"architecture", "recipe"}
    given: dict[str, Any] = {k: v for k, v in options.items() if k not in Surroundings.__annotations__}
    for name in given:
        if name not in own:
            raise unknown_name("option of train", name, own | set(Surroundings.__annotations__))
    given["results"] = results_folder(given.get("results"))
    catalog, progress = surroundings(options)
    if given.get("data") is not None:
        given["data"] = located(given["data"], catalog)
    request = TrainRequest(architecture or "", recipe, **given)
    if grid is not None:
        rows = grids.train(request, grid, catalog, progress, tell or (lambda rows: None))
        return TrainedGrid(grid, tuple(rows))
    row = running.train(request, catalog, progress)
    names = ("run_id", "architecture", "recipe", "dataset", "n", "top1_errors")
    return Training(path=Path(row["path"]), row=row, **{name: row[name] for name in names})
