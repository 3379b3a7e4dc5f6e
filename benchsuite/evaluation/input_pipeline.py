"""From decoded images to batches: one resize per scale, crops are slices of it, equal shapes are batched."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.data import resize as resizing
from benchsuite.data.prefetch import reserve
from benchsuite.errors import BenchsuiteError
from benchsuite.evaluation.timing import Seconds
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View, resized_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")


HELD_BYTES = 256 * 2**20
"""Pixels that may wait for company before the fullest group is sent as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The pixels that one view sees of one sample: uint8 (h, w, 3), and where their score belongs."""

    sample: int
    view: int
    pixels: NDArray[np.uint8]


def batches(
    pieces: Iterable[Piece], views: tuple[View, ...], size: int, held: int = HELD_BYTES
) -> Iterator[list[Piece]]:
    """Groups pieces by shape and kind of view; a batch holds as many pixels as ``size`` views of the usual shape.

    The order of the pieces alone decides which batches are made. ``held`` bounds the bytes that wait.
    """
    waiting: dict[tuple[object, ...], list[Piece]] = {}
    usual = min(_side(v) for v in views) ** 2
    bytes_held = 0
    for piece in pieces:
        view = views[piece.view]
        height, width = piece.pixels.shape[:2]
        key: tuple[object, ...] = (height, width, view.dense, view.nominal, view.spatial)
        group = waiting.setdefault(key, [])
        group.append(piece)
        bytes_held += height * width * 3
        if len(group) >= max(1, size * usual // (height * width)):
            full = key
        elif bytes_held > held:
            full = max(waiting, key=lambda k: sum(p.pixels.size for p in waiting[k]))
        else:
            continue
        batch = waiting.pop(full)
        bytes_held -= sum(p.pixels.shape[0] * p.pixels.shape[1] * 3 for p in batch)
        yield batch
    yield from waiting.values()


def _side(view: View) -> int:
    """The side of the smallest square that a view may look at."""
    if view.crop is not None:
        return view.crop.size
    return view.nominal or (min(view.resize) if isinstance(view.resize, tuple) else view.resize)


LARGE = 2**24
"""Bytes of a resized image that is not kept for a crop of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """What every view sees of one image: uint8 (h, w, 3) in the order of the views; and the seconds it took."""

    pixels: list[Any]
    decode: float
    resize: float


def cutter(views: tuple[View, ...], turn: AbstractContextManager[Any]) -> Callable[[Any, float], Cuts]:
    """What a loader's worker does with a decoded image, for these views, once it has its ``turn``."""

    def then(image: Any, decoded: float) -> Cuts:
        with turn:
            pass
        start = time.perf_counter()
        height, width = resizing.size(image)
        scales: dict[tuple[Any, ...], Any] = {}
        pixels = []
        for view in views:
            shape = resized_shape(height, width, view)
            key = (shape, view.interpolation, view.antialias)
            if key not in scales:
                reserve(resizing.resize_bytes(*shape, view))  # a narrow image may become a hundred times as large
                scales[key] = resizing.resize(image, *shape, view)
            pixels.append(_apart(resizing.cut(scales[key], view), scales[key]))
        return Cuts(pixels, decoded, time.perf_counter() - start)

    return then


def _apart(part: Any, whole: Any) -> Any:
    """A crop of a large image as an array of its own: a slice would keep all of the image until its batch is done."""
    return part.copy() if whole.nbytes > LARGE and 8 * part.nbytes < whole.nbytes else part


_LAST = threading.local()
"""``read`` of this thread: the image that ``split.read`` gave and the id of its sample, until it is cut.

The id is None after several reads: a loader that reads ahead is not followed.
"""


@dataclass(frozen=True, slots=True)
class _Counted:
    """``split.read`` that keeps what was read. A loader's worker process has a copy of its own, which is not seen."""

    read: Callable[[Sample], Any]
    ids: list[str] = field(default_factory=list)

    def __call__(self, sample: Sample) -> Any:
        self.ids.append(sample.id)
        image = self.read(sample)
        _LAST.read = image, sample.id if getattr(_LAST, "read", None) is None else None
        return image


def _named(then: Callable[[Any, float], Cuts]) -> Callable[[Any, float], tuple[str | None, Cuts]]:
    """``then`` that also says whose image it was, if that is the one that this thread has just read."""

    def named(image: Any, seconds: float) -> tuple[str | None, Cuts]:
        last, name = getattr(_LAST, "read", None) or (None, None)
        _LAST.read = None
        return name if last is image else None, then(image, seconds)

    return named


def once_each(
    loader: Loader, split: Split, samples: Sequence[Sample], then: Callable[[Any, float], Cuts], workers: int
) -> Iterator[Cuts]:
    """What a loader yields of these samples, in order.

    Raises ``BenchsuiteError`` for a loader that reads one of them twice or leaves one out, even if their number is
    right, and for one that gives them in another order: labels would be those of other images. Loaders that read by
    other means than ``split.read`` have to see to it themselves.
    """
    assert loader.images is not None, "a loader that reads a file is opened before its images are asked for"
    read, wrong = _Counted(split.read), ""
    found = loader.images(dataclasses.replace(split, read=read), samples, _named(then), workers)
    try:
        for i, (name, cuts) in enumerate(found):
            if name is not None and not wrong and i < len(samples) and name != samples[i].id:
                wrong = f"Expected the loader {loader.name} to give {samples[i].id} next, got {name}"
            yield cuts
    finally:
        getattr(found, "close", lambda: None)()
    if read.ids and (len(read.ids) != len(samples) or set(read.ids) != {s.id for s in samples}):
        got = f"{len(set(read.ids))} distinct of {len(read.ids)}"
        raise BenchsuiteError(
            f"Expected the loader {loader.name} to read each of {len(samples)} images once, got {got}: "
            "no number is printed"
        )
    if wrong:
        raise BenchsuiteError(f"{wrong}: no number is printed")


def pieces(images: Iterator[Cuts], count: int, seconds: Seconds) -> Iterator[Piece]:
    """The pieces of all images in order; adds to ``seconds`` what was waited for, decoded and resized.

    Raises ``BenchsuiteError`` when a loader gives more or fewer than ``count`` images: padded, repeated or dropped.
    """
    sample = 0
    while True:
        start = time.perf_counter()
        cuts = next(images, None)
        seconds.wait += time.perf_counter() - start
        if cuts is None and sample == count:
            return
        if cuts is None or sample == count:
            got = f"only {sample}" if cuts is None else "more"
            raise BenchsuiteError(f"Expected the loader to give {count} images, got {got}: no number is printed")
        seconds.decode += cuts.decode
        seconds.resize += cuts.resize
        for view, pixels in enumerate(cuts.pixels):
            yield Piece(sample, view, pixels)
        sample += 1
