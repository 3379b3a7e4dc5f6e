"""``torch``: the reference loader. Pillow decodes in threads, as it gives up Python's lock while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from benchsuite import BadParameter, Loader, Sample, Split, expected, hookimpl

T = TypeVar("T")
AHEAD = 4
"""Images in flight for each worker: enough to keep it busy, few enough to bound memory."""


def images(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
    """Yields ``then(pixels, seconds)`` of every sample, in order; ``pixels`` is what ``split.read`` gives.

    ``read`` and ``then`` run in ``workers`` threads, with at most ``AHEAD * workers`` images in flight; 0 workers means
    the calling thread. ``seconds`` is what reading and decoding took. An error of a sample is raised in its turn, as it
    is. Closing the iterator drops what has not begun and waits for the images being read.
    """
    if workers < 0:
        raise BadParameter(expected("workers", "0 or more", workers))
    return _in_threads(split, samples, then, workers) if workers else _inline(split, samples, then)


def _inline(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T]) -> Iterator[T]:
    for sample in samples:
        yield _one(split, sample, then)


def _in_threads(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix="benchsuite-images")
    flying: deque[Future[T]] = deque()
    try:
        for sample in samples:
            flying.append(pool.submit(_one, split, sample, then))
            if len(flying) == AHEAD * workers:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _one(split: Split, sample: Sample, then: Callable[[Any, float], T]) -> T:
    from time import perf_counter

    start = perf_counter()
    pixels = split.read(sample)
    return then(pixels, perf_counter() - start)


TORCH = Loader(
    "torch",
    images=images,
    exact=True,
    note="the reference: Pillow's pixels, decoded in threads",
)


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """The reference loader."""
    return [TORCH]
