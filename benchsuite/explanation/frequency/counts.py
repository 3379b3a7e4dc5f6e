"""Exact counts of a frequency analysis, from the predictions of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.errors import DataError, expected
from benchsuite.explanation.frequency.analysis import Filtered, RadiusCounts, Reply, Triple
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray


Columns = Mapping[str, "NDArray[Any]"]
"""Columns of the predictions of a run, by name; the images are in the same order in all runs of an analysis."""

SHOWN = 12
"""At most this many triples are kept."""


def columns(folder: Path) -> Columns:
    """The columns that are counted, of a finished run."""
    return run_folder.read_columns(folder, ("id", "label", "rank", "top5", "probability5", "probability_true"))


def filtered(clean: Columns, row: Mapping[str, Any], predicted: Columns) -> Filtered:
    """The counts of a run on filtered pictures, whose row of ``run --json`` is ``row``, against the clean run.

    Raises ``DataError`` unless both runs are of the same images in the same order.
    """
    if clean["id"].tolist() != predicted["id"].tolist() or clean["label"].tolist() != predicted["label"].tolist():
        raise DataError(
            expected("the images of a run", "those of the clean run, in its order", "others", row["run_id"])
        )
    import numpy as np

    before, after = clean["rank"] == 0, predicted["rank"] == 0
    fixed, broken = int((~before & after).sum()), int((before & ~after).sum())
    times = np.bincount(predicted["top5"][:, 0])
    frequent = int(times.argmax()), int(times.max())
    return Filtered(row["protocol"], row["run_id"], int(after.sum()), fixed, broken, *frequent)


def at_radius(
    radius: int, clean: Columns, low: tuple[Mapping[str, Any], Columns], high: tuple[Mapping[str, Any], Columns]
) -> RadiusCounts:
    """The counts at one radius; ``low`` and ``high`` are the row and the columns of a run."""
    swapped = (low[1]["rank"] > 0) & (high[1]["rank"] == 0)
    return RadiusCounts(
        radius,
        filtered(clean, *low),
        filtered(clean, *high),
        len(swapped),
        int(swapped.sum()),
        int((swapped & (clean["rank"] == 0)).sum()),
    )


def triples(clean: Columns, low: Columns, high: Columns) -> tuple[Triple, ...]:
    """The images that are shown: right as they are, wrong on the low-pass and right on the high-pass picture.

    Of these the ``SHOWN`` whose true class has the highest probability on the high-pass picture, in this order; equal
    ones in the order of the run.
    """
    import numpy as np

    places = np.flatnonzero((clean["rank"] == 0) & (low["rank"] > 0) & (high["rank"] == 0))
    order = np.argsort(-high["probability_true"][places], kind="stable")
    return tuple(
        Triple(str(clean["id"][i]), int(clean["label"][i]), *(_reply(run, i) for run in (clean, low, high)))
        for i in places[order][:SHOWN].tolist()
    )


def _reply(predicted: Columns, row: int) -> Reply:
    return Reply(int(predicted["top5"][row, 0]), float(predicted["probability5"][row, 0]))
