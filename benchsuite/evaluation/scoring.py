"""From the logits of one chunk to what is kept of its samples: every question from the same logits, in one go."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchsuite.evaluation import predictions
from benchsuite.evaluation.question import Member, Question
from benchsuite.specs.combine import combine, in_space, merge
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Logits = Mapping[tuple[str, str], Mapping[View, "tuple[NDArray[np.float32], NDArray[np.int64]]"]]
"""Of each network, by its identity, and each view: (n, c) logits and (n,) places."""

BLOCK = 2**16
"""Scores that are worked on at a time: as many as stay in a core's own cache."""

MOST_THREADS = 4
"""Beyond so many, memory is what scoring waits for."""


def score(questions: Sequence[Question], samples: Sequence[Sample], logits: Logits) -> Iterator[list[dict[str, Any]]]:
    """The predictions of a chunk, a block of samples at a time: one set of columns for each question.

    What several questions average, such as the softmax of the centre crop, is computed once. Blocks are shared out
    among the cores, which are idle between two chunks of forward passes.
    """
    views = next(iter(logits.values()))
    step = max(1, BLOCK // next(iter(views.values()))[0].shape[1])

    def block(start: int) -> list[dict[str, Any]]:
        rows = slice(start, start + step)
        parts = {i: {v: (x[rows], n[rows]) for v, (x, n) in made.items()} for i, made in logits.items()}
        shared: dict[Any, Any] = {}
        return [_columns(question, samples[rows], parts, shared) for question in questions]

    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), "benchsuite-scoring") as pool:
        yield from pool.map(block, range(0, len(samples), step))


def _columns(question: Question, samples: Sequence[Sample], logits: Logits, shared: dict[Any, Any]) -> dict[str, Any]:
    """Each member's views are combined, then the members of an ensemble."""
    import numpy as np

    among = question.split.among
    members = [_combined(member, logits, shared, among) for member in question.members]
    if question.bound.inner is None:
        return predictions.rows(samples, members[0], question.bound.combine, among)
    spaces = [m.combine.space for m in question.members]
    tiny = np.finfo(np.float64).tiny
    as_logits = [np.log(np.maximum(x, tiny)) if s == "prob" else x for s, x in zip(spaces, members, strict=True)]
    stacked = np.stack(as_logits, axis=1)
    merged = combine(stacked, question.bound.combine, np.ones(stacked.shape[:2]))
    return predictions.rows(samples, merged, question.bound.combine, among)


def _combined(member: Member, logits: Logits, shared: dict[Any, Any], among: Sequence[int]) -> NDArray[np.float64]:
    """The scores of one network from its views, by its combine rule. -> (n, c), c classes or those of ``among``."""
    import numpy as np

    how, found, values = member.combine, logits[member.identity], []
    for view in member.views:
        key = member.identity, view, how.space, how.rule == "geometric"
        if key not in shared:
            x = found[view][0]
            shared[key] = in_space(x[:, list(among)] if among else x, how)
        values.append(shared[key])
    return merge(values, how, np.stack([found[view][1] for view in member.views], axis=1))
