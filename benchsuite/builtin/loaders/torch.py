"""``torch``: the reference loader. Pillow decodes in threads, as it gives up Python's lock while it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from benchsuite import Loader, Sample, Split, TooLarge, hookimpl, in_order

T = TypeVar("T")


def images(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
    """Yields ``then(pixels, seconds)`` of every sample, in order; ``pixels`` is what ``split.read`` gives.

    ``read`` and ``then`` run in the threads of ``in_order``, whose bounds hold; ``seconds`` is what reading and
    decoding took, a wait for room among it.
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
)


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """The reference loader."""
    return [TORCH]
