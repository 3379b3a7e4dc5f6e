"""From the logits of one chunk to predictions, for all questions that use these logits."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.errors import BenchsuiteError, expected
from benchsuite.evaluation import predictions
from benchsuite.evaluation.question import Member, Question
from benchsuite.specs.combine import combine, in_space, merge
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.view import View
from benchsuite.storage.run_folder import GROUP, VANISHED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")

Logits = Mapping[tuple[str, str], Mapping[View, "tuple[NDArray[np.float32], NDArray[np.int64]]"]]
"""By network (its identity) and view: (n, c) logits, and (n,), the number of places that each row is a mean of."""

BLOCK = 2**16
"""Scores that a thread works on at a time: as many as stay in a core's own cache."""

WAITING = 2
"""Chunks that wait at most to be scored, where that is done while a device computes."""

MOST_THREADS = 4
"""With more threads scoring is not faster, because it waits for memory."""


def in_turn(tasks: Iterable[Callable[[], T]], waiting: int) -> Iterator[T]:
    """The results of tasks, in order. Each task is done when it comes or, if some may wait, in a thread meanwhile."""
    if not waiting:
        yield from (task() for task in tasks)
        return
    pool, begun = ThreadPoolExecutor(1, "benchsuite-scores"), deque[Future[T]]()
    try:
        for task in tasks:
            begun.append(pool.submit(task))
            while begun and (len(begun) > waiting or begun[0].done()):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def score(questions: Sequence[Question], samples: Sequence[Sample], logits: Logits) -> list[list[dict[str, Any]]]:
    """The predictions of a chunk, block of samples by block: one set of columns for each question.

    What several questions average, such as the softmax of the centre crop, is computed once. Blocks are computed in
    parallel, as the cores are idle between the forward passes of two chunks.
    """
    if not questions:
        return []
    views = next(iter(logits.values()))
    step = max(1, BLOCK // next(iter(views.values()))[0].shape[1])

    def block(start: int) -> list[dict[str, Any]]:
        rows = slice(start, start + step)
        parts = {i: {v: (x[rows], n[rows]) for v, (x, n) in by_view.items()} for i, by_view in logits.items()}
        shared: dict[Any, Any] = {}
        return [_columns(question, samples[rows], parts, shared) for question in questions]

    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1), "benchsuite-scoring") as pool:
        return list(pool.map(block, range(0, len(samples), step)))


def _columns(question: Question, samples: Sequence[Sample], logits: Logits, shared: dict[Any, Any]) -> dict[str, Any]:
    """The predictions of one question: combines the views of each member, then the members of an ensemble."""
    import numpy as np

    among = question.split.among
    members = [_combined(member, samples, logits, shared, question.split) for member in question.members]
    extra = _vanished(question, logits) | _groups(samples, question.split)
    if question.bound.inner is None:
        return predictions.rows(samples, members[0], question.bound.combine, among) | extra
    spaces = [m.combine.space for m in question.members]
    tiny = np.finfo(np.float64).tiny
    as_logits = [np.log(np.maximum(x, tiny)) if s == "prob" else x for s, x in zip(spaces, members, strict=True)]
    stacked = np.stack(as_logits, axis=1)
    merged = combine(stacked, question.bound.combine, np.ones(stacked.shape[:2]))
    return predictions.rows(samples, merged, question.bound.combine, among) | extra


def _vanished(question: Question, logits: Logits) -> dict[str, Any]:
    """The column ``VANISHED`` if a view is attacked: whether an image's gradient is zero in any such view."""
    places = [logits[m.identity][v][1] for m in question.members for v in m.views if v.attacked]
    return {VANISHED: [any(row) for row in zip(*((p == 0).tolist() for p in places), strict=True)]} if places else {}


def _groups(samples: Sequence[Sample], split: Split) -> dict[str, Any]:
    """A column for each of the groups that the errors of a split are counted by."""
    return {f"{GROUP}{name}": [s.groups[place] for s in samples] for place, name in enumerate(split.groups)}


def possible(logits: NDArray[np.float32], split: Split) -> NDArray[np.float32]:
    """The logits of the classes that an answer may be: (n, c) -> (n, c) or, with ``among``, one column for each.

    The first class of each set in ``split.alike`` gets the largest logit of the set.
    """
    if not split.among:
        return logits
    kept = logits[:, list(split.among)]
    for first, *others in split.alike:
        kept[:, split.among.index(first)] = logits[:, [first, *others]].max(axis=1)
    return kept


def _combined(
    member: Member, samples: Sequence[Sample], logits: Logits, shared: dict[Any, Any], split: Split
) -> NDArray[np.float64]:
    """The scores of one network, combined from its views by its rule: (n, c), for the classes that are possible."""
    import numpy as np

    how, by_view, values = member.combine, logits[member.identity], []
    for view in member.views:
        key = member.identity, view, how.space, how.rule == "geometric"
        if key not in shared:
            x = possible(by_view[view][0], split)
            _check_finite(x, member, samples)
            shared[key] = in_space(x, how)
        values.append(shared[key])
    return merge(values, how, np.stack([by_view[view][1] for view in member.views], axis=1))


def _check_finite(logits: NDArray[np.float32], member: Member, samples: Sequence[Sample]) -> None:
    """Raises ``BenchsuiteError`` with the network and the image for a logit that is infinite or no number."""
    import numpy as np

    finite = np.isfinite(logits)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        count = int((~finite.all(axis=1)).sum())
        what = f"the logits of {member.architecture.name}, weights {member.weights.label},"
        where = f"image {samples[row].id}{f' and {count - 1} more of {len(samples)}' if count > 1 else ''}"
        raise BenchsuiteError(expected(what, "finite", f"{logits[row, column]} for class {column}", where))
