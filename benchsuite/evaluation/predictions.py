"""From scores to predictions: one row for each image, and the counts of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BenchsuiteError
from benchsuite.specs.combine import Combine, softmax
from benchsuite.specs.dataset import Sample
from benchsuite.stats import metrics
from benchsuite.storage.run_folder import COLUMNS, GROUP, REAL, VANISHED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def rows(
    samples: Sequence[Sample], scores: NDArray[np.float64], how: Combine, among: Sequence[int] = ()
) -> dict[str, Any]:
    """The predictions of samples: ``COLUMNS``, and ``REAL`` if a label was reassessed. (n, c) scores -> n rows.

    ``among`` are the class indices that the scores belong to, in ascending order; by default 0..c-1.

    ``rank`` is the rank of the true class (0 is best). ``margin1`` and ``margin5`` are how far the top-1 and the top-5
    decision are from flipping, in the space of the scores. Probabilities are normalised to sum to 1: the softmax of
    logits, or the scores themselves. ``brier`` is the sum over classes of (probability - truth) squared.
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
    columns: dict[str, Any] = {
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
        columns[REAL] = [a in s.real if s.real else None for a, s in zip(answers, samples, strict=True)]
    return columns


def join(parts: Sequence[dict[str, Any]], samples: Sequence[Sample]) -> dict[str, Any]:
    """Joins the columns of all blocks: one row per sample.

    Raises ``BenchsuiteError`` unless the ids are exactly those of ``samples``, in order.
    """
    import numpy as np

    extra = list(dict.fromkeys(name for p in parts for name in p if name in (REAL, VANISHED) or name.startswith(GROUP)))
    lists = ("id", *extra)
    whole = {
        name: [i for p in parts for i in p[name]] if name in lists else np.concatenate([p[name] for p in parts])
        for name in (*COLUMNS, *extra)
    }
    if whole["id"] != [s.id for s in samples]:
        raise BenchsuiteError(
            f"Expected one prediction for each of {len(samples)} samples, got {len(set(whole['id']))} distinct of "
            f"{len(whole['id'])}: no number is printed"
        )
    return whole


def count(columns: dict[str, Any], tolerance: float) -> dict[str, int]:
    """Integer counts of a run: n, errors at 1 and 5, and decisions within ``tolerance`` of flipping.

    If labels were reassessed: ``real_n`` images have reassessed labels, and the top-1 answer of ``real_errors`` of them
    is none of these labels. Under attack: ``vanished`` images have a gradient that is zero everywhere. Compact
    predictions have no near ties.
    """
    import numpy as np

    rank, judged = columns["rank"], [right for right in columns.get(REAL, ()) if right is not None]
    real = {"real_n": len(judged), "real_errors": judged.count(False)} if REAL in columns else {}
    vanished = {"vanished": sum(columns[VANISHED])} if VANISHED in columns else {}
    errors = {"top1_errors": metrics.errors_at(rank, 1).hits, "top5_errors": metrics.errors_at(rank, 5).hits}
    ties = {
        f"top{k}_near_ties": int((np.abs(columns[f"margin{k}"]) <= tolerance).sum())
        for k in (1, 5)
        if f"margin{k}" in columns
    }
    return real | vanished | {"n": len(rank)} | errors | ties
