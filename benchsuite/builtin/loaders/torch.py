"""``torch``: the reference loader. Pillow decodes in threads, as it releases Python's lock (GIL) meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from benchsuite import Loader, Sample, Split, TooLarge, hookimpl, in_order

T = TypeVar("T")


def images(split: Split, samples: Iterable[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
    """Yields ``then(pixels, seconds)`` of every sample, in order; ``pixels`` is what ``split.read`` returns.

    ``read`` and ``then`` run in the threads of ``in_order``, within its bounds on images and memory; ``seconds`` is the
    time for reading and decoding, including any wait for memory.
    """
    from time import perf_counter

    def one(sample: Sample) -> T:
        start = perf_counter()
        pixels = split.read(sample)
        try:
            return then(pixels, perf_counter() - start)
        except TooLarge as error:
            raise error.at(sample.where) from None

    return in_order(samples, one, workers)


TORCH = Loader(
    "torch",
    images=images,
    exact=True,
    note="the reference: Pillow's pixels, decoded in threads",
    streams=True,
)


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """The reference loader."""
    return [TORCH]
